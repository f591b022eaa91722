/* SPDX-License-Identifier: MIT
 *
 * Random operations on a littlefs and on a model in memory: after each the two
 * answer alike, and now and then, with the volume mounted afresh, hold the
 * same tree. Several files are open at a time. At the end of every run the
 * image goes through the checker that knows nothing of the driver.
 *
 *     FP_LFS_OPS=100000 FP_LFS_SEED=7 test_littlefs_model
 */
#include "tests/unit/littlefs_support.h"

#include "core/fs/littlefs/littlefs.h"

#define NODES 64
#define OPEN  3
#define PATH  128

static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 11) % below;
}

/* --- the model: a flat list of paths --- */

struct body {
    uint8_t *data;
    uint32_t size;
};

struct node {
    char path[PATH];
    bool used, is_dir;
    struct body body;
    uint8_t attr[40];
    uint32_t attr_size; /* of attribute 9; 0: none */
    int64_t mtime;
};

struct handle {
    bool used, staged, wrote;
    struct fp_file file;
    struct node *node; /* NULL: removed */
    char path[PATH];   /* of a file that has no entry yet */
    struct body body;  /* as the handle sees it */
    uint32_t pos;
    uint32_t flags;
};

static struct node nodes[NODES];
static struct handle handles[OPEN];

static struct body body_copy(const struct body *b)
{
    struct body copy = { malloc(b->size + 1), b->size };

    assert_non_null(copy.data);
    memcpy(copy.data, b->data ? b->data : (const uint8_t *)"", b->size);
    return copy;
}

static void body_resize(struct body *b, uint32_t size)
{
    b->data = realloc(b->data, size + 1);
    if (size > b->size)
        memset(b->data + b->size, 0, size - b->size);
    b->size = size;
}

static struct node *find(const char *path)
{
    for (int i = 0; i < NODES; i++)
        if (nodes[i].used && !strcmp(nodes[i].path, path))
            return &nodes[i];
    return NULL;
}

static bool is_under(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && path[n] == '/';
}

/* What a path's parent is: OK, NOENT or NOTDIR. */
static int parent_err(const char *path)
{
    char parent[PATH];

    for (size_t i = 1; path[i]; i++) {
        struct node *n;

        if (path[i] != '/')
            continue;
        memcpy(parent, path, i);
        parent[i] = 0;
        n = find(parent);
        if (!n)
            return FP_ERR_NOENT;
        if (!n->is_dir)
            return FP_ERR_NOTDIR;
    }
    return FP_OK;
}

static bool has_children(const char *path)
{
    for (int i = 0; i < NODES; i++)
        if (nodes[i].used && is_under(nodes[i].path, path))
            return true;
    return false;
}

static struct node *fresh(const char *path, bool is_dir)
{
    for (int i = 0; i < NODES; i++)
        if (!nodes[i].used) {
            struct node *n = &nodes[i];

            memset(n, 0, sizeof *n);
            n->used = true;
            n->is_dir = is_dir;
            snprintf(n->path, PATH, "%s", path);
            return n;
        }
    return NULL;
}

static uint32_t used_nodes(void)
{
    uint32_t n = 0;

    for (int i = 0; i < NODES; i++)
        n += nodes[i].used;
    return n;
}

static void drop(struct node *n)
{
    for (int i = 0; i < OPEN; i++)
        if (handles[i].used && handles[i].node == n)
            handles[i].node = NULL;
    free(n->body.data);
    n->body.data = NULL;
    n->used = false;
}

static void random_path(char *path)
{
    static const char *names[] = {
        "a", "b", "aa", "ab", "f1", "f2", "longer-name-of-a-file.txt", "x"
    };
    uint32_t depth = 1 + rnd(3);

    path[0] = 0;
    for (uint32_t i = 0; i < depth; i++) {
        strcat(path, "/");
        strcat(path, i + 1 < depth ? (rnd(2) ? "d" : "e")
                                   : names[rnd(sizeof names / sizeof *names)]);
    }
    if (rnd(6) == 0)
        snprintf(path, PATH, rnd(2) ? "/d" : rnd(2) ? "/e" : "/d/e");
}

/* --- operations on both --- */

static struct fp_mount mnt;
static uint32_t full; /* answers of NOSPC: the model then stays as it was */

static bool spared(int err)
{
    full += err == FP_ERR_NOSPC;
    return err == FP_ERR_NOSPC;
}

static bool awaited(const char *path)
{
    for (int i = 0; i < OPEN; i++)
        if (handles[i].used && handles[i].path[0] &&
            is_under(handles[i].path, path))
            return true;
    return false;
}

static void op_mkdir(void)
{
    char path[PATH];
    int want, err;

    random_path(path);
    want = parent_err(path);
    if (!want && find(path))
        want = FP_ERR_EXIST;
    if (used_nodes() > NODES - 4)
        return;
    err = fp_fs_mkdir(&mnt, path);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (!err)
        fresh(path, true);
}

static void op_remove(void)
{
    char path[PATH];
    struct node *n;
    int want, err;

    random_path(path);
    want = parent_err(path);
    n = find(path);
    if (!want && !n)
        want = FP_ERR_NOENT;
    if (!want && n->is_dir && has_children(path))
        want = FP_ERR_NOTEMPTY;
    if (awaited(path))
        return;
    err = fp_fs_remove(&mnt, path);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (!err)
        drop(n);
}

static void repath(struct node *n, const char *from, const char *to)
{
    char path[2 * PATH];

    snprintf(path, sizeof path, "%s%s", to, n->path + strlen(from));
    snprintf(n->path, PATH, "%.*s", PATH - 1, path);
}

static void op_rename(void)
{
    char from[PATH], to[PATH];
    struct node *a, *b;
    int want, err;

    random_path(from);
    random_path(to);
    a = find(from);
    b = find(to);
    if (!a || parent_err(to) || !strcmp(from, to) || is_under(to, from) ||
        is_under(from, to) || awaited(from) || awaited(to))
        return;
    want = FP_OK;
    if (b && b->is_dir != a->is_dir)
        want = b->is_dir ? FP_ERR_ISDIR : FP_ERR_NOTDIR;
    else if (b && b->is_dir && has_children(to))
        want = FP_ERR_NOTEMPTY;
    err = fp_fs_rename(&mnt, from, to, 0);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (err)
        return;
    if (b)
        drop(b);
    for (int i = 0; i < NODES; i++)
        if (nodes[i].used && is_under(nodes[i].path, from))
            repath(&nodes[i], from, to);
    repath(a, from, to);
}

static void op_attr(void)
{
    char path[PATH];
    struct node *n;
    uint8_t value[40];
    uint32_t size = 1 + rnd(sizeof value);
    int err;

    random_path(path);
    n = find(path);
    if (!n)
        return;
    for (uint32_t i = 0; i < size; i++)
        value[i] = (uint8_t)rnd(256);
    if (rnd(3) == 0) {
        err = fp_fs_settime(&mnt, path, n->mtime + 1);
        if (!spared(err)) {
            assert_int_equal(err, FP_OK);
            n->mtime++;
        }
    } else if (rnd(4) == 0) {
        err = fp_fs_setattr(&mnt, path, 9, NULL, 0);
        if (spared(err))
            return;
        assert_int_equal(err, n->attr_size ? FP_OK : FP_ERR_NODATA);
        n->attr_size = 0;
    } else {
        err = fp_fs_setattr(&mnt, path, 9, value, size);
        if (spared(err))
            return;
        assert_int_equal(err, FP_OK);
        memcpy(n->attr, value, size);
        n->attr_size = size;
    }
}

static void op_open(void)
{
    static const uint32_t modes[] = {
        FP_O_READ,
        FP_O_READ | FP_O_WRITE,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_APPEND,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE,
    };
    struct handle *h = &handles[rnd(OPEN)];
    uint32_t flags = modes[rnd(sizeof modes / sizeof *modes)];
    char path[PATH];
    struct node *n;
    int want, err;

    if (h->used || used_nodes() > NODES - 8)
        return;
    random_path(path);
    n = find(path);
    want = parent_err(path);
    if (!want && n && n->is_dir)
        want = FP_ERR_ISDIR;
    if (!want && !n && !(flags & FP_O_CREATE))
        want = FP_ERR_NOENT;
    err = fp_fs_open(&mnt, &h->file, path, flags);
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (err)
        return;
    h->used = true;
    h->flags = flags;
    h->staged = flags & FP_O_STAGE;
    h->node = h->staged ? NULL : n;
    h->path[0] = 0;
    if (!h->node)
        snprintf(h->path, PATH, "%s", path);
    h->wrote = !n || flags & FP_O_TRUNC;
    h->pos = 0;
    h->body = (struct body){ calloc(1, 1), 0 };
    if (n && !(flags & FP_O_TRUNC)) {
        free(h->body.data);
        h->body = body_copy(&n->body);
    }
}

/* After a failed write the handle is back at its last sync. */
static void abandon(struct handle *h)
{
    fp_fs_close(&h->file);
    h->used = false;
    free(h->body.data);
    h->path[0] = 0;
}

static void op_use(void)
{
    struct handle *h = &handles[rnd(OPEN)];
    uint8_t buf[3000], got[3000];
    uint32_t size = rnd(8) ? rnd(200) : rnd(sizeof buf);
    int32_t n;

    if (!h->used)
        return;
    if (rnd(3) == 0) {
        uint32_t to = rnd(h->body.size + (rnd(8) ? 1 : 300));

        assert_int_equal(fp_fs_seek(&h->file, to, FP_SEEK_SET), to);
        h->pos = to;
    }
    if (h->flags & FP_O_WRITE && rnd(2)) {
        if (h->body.size > 9000)
            return;
        for (uint32_t i = 0; i < size; i++)
            buf[i] = (uint8_t)rnd(256);
        n = fp_fs_write(&h->file, buf, size);
        if (spared(n)) {
            abandon(h);
            return;
        }
        assert_int_equal(n, size);
        if (!size)
            return;
        h->wrote = true;
        if (h->flags & FP_O_APPEND)
            h->pos = h->body.size;
        if (h->pos + size > h->body.size)
            body_resize(&h->body, h->pos + size);
        memcpy(h->body.data + h->pos, buf, size);
        h->pos += size;
    } else {
        uint32_t left = h->pos < h->body.size ? h->body.size - h->pos : 0;

        /* A read finishes what was being written, which may take a block. */
        n = fp_fs_read(&h->file, got, size);
        if (spared(n)) {
            abandon(h);
            return;
        }
        assert_int_equal(n, size < left ? size : left);
        if (n > 0)
            assert_memory_equal(got, h->body.data + h->pos, (size_t)n);
        h->pos += (uint32_t)n;
    }
}

static void op_truncate(void)
{
    struct handle *h = &handles[rnd(OPEN)];
    uint32_t size = rnd(h->used ? h->body.size + 200 : 1);
    int err;

    if (!h->used || !(h->flags & FP_O_WRITE) || rnd(3))
        return;
    err = fp_fs_truncate(&h->file, size);
    if (spared(err)) {
        abandon(h);
        return;
    }
    assert_int_equal(err, FP_OK);
    h->wrote = h->wrote || size != h->body.size;
    body_resize(&h->body, size);
}

/* What a sync does to the model. */
static void settle(struct handle *h)
{
    struct node *n = h->node;

    if (!n && h->path[0]) {
        n = find(h->path);
        if (!n)
            n = fresh(h->path, false);
    }
    assert_non_null(n);
    h->node = n;
    h->path[0] = 0;
    h->staged = h->wrote = false;
    free(n->body.data);
    n->body = body_copy(&h->body);
}

/* Where a handle without an entry may still go: its directory must be there
 * and no directory have taken the name. */
static int settle_err(const struct handle *h)
{
    struct node *n = h->path[0] ? find(h->path) : NULL;

    if (!h->node && !h->path[0])
        return FP_ERR_NOENT;
    if (n && n->is_dir)
        return FP_ERR_ISDIR;
    return FP_OK;
}

static void op_sync(void)
{
    struct handle *h = &handles[rnd(OPEN)];
    int err, want;

    if (!h->used || rnd(2))
        return;
    want = settle_err(h);
    if (h->staged) {
        if (rnd(2)) {
            err = fp_fs_fsync(&h->file);
            if (spared(err))
                abandon(h);
            else
                assert_int_equal(err, FP_OK);
            return;
        }
        err = fp_fs_commit(&h->file, NULL);
    } else {
        err = fp_fs_fsync(&h->file);
        if (!h->wrote)
            want = FP_OK;
    }
    if (spared(err))
        return;
    assert_int_equal(err, want);
    if (!err && (h->wrote || h->path[0]))
        settle(h);
}

static void close_handle(struct handle *h)
{
    int err, want = FP_OK;
    bool lands = !h->staged && h->wrote && (h->node || h->path[0]);

    if (!h->used)
        return;
    if (lands)
        want = settle_err(h);
    err = fp_fs_close(&h->file);
    h->used = false;
    if (!spared(err)) {
        assert_int_equal(err, want);
        if (!err && lands)
            settle(h);
    }
    h->path[0] = 0;
    free(h->body.data);
}

static void compare(void)
{
    struct lfs_paths all = lfs_walk(&mnt);
    uint8_t *buf = malloc(20000);

    assert_int_equal(all.count - 1, used_nodes());
    for (size_t i = 0; i < all.count; i++) {
        struct node *n = find(all.list[i]);
        struct fp_file file;
        struct fp_stat st;

        if (i > 0) {
            assert_non_null(n);
            assert_int_equal(fp_fs_stat(&mnt, n->path, &st), FP_OK);
            assert_int_equal(st.type == FP_TYPE_DIR, n->is_dir);
            assert_int_equal(st.has_mtime, n->mtime != 0);
            assert_int_equal(st.has_mtime ? st.mtime_ns : 0, n->mtime);
            assert_int_equal(fp_fs_getattr(&mnt, n->path, 9, buf, 100),
                             n->attr_size ? (int32_t)n->attr_size
                                          : FP_ERR_NODATA);
            if (n->attr_size)
                assert_memory_equal(buf, n->attr, n->attr_size);
        }
        if (i > 0 && !n->is_dir) {
            assert_int_equal(st.size, n->body.size);
            assert_int_equal(fp_fs_open(&mnt, &file, n->path, FP_O_READ),
                             FP_OK);
            assert_int_equal(fp_fs_read(&file, buf, 20000), n->body.size);
            if (n->body.size)
                assert_memory_equal(buf, n->body.data, n->body.size);
            assert_int_equal(fp_fs_close(&file), FP_OK);
        }
        free(all.list[i]);
    }
    free(all.list);
    free(buf);
}

/* --- runs --- */

struct geometry {
    uint32_t block_size, block_count, prog_size, cache_size, version;
    int32_t cycles;
};

static void run(const struct geometry *g, uint32_t ops)
{
    static void (*const kinds[])(void) = {
        op_mkdir, op_remove, op_rename, op_attr,     op_open, op_open,
        op_use,   op_use,    op_use,    op_truncate, op_sync, op_sync,
    };
    size_t size = (size_t)g->block_size * g->block_count;
    uint8_t *mem = malloc(size);
    struct fp_bdev_ram ram;
    struct fp_fs_config cfg = { .block_size = g->block_size,
                                .cache_size = g->cache_size,
                                .version = g->version,
                                .block_cycles = g->cycles,
                                .max_files = OPEN + 1 };
    struct lfs_findings found;
    void *ws;
    char what[100];

    memset(mem, 0xff, size);
    memset(nodes, 0, sizeof nodes);
    memset(handles, 0, sizeof handles);
    full = 0;
    fp_bdev_ram_init(&ram, g->prog_size, g->block_size, g->block_count, mem);
    ws = malloc(fp_fs_littlefs.workspace(&ram.bdev, &cfg));
    assert_int_equal(fp_fs_format(&fp_fs_littlefs, &ram.bdev, &cfg, ws,
                                  fp_fs_littlefs.workspace(&ram.bdev, &cfg)),
                     FP_OK);
    free(ws);
    snprintf(what, sizeof what, "%u blocks of %u, prog %u, cycles %d",
             g->block_count, g->block_size, g->prog_size, g->cycles);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    for (uint32_t i = 0; i < ops; i++) {
        if (rnd(20) == 0)
            close_handle(&handles[rnd(OPEN)]);
        kinds[rnd(sizeof kinds / sizeof *kinds)]();
        if (rnd(300) == 0) {
            for (int k = 0; k < OPEN; k++)
                close_handle(&handles[k]);
            lfs_unmount(&mnt);
            cfg.seed = rnd(1000);
            assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
            compare();
        }
    }
    for (int k = 0; k < OPEN; k++)
        close_handle(&handles[k]);
    compare();
    found = lfs_check(&mnt, what);
    assert_int_equal(found.errors + found.warnings + found.pending, 0);
    lfs_unmount(&mnt);
    lfs_check_image(what, mem, g->block_size, g->block_count, g->prog_size,
                    "--settled");
    print_message("%s: %u operations, %u found no space\n", what, ops, full);
    for (int i = 0; i < NODES; i++)
        if (nodes[i].used)
            free(nodes[i].body.data);
    free(mem);
}

static void random_operations_match_a_model(void **state)
{
    static const struct geometry geometries[] = {
        { 512, 256, 16, 0, 0, 0 },       { 4096, 128, 256, 0, 0, 0 },
        { 512, 256, 16, 0, 0x20000, 8 }, { 512, 512, 16, 0, 0, 2 },
        { 128, 2048, 1, 0, 0, 0 },       { 256, 1024, 1, 64, 0, 4 },
        { 600, 256, 4, 0, 0, 20 },       { 4096, 128, 4096, 4096, 0, 5 },
        { 512, 60, 16, 0, 0, 10 },       { 16384, 64, 16, 1024, 0, 3 },
    };
    const char *text = getenv("FP_LFS_OPS"), *seed = getenv("FP_LFS_SEED");
    uint32_t ops = text ? (uint32_t)atol(text) : 20000;
    uint32_t count = sizeof geometries / sizeof *geometries;

    (void)state;
    rng = seed ? strtoull(seed, NULL, 0) : 20261121;
    print_message("FP_LFS_SEED=%llu\n", (unsigned long long)rng);
    rng = rng * 0x9e3779b97f4a7c15u | 1;
    for (uint32_t i = 0; i < count; i++)
        run(&geometries[i], ops / count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
