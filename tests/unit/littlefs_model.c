/* SPDX-License-Identifier: MIT
 *
 * The model is a flat list of paths. What is expected of each call is written
 * here from fs.h and littlefs.h, not from what the driver does; the exceptions
 * are two answers whose moment cannot be told from outside: FP_ERR_NOSPC at
 * any write, after which the model stays as it was, and FP_ERR_STALE, only
 * where littlefs.h allows it.
 */
#include "tests/unit/littlefs_model.h"

#define HANDLES  5
#define LISTINGS 2

struct body {
    uint8_t *data;
    uint32_t size;
};

struct attr {
    uint8_t type;
    struct body value;
};

struct node {
    char *path; /* "/": the root, which has attributes */
    bool is_dir;
    struct body body;
    struct attr *attrs;
    uint32_t attr_count;
};

/* An open file. Without a node it waits to be made as `path`, or has been
 * removed, and then has no path either. */
struct handle {
    bool used, staged, dirty;
    bool lost;   /* staged, and a write failed: cannot be committed any more */
    bool may_go; /* inline and not in memory: gone if the file changes */
    struct fp_file file;
    struct node *node;
    char *path;
    struct body body, saved;
    uint32_t pos, flags;
};

struct listing {
    bool used;
    struct fp_dir dir;
    struct node *node;   /* NULL: removed */
    struct node **stays; /* in it from the start, not met yet */
    uint32_t stay_count;
    struct node **met;
    uint32_t met_count;
};

static struct lfs_model_config conf;
static struct lfs_model_counts counts;
static struct fp_mount mnt;
static struct fp_statfs limits;
static uint32_t attr_max, block_size, node_max;
static struct node **nodes;
static uint32_t node_count;
static struct handle handles[HANDLES];
static struct listing listings[LISTINGS];
static uint64_t rng;
static bool running, tracing;

#define TRACE(...)                                      \
    do {                                                \
        if (tracing) {                                  \
            fprintf(stderr, "%u: ", counts.operations); \
            fprintf(stderr, __VA_ARGS__);               \
            fputc('\n', stderr);                        \
        }                                               \
    } while (0)

static uint32_t rnd(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return below ? (uint32_t)(rng >> 11) % below : 0;
}

/* --- bodies, attributes, nodes --- */

static void body_set(struct body *b, const void *data, uint32_t size)
{
    uint8_t *copy = malloc(size + 1);

    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    free(b->data);
    *b = (struct body){ copy, size };
}

static void body_resize(struct body *b, uint32_t size)
{
    b->data = realloc(b->data, size + 1);
    assert_non_null(b->data);
    if (size > b->size)
        memset(b->data + b->size, 0, size - b->size);
    b->size = size;
}

static void body_free(struct body *b)
{
    free(b->data);
    *b = (struct body){ NULL, 0 };
}

static struct attr *attr_find(const struct node *n, uint32_t type)
{
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (n->attrs[i].type == type)
            return &n->attrs[i];
    return NULL;
}

static void attr_set(struct node *n, uint8_t type, const void *data,
                     uint32_t size)
{
    struct attr *a = attr_find(n, type);
    uint32_t at = n->attr_count;

    if (!a) {
        n->attrs = realloc(n->attrs, (at + 1) * sizeof *n->attrs);
        assert_non_null(n->attrs);
        for (; at > 0 && n->attrs[at - 1].type > type; at--)
            n->attrs[at] = n->attrs[at - 1];
        n->attr_count++;
        a = &n->attrs[at];
        *a = (struct attr){ .type = type };
    }
    body_set(&a->value, data, size);
}

static void attr_remove(struct node *n, uint8_t type)
{
    struct attr *a = attr_find(n, type);

    if (!a)
        return;
    body_free(&a->value);
    n->attr_count--;
    for (; a < n->attrs + n->attr_count; a++)
        *a = a[1];
}

static struct node *find(const char *path)
{
    for (uint32_t i = 0; i < node_count; i++)
        if (!strcmp(nodes[i]->path, path))
            return nodes[i];
    return NULL;
}

static struct node *fresh(const char *path, bool is_dir)
{
    struct node *n = calloc(1, sizeof *n);

    nodes = realloc(nodes, (node_count + 1) * sizeof *nodes);
    assert_true(n && nodes);
    n->path = strdup(path);
    n->is_dir = is_dir;
    body_set(&n->body, "", 0);
    nodes[node_count++] = n;
    return n;
}

static bool is_root(const struct node *n)
{
    return !n->path[1];
}

static bool is_under(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && path[n] == '/';
}

/* Is `path` an entry of the directory itself? */
static bool is_in(const char *path, const struct node *dir)
{
    size_t n = is_root(dir) ? 0 : strlen(dir->path);

    return !strncmp(path, dir->path, n) && path[n] == '/' && path[n + 1] &&
           !strchr(path + n + 1, '/');
}

static bool has_children(const char *path)
{
    for (uint32_t i = 0; i < node_count; i++)
        if (is_under(nodes[i]->path, path))
            return true;
    return false;
}

static bool list_drop(struct node **list, uint32_t *count,
                      const struct node *node)
{
    for (uint32_t i = 0; i < *count; i++)
        if (list[i] == node) {
            list[i] = list[--*count];
            return true;
        }
    return false;
}

/* It stays no longer where listings expect it. */
static void unlist(const struct node *n)
{
    for (int i = 0; i < LISTINGS; i++) {
        list_drop(listings[i].stays, &listings[i].stay_count, n);
        list_drop(listings[i].met, &listings[i].met_count, n);
    }
}

static void node_free(struct node *n)
{
    for (uint32_t i = 0; i < n->attr_count; i++)
        free(n->attrs[i].value.data);
    free(n->attrs);
    free(n->body.data);
    free(n->path);
    free(n);
}

static void forget_path(struct handle *h)
{
    free(h->path);
    h->path = NULL;
}

/* Removed, or replaced by a rename. */
static void drop(struct node *n)
{
    unlist(n);
    for (int i = 0; i < LISTINGS; i++)
        if (listings[i].used && listings[i].node == n) {
            listings[i].node = NULL;
            listings[i].stay_count = 0;
        }
    for (int i = 0; i < HANDLES; i++) {
        struct handle *h = &handles[i];

        if (h->used && h->node == n)
            h->node = NULL;
        if (h->used && h->path && is_under(h->path, n->path))
            forget_path(h);
    }
    list_drop(nodes, &node_count, n);
    node_free(n);
}

/* What a path's parent is: OK, NOENT, NOTDIR, or NAMETOOLONG on the way. */
static int parent_err(const char *path)
{
    char part[FP_PATH_MAX + 2];
    const char *at = path;

    while (*at) {
        size_t len = strcspn(at + 1, "/");
        struct node *n;

        if (len > limits.name_max)
            return FP_ERR_NAMETOOLONG;
        at += 1 + len;
        if (!*at)
            return FP_OK;
        memcpy(part, path, (size_t)(at - path));
        part[at - path] = 0;
        n = find(part);
        if (!n)
            return FP_ERR_NOENT;
        if (!n->is_dir)
            return FP_ERR_NOTDIR;
    }
    return FP_OK;
}

/* --- chance --- */

/* The root every other time, so that one directory has many pairs. */
static const struct node *random_dir(void)
{
    if (rnd(2))
        return nodes[0];
    for (int i = 0; i < 20; i++) {
        const struct node *n = nodes[rnd(node_count)];

        if (n->is_dir && strlen(n->path) < FP_PATH_MAX / 2)
            return n;
    }
    return nodes[0];
}

static void random_name(char *name)
{
    static const char *const some[] = { "a",  "b",     "aa",   "ab", "f1",
                                        "f2", "a.txt", "a.tx", "x" };
    uint32_t len, most = block_size / 8;

    if (most > limits.name_max)
        most = limits.name_max;
    if (rnd(4)) {
        strcpy(name, some[rnd(sizeof some / sizeof *some)]);
        return;
    }
    len = rnd(8) ? 1 + rnd(most < 24 ? most : 24) : 1 + rnd(most);
    if (rnd(200) == 0 && limits.name_max < FP_NAME_MAX)
        len = limits.name_max + 1;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t c = rnd(3) ? 'a' + rnd(3) : 1 + rnd(255);

        name[i] = (char)(c == '/' || c == '.' ? 'q' : c);
    }
    name[len] = 0;
}

/* An entry that is there, or a name in a directory that is; now and then in
 * one that is not. */
static void random_path(char *path)
{
    char name[FP_NAME_MAX + 2];
    const struct node *dir = random_dir();

    if (node_count > 1 && rnd(2)) {
        strcpy(path, nodes[1 + rnd(node_count - 1)]->path);
        return;
    }
    random_name(name);
    strcpy(path, is_root(dir) ? "" : dir->path);
    if (rnd(50) == 0)
        strcat(path, rnd(2) ? "/none" : "/a");
    strcat(path, "/");
    strcat(path, name);
}

static void random_bytes(uint8_t *buf, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        buf[i] = (uint8_t)rnd(256);
}

static bool crowded(void)
{
    return node_count >= node_max;
}

static bool spared(int err)
{
    counts.full += err == FP_ERR_NOSPC;
    return err == FP_ERR_NOSPC;
}

/* --- the tree --- */

static void do_mkdir(const char *path)
{
    int want = parent_err(path), err;

    if (!want && find(path))
        want = FP_ERR_EXIST;
    TRACE("mkdir %s", path);
    err = fp_fs_mkdir(&mnt, path);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (!err)
        fresh(path, true);
}

static void do_remove(const char *path)
{
    struct node *n = find(path);
    int want = parent_err(path), err;

    if (!want && !n)
        want = FP_ERR_NOENT;
    if (!want && n->is_dir && has_children(path))
        want = FP_ERR_NOTEMPTY;
    TRACE("remove %s", path);
    err = fp_fs_remove(&mnt, path);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (!err)
        drop(n);
}

static void repath(char **path, const char *from, const char *to)
{
    size_t rest = strlen(*path + strlen(from)), head = strlen(to);
    char *now = malloc(head + rest + 1);

    assert_non_null(now);
    memcpy(now, to, head);
    memcpy(now + head, *path + strlen(from), rest + 1);
    free(*path);
    *path = now;
}

static void move_all(struct node *moved, const char *old, const char *to)
{
    for (uint32_t i = 0; i < node_count; i++)
        if (is_under(nodes[i]->path, old))
            repath(&nodes[i]->path, old, to);
    for (int i = 0; i < HANDLES; i++)
        if (handles[i].path && is_under(handles[i].path, old))
            repath(&handles[i].path, old, to);
    repath(&moved->path, old, to);
}

/* Does moving `from` make any path below it too long to be given? */
static bool grows_too_long(const char *from, const char *to)
{
    size_t longest = strlen(from);

    for (uint32_t i = 0; i < node_count; i++)
        if (is_under(nodes[i]->path, from) && strlen(nodes[i]->path) > longest)
            longest = strlen(nodes[i]->path);
    return longest - strlen(from) + strlen(to) > FP_PATH_MAX - 300;
}

static int rename_err(const char *from, const char *to, uint32_t flags)
{
    struct node *a = find(from), *b = find(to);
    int err = parent_err(from);

    if (!err && !a)
        err = FP_ERR_NOENT;
    if (err)
        return err;
    if (!strcmp(from, to))
        return flags ? FP_ERR_EXIST : FP_OK;
    if (is_under(to, from))
        return a->is_dir ? FP_ERR_INVAL : FP_ERR_NOTDIR;
    err = parent_err(to);
    if (err || !b)
        return err;
    if (flags)
        return FP_ERR_EXIST;
    if (b->is_dir != a->is_dir)
        return b->is_dir ? FP_ERR_ISDIR : FP_ERR_NOTDIR;
    return b->is_dir && has_children(to) ? FP_ERR_NOTEMPTY : FP_OK;
}

static void do_rename(const char *from, const char *to, uint32_t flags)
{
    struct node *a = find(from), *b = find(to);
    int want = rename_err(from, to, flags), err;
    char *old;

    if (grows_too_long(from, to))
        return;
    TRACE("rename %s -> %s %u", from, to, flags);
    err = fp_fs_rename(&mnt, from, to, flags);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (err || a == b)
        return;
    if (b)
        drop(b);
    unlist(a);
    old = strdup(from);
    move_all(a, old, to);
    free(old);
}

/* --- attributes --- */

static void do_setattr(const char *path, uint8_t type, const void *value,
                       uint32_t size)
{
    struct node *n = find(path);
    int want = FP_OK, err;

    if (!n)
        want = parent_err(path) ? parent_err(path) : FP_ERR_NOENT;
    else if (value && size > attr_max)
        want = FP_ERR_FBIG;
    else if (!value && !attr_find(n, type))
        want = FP_ERR_NODATA;
    TRACE("setattr %s %u %u", path, type, value ? size : 9999);
    err = fp_fs_setattr(&mnt, path, type, value, size);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (err)
        return;
    if (value)
        attr_set(n, type, value, size);
    else
        attr_remove(n, type);
}

static void put_le64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* What the format page, section 12, asks: a time is kept in the form that it
 * has; MicroPython's is the default. */
static int set_time(struct node *n, int64_t ns, bool apply)
{
    const struct attr *t = attr_find(n, 't'), *py = attr_find(n, 1);
    bool seconds = t && (t->value.size == 4 || t->value.size == 8);
    uint8_t raw[8];

    if (py && py->value.size != 8 && !seconds)
        return FP_ERR_NOTSUP;
    if (!apply)
        return FP_OK;
    put_le64(raw, (uint64_t)ns);
    if ((py && py->value.size == 8) || (!py && !seconds))
        attr_set(n, 1, raw, 8);
    put_le64(raw, (uint64_t)(ns / 1000000000));
    if (seconds)
        attr_set(n, 't', raw, attr_find(n, 't')->value.size);
    return FP_OK;
}

static void do_settime(const char *path, int64_t ns)
{
    struct node *n = find(path);
    int want, err;

    if (n)
        want = set_time(n, ns, false);
    else
        want = parent_err(path) ? parent_err(path) : FP_ERR_NOENT;
    TRACE("settime %s", path);
    err = fp_fs_settime(&mnt, path, ns);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (!err)
        set_time(n, ns, true);
}

/* --- open files --- */

static int open_err(const char *path, uint32_t flags)
{
    struct node *n = find(path);
    int err = parent_err(path);

    if (err)
        return err;
    if (n && n->is_dir)
        return FP_ERR_ISDIR;
    if (!n && !(flags & FP_O_CREATE))
        return FP_ERR_NOENT;
    if (!(flags & FP_O_EXCL))
        return FP_OK;
    for (int i = 0; i < HANDLES; i++)
        if (handles[i].used && !handles[i].staged && handles[i].path &&
            !strcmp(handles[i].path, path))
            return FP_ERR_EXIST;
    return n ? FP_ERR_EXIST : FP_OK;
}

static void do_open(struct handle *h, const char *path, uint32_t flags)
{
    struct node *n = find(path);
    int want = open_err(path, flags), err;

    TRACE("open %d %s %u", (int)(h - handles), path, flags);
    err = fp_fs_open(&mnt, &h->file, path, flags);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (err)
        return;
    for (int i = 0; i < HANDLES; i++)
        counts.twice += handles[i].used && n && handles[i].node == n;
    *h = (struct handle){ .used = true, .file = h->file, .flags = flags };
    h->staged = flags & FP_O_STAGE;
    h->node = h->staged ? NULL : n;
    if (!h->node)
        h->path = strdup(path);
    h->dirty = !h->node || flags & FP_O_TRUNC;
    if (h->node)
        body_set(&h->saved, n->body.data, n->body.size);
    else
        body_set(&h->saved, "", 0);
    if (h->node && !(flags & FP_O_TRUNC))
        body_set(&h->body, n->body.data, n->body.size);
    else
        body_set(&h->body, "", 0);
    h->may_go = h->saved.size > mnt.cfg.cache_size && h->saved.size <= 1022;
}

/* A write failed: the handle has what it had at its last sync. */
static void revert(struct handle *h)
{
    h->lost = h->staged;
    h->dirty = false;
    body_set(&h->body, h->saved.data, h->saved.size);
    h->may_go = h->saved.size <= 1022;
}

/* True: the answer is one of the two that may come at any time. */
static bool excused(struct handle *h, int err)
{
    if (err == FP_ERR_STALE && h->may_go) {
        counts.stale++;
    } else if (!spared(err)) {
        return false;
    }
    revert(h);
    return true;
}

static void do_seek(struct handle *h)
{
    static const enum fp_whence from[] = { FP_SEEK_SET, FP_SEEK_CUR,
                                           FP_SEEK_END };
    uint32_t to = rnd(h->body.size + (rnd(8) ? 1 : 300));
    enum fp_whence whence = from[rnd(3)];
    int64_t base = whence == FP_SEEK_SET   ? 0
                   : whence == FP_SEEK_CUR ? h->pos
                                           : h->body.size;
    int64_t want = to <= limits.file_max ? (int64_t)to : FP_ERR_INVAL;

    TRACE("seek %d %u", (int)(h - handles), to);
    if (rnd(100) == 0)
        assert_int_equal(fp_fs_seek(&h->file, -base - 1, whence), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&h->file, (int64_t)to - base, whence), want);
    if (want >= 0)
        h->pos = to;
}

static void do_write(struct handle *h, uint32_t size)
{
    uint32_t pos = h->flags & FP_O_APPEND ? h->body.size : h->pos;
    uint8_t *buf = malloc(size + 1);
    int32_t want = (int32_t)size, n;

    random_bytes(buf, size);
    if (size && h->lost)
        want = FP_ERR_STALE;
    else if (pos + (uint64_t)size > limits.file_max && size)
        want = FP_ERR_FBIG;
    TRACE("write %d %u at %u of %u", (int)(h - handles), size, pos,
          h->body.size);
    n = fp_fs_write(&h->file, buf, size);
    if (n < 0)
        TRACE("... %s", fp_strerror(n));
    if (n < 0)
        TRACE("... %s", fp_strerror(n));
    counts.removed += !h->node && !h->path;
    if (size && h->flags & FP_O_APPEND && !h->lost)
        h->pos = pos;
    if (!excused(h, n)) {
        assert_int_equal(n, want);
        if (n > 0) {
            h->dirty = true;
            if (pos + size > h->body.size)
                body_resize(&h->body, pos + size);
            memcpy(h->body.data + pos, buf, size);
            h->pos = pos + size;
        }
    }
    free(buf);
}

static void do_read(struct handle *h, uint32_t size)
{
    uint32_t left = h->pos < h->body.size ? h->body.size - h->pos : 0;
    uint8_t *got = malloc(size + 1);
    int32_t n;

    if (!(h->flags & FP_O_READ)) {
        assert_int_equal(fp_fs_read(&h->file, got, size), FP_ERR_INVAL);
        free(got);
        return;
    }
    TRACE("read %d %u at %u of %u", (int)(h - handles), size, h->pos,
          h->body.size);
    /* A read finishes what was being written, which may take a block. */
    n = fp_fs_read(&h->file, got, size);
    counts.removed += !h->node && !h->path;
    if (!excused(h, n)) {
        assert_int_equal(n, size < left ? size : left);
        if (n > 0)
            assert_memory_equal(got, h->body.data + h->pos, (size_t)n);
        h->pos += (uint32_t)n;
    }
    free(got);
}

static void do_truncate(struct handle *h, uint32_t size)
{
    int want = FP_OK, err;

    if (h->lost)
        want = FP_ERR_STALE;
    else if (size > limits.file_max)
        want = FP_ERR_FBIG;
    TRACE("truncate %d %u of %u", (int)(h - handles), size, h->body.size);
    err = fp_fs_truncate(&h->file, size);
    if (excused(h, err))
        return;
    assert_int_equal(err, want);
    if (err)
        return;
    h->dirty = h->dirty || size != h->body.size;
    body_resize(&h->body, size);
}

/* What a sync does to the model. */
static void settle(struct handle *h, int64_t time_ns)
{
    struct node *n = h->node;

    if (!n && h->path)
        n = find(h->path);
    if (!n)
        n = fresh(h->path, false);
    h->node = n;
    forget_path(h);
    h->staged = h->dirty = false;
    body_set(&n->body, h->body.data, h->body.size);
    body_set(&h->saved, h->body.data, h->body.size);
    if (time_ns)
        set_time(n, time_ns, true);
}

/* The entry is gone, or a directory took the name meanwhile. */
static int settle_err(const struct handle *h)
{
    struct node *n = h->path ? find(h->path) : NULL;

    if (!h->node && !h->path)
        return FP_ERR_NOENT;
    return n && n->is_dir ? FP_ERR_ISDIR : FP_OK;
}

static void release(struct handle *h)
{
    h->used = false;
    forget_path(h);
    body_free(&h->body);
    body_free(&h->saved);
}

static bool holds(const char *path, const struct body *b)
{
    uint8_t *got = malloc(b->size + 1);
    struct fp_file file;
    bool same = false;

    if (fp_fs_open(&mnt, &file, path, FP_O_READ) == FP_OK) {
        same = fp_fs_read(&file, got, b->size + 1) == (int32_t)b->size &&
               !memcmp(got, b->data, b->size);
        assert_int_equal(fp_fs_close(&file), FP_OK);
    }
    free(got);
    return same;
}

/* There was no space for a sync. Was it the content that did not fit, then it
 * is gone, or the entry, then the next sync may succeed? The file is closed,
 * and holds what it held before or what was written. */
static void close_failed(struct handle *h)
{
    const char *path = h->node ? h->node->path : h->path;
    int err = fp_fs_close(&h->file);

    TRACE("close %d: %s", (int)(h - handles), fp_strerror(err));
    if (err == FP_OK && path && !settle_err(h) && holds(path, &h->body))
        settle(h, 0);
    release(h);
}

static void do_fsync(struct handle *h)
{
    int want = h->dirty && !h->staged ? settle_err(h) : FP_OK, err;

    TRACE("fsync %d", (int)(h - handles));
    if (h->lost)
        want = FP_ERR_STALE;
    err = fp_fs_fsync(&h->file);
    if (err == FP_ERR_NOSPC && !h->staged) {
        counts.full++;
        close_failed(h);
        return;
    }
    if (excused(h, err))
        return;
    assert_int_equal(err, want);
    if (!err && h->dirty && !h->staged)
        settle(h, 0);
}

static void do_commit(struct handle *h)
{
    struct fp_commit_meta meta = { .has_mtime = rnd(2),
                                   .mtime_ns = 1 + rnd(1000000) * 1000003ll };
    int want = h->lost ? FP_ERR_STALE : settle_err(h), err;

    TRACE("commit %d", (int)(h - handles));
    err = fp_fs_commit(&h->file, meta.has_mtime || rnd(2) ? &meta : NULL);
    if (spared(err)) {
        assert_int_equal(fp_fs_close(&h->file), FP_OK);
        release(h);
        return;
    }
    assert_int_equal(err, want);
    if (err)
        return;
    settle(h, meta.has_mtime ? meta.mtime_ns : 0);
    h->flags &= FP_O_READ; /* it is done */
}

static void do_reserve(struct handle *h)
{
    uint64_t size = rnd(3)   ? rnd(3 * block_size)
                    : rnd(2) ? limits.size
                             : 1ull << 31;
    int err;

    TRACE("reserve %d %llu", (int)(h - handles), (unsigned long long)size);
    err = fp_fs_reserve(&h->file, size);
    if (size > limits.file_max)
        assert_int_equal(err, FP_ERR_FBIG);
    else if (size >= limits.size)
        assert_int_equal(err, FP_ERR_NOSPC);
    else if (!spared(err))
        assert_int_equal(err, FP_OK);
}

static void do_close(struct handle *h)
{
    bool lands = !h->staged && h->dirty && (h->node || h->path);
    int err, want = lands ? settle_err(h) : FP_OK;

    if (!h->used)
        return;
    TRACE("close %d", (int)(h - handles));
    err = fp_fs_close(&h->file);
    if (err == FP_ERR_STALE && h->may_go)
        counts.stale++;
    else if (!spared(err))
        assert_int_equal(err, want);
    if (!err && lands)
        settle(h, 0);
    release(h);
}

/* --- listings that go on while things change --- */

static void start_listing(struct listing *l, struct node *dir)
{
    int err;

    TRACE("opendir %d %s", (int)(l - listings), dir->path);
    err = fp_fs_opendir(&mnt, &l->dir, dir->path);
    assert_int_equal(err, FP_OK);
    l->used = true;
    l->node = dir;
    l->stays = calloc(node_count, sizeof *l->stays);
    l->met = NULL;
    l->stay_count = l->met_count = 0;
    for (uint32_t i = 0; i < node_count; i++)
        if (is_in(nodes[i]->path, dir))
            l->stays[l->stay_count++] = nodes[i];
}

static void end_listing(struct listing *l)
{
    if (!l->used)
        return;
    assert_int_equal(fp_fs_closedir(&l->dir), FP_OK);
    free(l->stays);
    free(l->met);
    memset(l, 0, sizeof *l);
}

static struct node *child(const struct node *dir, const char *name)
{
    char path[FP_PATH_MAX + FP_NAME_MAX + 3];

    snprintf(path, sizeof path, "%s/%s", is_root(dir) ? "" : dir->path, name);
    return find(path);
}

/* An entry that stays is met exactly once, another at most once; whatever is
 * met is there. */
static bool step_listing(struct listing *l)
{
    struct fp_dirent entry;
    struct node *n;
    int got = fp_fs_readdir(&l->dir, &entry);

    TRACE("readdir %d: %d %s", (int)(l - listings), got,
          got > 0 ? entry.name : "");
    if (got == 0) {
        for (uint32_t i = 0; i < l->stay_count; i++)
            print_message("not listed: %s\n", l->stays[i]->path);
        assert_int_equal(l->stay_count, 0);
        return false;
    }
    assert_int_equal(got, 1);
    assert_non_null(l->node);
    n = child(l->node, entry.name);
    assert_non_null(n);
    assert_int_equal(entry.st.type == FP_TYPE_DIR, n->is_dir);
    if (!n->is_dir)
        assert_int_equal(entry.st.size, n->body.size);
    for (uint32_t i = 0; i < l->met_count; i++)
        assert_ptr_not_equal(l->met[i], n);
    list_drop(l->stays, &l->stay_count, n);
    l->met = realloc(l->met, (l->met_count + 1) * sizeof *l->met);
    l->met[l->met_count++] = n;
    counts.listed++;
    return true;
}

/* --- the volume --- */

static int use_block(void *ctx, uint32_t block, enum fp_block_use use)
{
    uint8_t *seen = ctx;

    (void)use;
    assert_in_range(block, 0, limits.block_count - 1);
    seen[block] = 1;
    return FP_OK;
}

/* statfs and the walk over blocks agree. */
static void check_blocks(void)
{
    uint8_t *seen = calloc(limits.block_count, 1);
    uint32_t used = 0;
    struct fp_statfs st;

    assert_int_equal(fp_fs_blocks(&mnt, use_block, seen), FP_OK);
    for (uint32_t i = 0; i < limits.block_count; i++)
        used += seen[i];
    free(seen);
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_int_equal(st.blocks_used, used);
    assert_int_equal(st.block_count, limits.block_count);
}

static void do_step(enum fp_step_kind kind)
{
    struct fp_step step = { .kind = kind, .on_finding = lfs_print_finding };
    int err = FP_OK;

    TRACE("step %d", kind);
    while (!step.done && !err)
        err = fp_fs_step(&mnt, &step);
    if (kind != FP_STEP_CHECK && spared(err))
        return;
    assert_int_equal(err, FP_OK);
    if (step.errors + step.warnings)
        lfs_check(&mnt, conf.name);
    assert_int_equal(step.errors + step.warnings, 0);
}

static void check_attrs(const struct node *n)
{
    uint8_t types[256], value[1024];

    assert_int_equal(fp_fs_listattr(&mnt, n->path, types, sizeof types),
                     n->attr_count);
    for (uint32_t i = 0; i < n->attr_count; i++) {
        const struct body *b = &n->attrs[i].value;

        assert_int_equal(types[i], n->attrs[i].type);
        assert_int_equal(
            fp_fs_getattr(&mnt, n->path, types[i], value, sizeof value),
            b->size);
        if (b->size)
            assert_memory_equal(value, b->data, b->size);
    }
}

static void check_time(const struct node *n, const struct fp_stat *st)
{
    const struct attr *t = attr_find(n, 't'), *py = attr_find(n, 1);
    const struct attr *a = py && py->value.size == 8 ? py : t;
    uint64_t value = 0, unit = a == py ? 1 : 1000000000;

    if (!a || (a->value.size != 8 && (a == py || a->value.size != 4))) {
        assert_false(st->has_mtime);
        return;
    }
    for (uint32_t i = 0; i < a->value.size; i++)
        value |= (uint64_t)a->value.data[i] << 8 * i;
    assert_int_equal(st->has_mtime, value <= INT64_MAX / unit || unit == 1);
    if (st->has_mtime)
        assert_int_equal(st->mtime_ns, (int64_t)(value * unit));
}

static void check_file(const struct node *n)
{
    uint8_t *buf = malloc(n->body.size + 10);
    struct fp_file file;
    uint32_t done = 0, piece = 1 + rnd(3000);
    int32_t got;

    assert_int_equal(fp_fs_open(&mnt, &file, n->path, FP_O_READ), FP_OK);
    do {
        uint32_t left = n->body.size + 10 - done;

        got = fp_fs_read(&file, buf + done, piece < left ? piece : left);
        assert_true(got >= 0);
        done += (uint32_t)got;
    } while (got > 0);
    assert_int_equal(done, n->body.size);
    if (done)
        assert_memory_equal(buf, n->body.data, done);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    free(buf);
}

static void compare(void)
{
    struct lfs_paths all = lfs_walk(&mnt);

    assert_int_equal(all.count, node_count);
    for (size_t i = 0; i < all.count; i++) {
        struct node *n = find(all.list[i]);
        struct fp_stat st;

        assert_non_null(n);
        assert_int_equal(fp_fs_stat(&mnt, n->path, &st), FP_OK);
        assert_int_equal(st.type == FP_TYPE_DIR, n->is_dir);
        check_attrs(n);
        check_time(n, &st);
        if (!n->is_dir) {
            assert_int_equal(st.size, n->body.size);
            check_file(n);
        }
        free(all.list[i]);
    }
    free(all.list);
    check_blocks();
}

static void close_all(void)
{
    for (int i = 0; i < HANDLES; i++)
        do_close(&handles[i]);
    for (int i = 0; i < LISTINGS; i++)
        end_listing(&listings[i]);
}

/* With `count`, the volume shall have that many blocks. */
static void mount(uint32_t count)
{
    struct fp_fs_config cfg = conf.mount;
    char options[100];
    int err;

    cfg.cache_size = conf.caches[rnd(2)];
    cfg.seed = rnd(1000);
    cfg.max_files = HANDLES + 1; /* and one to compare with */
    if (count) {
        snprintf(options, sizeof options, "%s,resize=1",
                 cfg.options ? cfg.options : "");
        cfg.options = options;
        cfg.block_count = count;
    }
    TRACE("mount, cache %u, blocks %u", cfg.cache_size, count);
    err = lfs_mount(&mnt, conf.dev, &cfg);
    if (err)
        fail_msg("%s: mount answers %s", conf.name, fp_strerror(err));
    mnt.cfg.options = NULL; /* they were for the mount */
}

static int find_end(void *ctx, uint32_t block, enum fp_block_use use)
{
    uint32_t *end = ctx;

    (void)use;
    *end = block >= *end ? block + 1 : *end;
    return FP_OK;
}

/* To where the last block in use lies, or anywhere behind that; one block less
 * finds no space. False: it is as large as it was. */
static bool resize(uint32_t end)
{
    struct fp_step step = { .kind = FP_STEP_REPAIR };
    uint32_t most = conf.dev->block_count, count = end;
    int err;

    if (rnd(2))
        count += rnd(most - end + 1);
    else if (rnd(4) == 0 && end > 2)
        count--;
    mount(count);
    err = fp_fs_step(&mnt, &step);
    if (count < end || !spared(err))
        assert_int_equal(err, count < end ? FP_ERR_NOSPC : FP_OK);
    if (err) {
        check_blocks();
        lfs_unmount(&mnt);
        return false;
    }
    assert_int_equal(fp_fs_statfs(&mnt, &limits), FP_OK);
    assert_int_equal(limits.block_count, count);
    counts.resized++;
    return true;
}

static void remount(void)
{
    uint32_t end = 2;

    assert_int_equal(fp_fs_blocks(&mnt, find_end, &end), FP_OK);
    lfs_unmount(&mnt);
    counts.mounts++;
    if (!conf.resize || rnd(4) || !resize(end))
        mount(0);
}

void lfs_model_compare(void)
{
    close_all();
    remount();
    compare();
}

/* --- one operation --- */

static void op_file(void)
{
    struct handle *h = &handles[rnd(HANDLES)];
    uint32_t kind = rnd(16), bound = 3 * block_size;
    uint32_t size = rnd(8) ? rnd(200) : rnd(bound < 9000 ? bound : 9000);

    if (!h->used)
        return;
    if (rnd(3) == 0)
        do_seek(h);
    if (kind < 5) {
        do_read(h, size);
        return;
    }
    if (!(h->flags & FP_O_WRITE)) {
        do_fsync(h);
        return;
    }
    if (kind < 11) {
        if (h->body.size > bound + 9000)
            do_truncate(h, rnd(h->body.size));
        else
            do_write(h, size);
    } else if (kind == 11) {
        do_truncate(h, rnd(h->body.size + 200));
    } else if (kind == 12) {
        do_reserve(h);
    } else if (kind == 13 && h->flags & FP_O_STAGE) {
        do_commit(h);
    } else if (kind == 14) {
        do_close(h);
    } else {
        do_fsync(h);
    }
}

static void op_open(void)
{
    static const uint32_t modes[] = {
        FP_O_READ,
        FP_O_READ | FP_O_WRITE,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE,
        FP_O_WRITE | FP_O_CREATE,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_EXCL,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_APPEND,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE,
        FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE,
    };
    struct handle *h = &handles[rnd(HANDLES)], *other = &handles[rnd(HANDLES)];
    uint32_t flags = modes[rnd(sizeof modes / sizeof *modes)];
    char path[FP_PATH_MAX + 2];

    if (h->used)
        return;
    random_path(path);
    if (crowded() && !find(path))
        return;
    if (other->used && other->node && rnd(2)) /* twice */
        strcpy(path, other->node->path);
    do_open(h, path, flags);
}

static void op_attr(void)
{
    static const uint8_t types[] = { 0, 1, 9, 10, 't', 255 };
    uint8_t value[200], type = types[rnd(sizeof types)];
    uint32_t most =
        block_size / 8 < sizeof value ? block_size / 8 : sizeof value;
    uint32_t size = type == 't' || type == 1 ? 8 : rnd(most);
    char path[FP_PATH_MAX + 2];

    random_path(path);
    if (rnd(20) == 0)
        strcpy(path, "/");
    if (rnd(50) == 0)
        size = rnd(12);
    if (rnd(100) == 0 && attr_max < sizeof value)
        size = attr_max + 1;
    random_bytes(value, sizeof value);
    if (type == 't' && size == 8)
        put_le64(value, rnd(1u << 31));
    if (rnd(3) == 0)
        do_settime(path, 1 + rnd(1u << 30) * 1000000007ll);
    else
        do_setattr(path, type, rnd(4) ? value : NULL, size);
}

static void op_tree(void)
{
    char from[FP_PATH_MAX + 2], to[FP_PATH_MAX + 2];
    uint32_t kind = rnd(8);

    random_path(from);
    random_path(to);
    if (crowded())
        do_remove(from);
    else if (kind < 2)
        do_mkdir(from);
    else if (kind < 7)
        do_rename(from, to, rnd(8) == 0 ? FP_RENAME_NOREPLACE : 0);
    else
        do_remove(from);
}

static void op_list(void)
{
    struct listing *l = &listings[rnd(LISTINGS)];

    if (!l->used) {
        start_listing(l, (struct node *)(uintptr_t)random_dir());
        return;
    }
    for (uint32_t i = rnd(4); i < 4; i++)
        if (!step_listing(l)) {
            end_listing(l);
            return;
        }
}

static void op_volume(void)
{
    uint32_t kind = rnd(10);

    if (kind == 0)
        do_step(FP_STEP_CHECK);
    else if (kind == 1)
        do_step(FP_STEP_REPAIR);
    else if (kind == 2)
        do_step(FP_STEP_GC);
    else if (kind == 3)
        check_blocks();
    else if (kind == 4)
        assert_int_equal(fp_fs_sync(&mnt), FP_OK);
    else if (kind == 5)
        compare();
    else if (kind == 6)
        do_step(FP_STEP_COMPACT);
    else
        lfs_model_compare();
}

void lfs_model_run(uint32_t operations)
{
    for (uint32_t i = 0; i < operations; i++) {
        uint32_t kind = rnd(200);

        counts.operations++;
        if (node_count > counts.entries)
            counts.entries = node_count;
        if (kind < 90)
            op_file();
        else if (kind < 120)
            op_open();
        else if (kind < 145)
            op_attr();
        else if (kind < 185)
            op_tree();
        else if (kind < 197)
            op_list();
        else
            op_volume();
    }
}

/* --- from start to end --- */

static void adopt_attrs(struct node *n)
{
    uint8_t types[256], value[1024];
    int count = fp_fs_listattr(&mnt, n->path, types, sizeof types);

    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        int32_t size =
            fp_fs_getattr(&mnt, n->path, types[i], value, sizeof value);

        assert_true(size >= 0);
        attr_set(n, types[i], value, (uint32_t)size);
    }
}

static void adopt(const char *path)
{
    struct fp_file file;
    struct fp_stat st;
    struct node *n;

    assert_int_equal(fp_fs_stat(&mnt, path, &st), FP_OK);
    n = fresh(path, st.type == FP_TYPE_DIR);
    adopt_attrs(n);
    if (n->is_dir)
        return;
    body_resize(&n->body, (uint32_t)st.size);
    assert_int_equal(fp_fs_open(&mnt, &file, path, FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, n->body.data, n->body.size), st.size);
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

void lfs_model_start(const struct lfs_model_config *config)
{
    struct lfs_paths all;

    conf = *config;
    counts = (struct lfs_model_counts){ 0 };
    /* A run that failed may have left its own. */
    memset(handles, 0, sizeof handles);
    memset(listings, 0, sizeof listings);
    nodes = NULL;
    node_count = 0;
    rng = conf.seed * 0x9e3779b97f4a7c15u | 1;
    tracing = getenv("FP_LFS_TRACE") != NULL;
    running = true;
    mount(0);
    assert_int_equal(fp_fs_statfs(&mnt, &limits), FP_OK);
    block_size = limits.block_size;
    attr_max = conf.attr_max ? conf.attr_max : 1022;
    all = lfs_walk(&mnt);
    for (size_t i = 0; i < all.count; i++) {
        adopt(all.list[i]);
        free(all.list[i]);
    }
    free(all.list);
    node_max = node_count + (conf.add_max ? conf.add_max : 96);
}

static void write_file(const char *path, uint32_t flags, uint32_t size)
{
    struct handle *h = &handles[0];

    do_open(h, path, flags | FP_O_WRITE);
    if (h->used && size)
        do_write(h, size);
    do_close(h);
}

bool lfs_model_write_once(void)
{
    uint32_t large = 3 * block_size / 2, full = counts.full;
    char path[40];

    if (large > 9000)
        large = 9000;
    write_file("/fp-new", FP_O_CREATE, 30);
    write_file("/fp-new", FP_O_APPEND, 30);
    write_file("/fp-large", FP_O_CREATE, large);
    do_mkdir("/fp-dir");
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "/fp-dir/f%d", i);
        write_file(path, FP_O_CREATE, 20);
    }
    do_rename("/fp-large", "/fp-dir/l", 0);
    do_setattr("/fp-dir/l", 77, "seven", 5);
    do_setattr("/fp-dir/l", 78, "eight", 5);
    do_setattr("/fp-dir/l", 77, NULL, 0);
    do_setattr("/", 79, "nine", 4);
    do_settime("/fp-new", 5000000001);
    do_rename("/fp-dir/f3", "/fp-dir/f4", 0);
    do_remove("/fp-dir/f5");
    return counts.full == full;
}

/* As Python's "backslashreplace" has it: a byte that is part of no UTF-8
 * character becomes \xNN. */
static char *utf8_path(const char *path)
{
    char *text = calloc(4 * strlen(path) + 1, 1), *to = text;

    while (*path) {
        size_t len = 4;
        json_t *one = NULL;

        for (; len > 0 && !one; len--)
            if (strnlen(path, len) == len &&
                ((unsigned char)*path < 0x80) == (len == 1))
                one = json_stringn(path, len);
        if (one) {
            len = json_string_length(one);
            memcpy(to, path, len);
            to += len;
            path += len;
            json_decref(one);
        } else {
            to += sprintf(to, "\\x%02x", (unsigned char)*path++);
        }
    }
    return text;
}

static json_t *row_of(const struct node *n, const char *path)
{
    json_t *row = json_object(), *attrs = json_object();
    char hex[2049], key[8];
    uint8_t digest[32];
    struct fp_sha256 sha;

    json_object_set_new(row, "path", json_string(path));
    json_object_set_new(row, "type", json_string(n->is_dir ? "dir" : "file"));
    for (uint32_t i = 0; i < n->attr_count; i++) {
        lfs_hex(hex, n->attrs[i].value.data, n->attrs[i].value.size);
        snprintf(key, sizeof key, "%u", n->attrs[i].type);
        json_object_set_new(attrs, key, json_string(hex));
    }
    if (n->attr_count)
        json_object_set(row, "attrs", attrs);
    json_decref(attrs);
    if (n->is_dir)
        return row;
    fp_sha256_init(&sha);
    fp_sha256_update(&sha, n->body.data, n->body.size);
    fp_sha256_final(&sha, digest);
    lfs_hex(hex, digest, 32);
    json_object_set_new(row, "size", json_integer(n->body.size));
    json_object_set_new(row, "sha256", json_string(hex));
    return row;
}

json_t *lfs_model_stop(uint32_t *blocks_used, struct lfs_model_counts *out)
{
    json_t *tree = json_object();
    struct lfs_findings found;
    struct fp_statfs st;

    lfs_model_compare();
    found = lfs_check(&mnt, NULL);
    if (found.errors + found.warnings)
        lfs_check(&mnt, conf.name);
    if (!conf.damaged)
        assert_int_equal(found.errors + found.warnings, 0);
    if (!conf.torn && !counts.full)
        assert_int_equal(found.pending, 0);
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    *blocks_used = (uint32_t)st.blocks_used;
    lfs_unmount(&mnt);
    for (uint32_t i = 0; i < node_count; i++) {
        if (!is_root(nodes[i])) {
            char *path = utf8_path(nodes[i]->path);

            json_object_set_new(tree, path, row_of(nodes[i], path));
            free(path);
        }
        node_free(nodes[i]);
    }
    free(nodes);
    nodes = NULL;
    node_count = 0;
    running = false;
    if (out)
        *out = counts;
    return tree;
}

void lfs_model_where(void)
{
    if (running)
        print_message("%s: at operation %u\n", conf.name, counts.operations);
}
