/* SPDX-License-Identifier: MIT */
#include "tests/powerloss/workload.h"

#include "core/digest/crc32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Times that a clock of two seconds has, too. */
#define STAGED_MTIME 1000000000000000000
#define SET_MTIME    1000000002000000000
#define DRAWS        6
#define PIECE        100u /* bytes a write: none of the caches' sizes */

const char *const kind_names[KIND_COUNT] = {
    [KIND_CREATE] = "create",       [KIND_APPEND] = "append",
    [KIND_OVERWRITE] = "overwrite", [KIND_TRUNCATE] = "truncate",
    [KIND_STAGE] = "stage",         [KIND_MKDIR] = "mkdir",
    [KIND_RENAME] = "rename",       [KIND_MOVE] = "move",
    [KIND_REPLACE] = "replace",     [KIND_REMOVE] = "remove",
    [KIND_RMDIR] = "rmdir",         [KIND_ATTR] = "attribute",
    [KIND_TIME] = "time",
};

static const uint8_t attr_types[2] = { 7, 9 };

static uint8_t content(uint8_t seed, uint32_t i)
{
    return (uint8_t)(seed + i * 7 / 3);
}

static bool is_put(enum kind kind)
{
    return kind == KIND_CREATE || kind == KIND_APPEND ||
           kind == KIND_OVERWRITE || kind == KIND_STAGE;
}

/* --- what a volume can do --- */

static bool is_able(const struct limits *limits, uint32_t caps)
{
    return (limits->caps & caps) == caps;
}

static uint32_t cap_of(enum kind kind)
{
    static const uint32_t caps[KIND_COUNT] = {
        [KIND_APPEND] = FP_CAP_APPEND,
        [KIND_STAGE] = FP_CAP_STAGE,
        [KIND_MKDIR] = FP_CAP_DIRS,
        [KIND_MOVE] = FP_CAP_DIRS,
        [KIND_REPLACE] = FP_CAP_ATOMIC_REPLACE,
        [KIND_RMDIR] = FP_CAP_DIRS,
        [KIND_ATTR] = FP_CAP_ATTRS,
        [KIND_TIME] = FP_CAP_MTIME,
    };

    return caps[kind];
}

static bool has_kind(const struct limits *limits, enum kind kind)
{
    if (kind == KIND_TRUNCATE && !limits->truncates)
        return false;
    if ((kind == KIND_RENAME || kind == KIND_MOVE || kind == KIND_REPLACE) &&
        !limits->renames)
        return false;
    return is_able(limits, cap_of(kind));
}

uint32_t kinds_possible(const struct limits *limits)
{
    uint32_t kinds = 0;

    for (uint32_t i = 0; i < KIND_COUNT; i++)
        kinds |= (uint32_t)has_kind(limits, (enum kind)i) << i;
    return kinds;
}

bool limits_nothing(const struct limits *limits)
{
    const uint32_t all = FP_CAP_DIRS | FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE |
                         FP_CAP_MTIME | FP_CAP_ATTRS | FP_CAP_SEEKWRITE |
                         FP_CAP_APPEND | FP_CAP_RENAME_DIR | FP_CAP_HOLES;

    return is_able(limits, all) && !limits->files_max;
}

/* --- the steps --- */

#define NEW FP_O_TRUNC

/* Sizes in halves of a block, so that they mean the same at every block size:
 * H(3) is one and a half. */
#define H(n) (0x10000u | (n))

static const struct step script[] = {
    { .kind = KIND_CREATE, .path = "/small", .size = 30, .seed = 1 },
    { .kind = KIND_CREATE, .path = "/large", .size = H(6), .seed = 2 },
    { .kind = KIND_MKDIR, .path = "/a" },
    { .kind = KIND_MKDIR, .path = "/b" },
    { .kind = KIND_CREATE, .path = "/a/f", .size = H(3), .seed = 3 },
    { .kind = KIND_APPEND, .path = "/large", .size = 150, .seed = 4 },
    { .kind = KIND_OVERWRITE, .path = "/large", .off = H(2), .size = 50 },
    { .kind = KIND_OVERWRITE, .path = "/small", .flags = NEW, .size = 25 },
    { .kind = KIND_RENAME, .path = "/a/f", .to = "/b/g" },
    { .kind = KIND_STAGE, .path = "/a/f", .size = H(2), .seed = 7 },
    { .kind = KIND_RENAME, .path = "/a/f", .to = "/b/g" },
    { .kind = KIND_STAGE, .path = "/b/g", .size = 40, .seed = 8 },
    { .kind = KIND_MKDIR, .path = "/a/deep" },
    { .kind = KIND_RENAME, .path = "/a/deep", .to = "/b/deep" },
    { .kind = KIND_CREATE, .path = "/b/deep/h", .size = 10, .seed = 9 },
    { .kind = KIND_RENAME, .path = "/b/deep", .to = "/c" },
    { .kind = KIND_MKDIR, .path = "/empty" },
    { .kind = KIND_RENAME, .path = "/c", .to = "/empty" },
    { .kind = KIND_ATTR, .path = "/small", .attr = 7, .size = 9, .seed = 'a' },
    { .kind = KIND_TIME, .path = "/small" },
    { .kind = KIND_ATTR, .path = "/small", .attr = 9, .size = 3, .seed = 'b' },
    { .kind = KIND_RENAME, .path = "/small", .to = "/b/small" },
    { .kind = KIND_ATTR, .path = "/b/small", .attr = 7 },
    { .kind = KIND_TRUNCATE, .path = "/large", .size = H(3) },
    { .kind = KIND_TRUNCATE, .path = "/large", .size = H(5) },
    { .kind = KIND_TRUNCATE, .path = "/large", .size = 7 },
    { .kind = KIND_APPEND, .path = "/large", .size = H(4), .seed = 5 },
    { .kind = KIND_TRUNCATE, .path = "/large" },
    { .kind = KIND_REMOVE, .path = "/large" },
    { .kind = KIND_REMOVE, .path = "/a" },
    { .kind = KIND_ATTR, .path = "/", .attr = 9, .size = 4, .seed = 'r' },
    { .kind = KIND_RENAME, .path = "/b/small", .to = "/small" },
    { .kind = KIND_RENAME, .path = "/small", .to = "/smaller" },
};

#define SCRIPTED ((uint32_t)(sizeof script / sizeof *script))
#define FILLED   (SCRIPTED + 43) /* a directory splits, more than once */
#define EMPTIED  (FILLED + 35)   /* and is emptied, continuations and all */
#define WORN     (EMPTIED + 30)  /* one pair moves, when cycles are few */
#define GROWN    (WORN + 5)      /* a staged file of more blocks each time */
#define DRAWN    (GROWN + 3)     /* from here on steps are drawn */

static uint32_t scale(uint32_t size, uint32_t unit)
{
    return size & 0x10000 ? (size & 0xffff) * unit / 2 : size;
}

static void numbered(struct step *step, enum kind kind, uint32_t i,
                     const struct limits *limits)
{
    const bool is_short = limits->name_max < (is_able(limits, FP_CAP_DIRS)
                                                  ? strlen("file-000.txt")
                                                  : strlen("b-file-000.txt"));

    step->kind = kind;
    snprintf(step->path, sizeof step->path,
             is_short ? "/b/f%03u" : "/b/file-%03u.txt", i);
    step->size = limits->unit < 4096 ? 20 : 60; /* 43 fill more than a block */
    step->seed = (uint8_t)i;
}

/* Something, the same for the same numbers: renames above all, of files and of
 * directories, from one directory to another. */
static void draw(struct step *step, uint32_t at, uint32_t seed)
{
    static const char *const paths[] = { "/p",     "/q",     "/p/x", "/q/x",
                                         "/p/y",   "/q/y",   "/p/d", "/q/d",
                                         "/z",     "/p/d/x", "/w",   "/w/x",
                                         "/q/d/x", "/w/d",   "/v" };
    const uint32_t count = sizeof paths / sizeof *paths;
    uint32_t dice = fp_crc32(fp_crc32(1, &at, sizeof at), &seed, sizeof seed);
    uint32_t a = dice % count, b = dice / 64 % count, size = dice >> 22;

    step->drawn = true;
    step->seed = (uint8_t)at;
    step->size = size;
    strcpy(step->path, paths[a]);
    switch (dice / 4096 % 16) {
    case 0:
    case 1:
        step->kind = KIND_MKDIR;
        break;
    case 2:
        step->kind = KIND_REMOVE;
        break;
    case 3:
    case 4:
        step->kind = KIND_STAGE;
        break;
    case 5:
        step->kind = KIND_CREATE;
        break;
    case 6:
        step->kind = KIND_APPEND;
        step->size = size / 4;
        break;
    case 7:
        step->kind = KIND_TRUNCATE;
        break;
    case 8:
        step->kind = KIND_ATTR;
        step->attr = attr_types[size & 1];
        step->size = size % 12;
        break;
    default:
        step->kind = KIND_RENAME;
        strcpy(step->to, paths[b]);
        break;
    }
}

/* Without directories their '/' is one more character of a name. */
static void flatten(char *path)
{
    while ((path = strchr(path + 1, '/')) != NULL)
        *path = '-';
}

static void make(struct step *step, uint32_t at, const struct limits *limits,
                 uint32_t seed)
{
    static const char *const dirs[] = { "/p", "/q", "/w" };
    const bool moves = is_able(limits, FP_CAP_DIRS | FP_CAP_RENAME_DIR);

    *step = (struct step){ .kind = KIND_CREATE };
    if (at < SCRIPTED) {
        *step = script[at];
        /* A directory that cannot move is made where it would be. */
        if (!moves && !strcmp(step->to, "/b/deep")) {
            step->kind = KIND_MKDIR;
            strcpy(step->path, step->to);
            step->to[0] = 0;
        }
    } else if (at < FILLED) {
        numbered(step, KIND_CREATE, at - SCRIPTED, limits);
    } else if (at < EMPTIED) {
        numbered(step, KIND_REMOVE, at - FILLED, limits);
    } else if (at < WORN) {
        step->kind = KIND_OVERWRITE;
        step->flags = NEW;
        strcpy(step->path, moves ? "/empty/h" : "/b/deep/h");
        step->size = 12;
        step->seed = (uint8_t)at;
    } else if (at < GROWN) {
        step->kind = KIND_STAGE;
        strcpy(step->path, "/smaller");
        step->size = H(2 * (at - WORN + 1));
    } else if (at < DRAWN) {
        step->kind = KIND_MKDIR;
        strcpy(step->path, dirs[at - GROWN]);
    } else {
        draw(step, at, seed);
    }
    step->off = scale(step->off, limits->unit);
    step->size = scale(step->size, limits->unit);
    if (step->kind != KIND_TRUNCATE && step->size > limits->file_max)
        step->size = (uint32_t)limits->file_max;
    if (!is_able(limits, FP_CAP_DIRS)) {
        flatten(step->path);
        if (step->to[0])
            flatten(step->to);
    }
}

/* --- on a volume --- */

static int put(const struct step *step, struct fp_file *file)
{
    int64_t off = fp_fs_seek(file, step->off, FP_SEEK_SET);
    int err = off < 0 ? (int)off : FP_OK;

    for (uint32_t done = 0; done < step->size && !err;) {
        uint32_t n = step->size - done < PIECE ? step->size - done : PIECE;
        uint8_t buf[PIECE];
        int32_t now;

        for (uint32_t i = 0; i < n; i++)
            buf[i] = content(step->seed, done + i);
        now = fp_fs_write(file, buf, n);
        err = now < 0 ? (int)now : FP_OK;
        done += n;
    }
    if (step->kind == KIND_STAGE && !err)
        err = fp_fs_fsync(file);
    if (step->kind == KIND_STAGE && !err)
        err = fp_fs_commit(
            file, &(struct fp_commit_meta){ true, .mtime_ns = STAGED_MTIME });
    return err;
}

static int with_file(const struct step *step, struct fp_mount *mnt)
{
    uint32_t flags = FP_O_WRITE | step->flags;
    struct fp_file file;
    int err, closed;

    if (step->kind == KIND_CREATE)
        flags |= FP_O_CREATE | FP_O_EXCL;
    else if (step->kind == KIND_STAGE)
        flags |= FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE;
    else if (step->kind == KIND_APPEND)
        flags |= FP_O_APPEND;
    err = fp_fs_open(mnt, &file, step->path, flags);
    if (err)
        return err;
    err = step->kind == KIND_TRUNCATE ? fp_fs_truncate(&file, step->size)
                                      : put(step, &file);
    closed = fp_fs_close(&file);
    return err ? err : closed;
}

int step_do(const struct step *step, struct fp_mount *mnt)
{
    uint8_t attr[16];

    if (step->left_out)
        return FP_OK;
    switch (step->kind) {
    case KIND_MKDIR:
        return fp_fs_mkdir(mnt, step->path);
    case KIND_RENAME:
    case KIND_MOVE:
    case KIND_REPLACE:
        return fp_fs_rename(mnt, step->path, step->to, 0);
    case KIND_REMOVE:
    case KIND_RMDIR:
        return fp_fs_remove(mnt, step->path);
    case KIND_ATTR:
        for (uint32_t i = 0; i < step->size; i++)
            attr[i] = content(step->seed, i);
        return fp_fs_setattr(mnt, step->path, step->attr,
                             step->size ? attr : NULL, step->size);
    case KIND_TIME:
        return fp_fs_settime(mnt, step->path, SET_MTIME);
    default:
        return with_file(step, mnt);
    }
}

/* --- on the model --- */

static struct node *root_of(struct model *model)
{
    struct node *root = &model->nodes[0];

    root->used = root->is_dir = true;
    strcpy(root->path, "/");
    return root;
}

static struct node *find(struct model *model, const char *path)
{
    (void)root_of(model);
    for (int i = 0; i < WORKLOAD_NODES; i++)
        if (model->nodes[i].used && !strcmp(model->nodes[i].path, path))
            return &model->nodes[i];
    return NULL;
}

static bool is_under(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && path[n] == '/';
}

static size_t parent_len(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

static bool parent_is_dir(struct model *model, const char *path)
{
    char parent[WORKLOAD_PATH] = "/";
    struct node *n;

    if (parent_len(path)) {
        memcpy(parent, path, parent_len(path));
        parent[parent_len(path)] = 0;
    }
    n = find(model, parent);
    return n && n->is_dir;
}

static bool is_empty(const struct model *model, const char *dir)
{
    for (int i = 0; i < WORKLOAD_NODES; i++)
        if (model->nodes[i].used && is_under(model->nodes[i].path, dir))
            return false;
    return true;
}

static void drop(struct node *n)
{
    free(n->data);
    *n = (struct node){ .used = false };
}

static struct node *add(struct model *model, const char *path, bool is_dir)
{
    for (int i = 1; i < WORKLOAD_NODES; i++) {
        struct node *n = &model->nodes[i];

        if (n->used)
            continue;
        n->used = true;
        n->is_dir = is_dir;
        strcpy(n->path, path);
        return n;
    }
    fprintf(stderr, "powerloss: the model is full\n");
    exit(1);
}

static void resize(struct node *n, uint32_t size)
{
    n->data = realloc(n->data, size + 1);
    if (!n->data)
        exit(1);
    if (size > n->size)
        memset(n->data + n->size, 0, size - n->size);
    n->size = size;
}

static bool model_put(struct model *model, const struct limits *limits,
                      const struct step *step)
{
    struct node *n = find(model, step->path);
    uint32_t off = step->off;

    if (n ? n->is_dir || step->kind == KIND_CREATE
          : (step->kind != KIND_CREATE && step->kind != KIND_STAGE) ||
                !parent_is_dir(model, step->path))
        return false;
    if (!n)
        n = add(model, step->path, false);
    if (step->kind == KIND_STAGE) {
        resize(n, 0);
        n->mtime_ns = has_kind(limits, KIND_TIME) ? STAGED_MTIME : 0;
    }
    if (step->flags & FP_O_TRUNC)
        resize(n, 0);
    if (step->kind == KIND_APPEND)
        off = n->size;
    if (step->size && n->size < off + step->size)
        resize(n, off + step->size);
    for (uint32_t i = 0; i < step->size; i++)
        n->data[off + i] = content(step->seed, i);
    return true;
}

static bool model_rename(struct model *model, struct step *step)
{
    struct node *from = find(model, step->path), *to = find(model, step->to);
    size_t skip = strlen(step->path), len = parent_len(step->to);

    if (!from || !parent_is_dir(model, step->to) ||
        is_under(step->to, step->path))
        return false;
    if (to == from)
        return true;
    if (to && (to->is_dir != from->is_dir ||
               (to->is_dir && !is_empty(model, step->to))))
        return false;
    step->kind =
        to ? KIND_REPLACE
        : len == parent_len(step->path) && !strncmp(step->to, step->path, len)
            ? KIND_RENAME
            : KIND_MOVE;
    if (to)
        drop(to);
    for (int i = 1; i < WORKLOAD_NODES; i++) {
        struct node *n = &model->nodes[i];
        char rest[WORKLOAD_PATH];

        if (n != from && !(n->used && is_under(n->path, step->path)))
            continue;
        strcpy(rest, n->path + skip);
        snprintf(n->path, sizeof n->path, "%.15s%.15s", step->to, rest);
    }
    return true;
}

static bool model_remove(struct model *model, struct step *step)
{
    struct node *n = find(model, step->path);

    if (!n || (n->is_dir && !is_empty(model, step->path)))
        return false;
    if (n->is_dir)
        step->kind = KIND_RMDIR;
    drop(n);
    return true;
}

static bool model_attr(struct model *model, const struct step *step)
{
    struct node *n = find(model, step->path);
    int which = step->attr != attr_types[0];

    /* To remove what is not there is an error. */
    if (!n || (!step->size && !n->attr_sizes[which]))
        return false;
    n->attr_sizes[which] = (uint8_t)step->size;
    for (uint32_t i = 0; i < step->size; i++)
        n->attrs[which][i] = content(step->seed, i);
    return true;
}

/* False, and nothing is done: it is impossible. The kind becomes what it is in
 * this tree: a rename that moves, say. */
static bool model_do(struct model *model, const struct limits *limits,
                     struct step *step)
{
    struct node *n = find(model, step->path);

    if (is_put(step->kind))
        return model_put(model, limits, step);
    switch (step->kind) {
    case KIND_MKDIR:
        if (n || !parent_is_dir(model, step->path))
            return false;
        add(model, step->path, true);
        return true;
    case KIND_RENAME:
        return model_rename(model, step);
    case KIND_REMOVE:
        return model_remove(model, step);
    case KIND_ATTR:
        return model_attr(model, step);
    case KIND_TIME:
        if (n)
            n->mtime_ns = SET_MTIME;
        return n;
    default: /* KIND_TRUNCATE */
        if (!n || n->is_dir)
            return false;
        resize(n, step->size);
        return true;
    }
}

static uint32_t file_count(const struct model *model)
{
    uint32_t count = 0;

    for (int i = 1; i < WORKLOAD_NODES; i++)
        count += model->nodes[i].used && !model->nodes[i].is_dir;
    return count;
}

/* Has this volume room for what is written? One file is left for what ends a
 * recovery. */
static bool put_fits(struct model *model, const struct limits *limits,
                     const struct step *step)
{
    const struct node *n = find(model, step->path);
    uint32_t off = step->kind == KIND_APPEND && n ? n->size : step->off;

    if (!n && limits->files_max && file_count(model) + 1 >= limits->files_max)
        return false;
    return off + step->size <= limits->file_max;
}

/* Can the volume do this step at all, possible or not in its tree? */
static bool fits(struct model *model, const struct limits *limits,
                 const struct step *step)
{
    const struct node *n = find(model, step->path);
    const struct node *to = step->to[0] ? find(model, step->to) : NULL;

    if (!has_kind(limits, step->kind) ||
        strlen(strrchr(step->path, '/') + 1) > limits->name_max)
        return false;
    if (is_put(step->kind) && !put_fits(model, limits, step))
        return false;
    switch (step->kind) {
    case KIND_OVERWRITE:
        return step->flags & FP_O_TRUNC || is_able(limits, FP_CAP_SEEKWRITE);
    case KIND_TRUNCATE:
        return step->size <= limits->file_max &&
               (!n || step->size <= n->size || is_able(limits, FP_CAP_HOLES));
    case KIND_REMOVE:
        return !n || !n->is_dir || has_kind(limits, KIND_RMDIR);
    case KIND_RENAME:
        return (!to || has_kind(limits, KIND_REPLACE)) &&
               (!n || !n->is_dir || is_able(limits, FP_CAP_RENAME_DIR));
    default:
        return true;
    }
}

/* Most of what is drawn at random makes no sense: a few more draws, and most
 * does. */
void step_make(struct step *step, struct model *model, uint32_t at,
               const struct limits *limits, uint32_t seed)
{
    for (uint32_t i = 0; i < DRAWS; i++) {
        make(step, at, limits, seed + i * 1000003);
        step->left_out = !fits(model, limits, step);
        if (step->left_out && step->drawn)
            continue;
        step->possible = !step->left_out && model_do(model, limits, step);
        /* In the script a step leans on others that may be left out. */
        step->left_out = !step->possible && !step->drawn;
        if (step->possible || !step->drawn)
            return;
    }
}

void model_clear(struct model *model)
{
    for (int i = 0; i < WORKLOAD_NODES; i++)
        drop(&model->nodes[i]);
}

/* --- the tree in a number --- */

/* A time that no step has set is the format's own affair: FAT always has one.
 */
static uint32_t hash_head(const char *path, bool is_dir, int64_t mtime_ns)
{
    uint32_t crc = fp_crc32(1, path, strlen(path) + 1);

    if (mtime_ns != STAGED_MTIME && mtime_ns != SET_MTIME)
        mtime_ns = 0;
    crc = fp_crc32(crc, &is_dir, sizeof is_dir);
    return fp_crc32(crc, &mtime_ns, sizeof mtime_ns);
}

/* Spread over 64 bits, so that sums of two trees are seldom equal. */
static uint64_t spread(uint32_t crc)
{
    uint64_t z = crc * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 31) * 0xbf58476d1ce4e5b9u;
    return z ^ z >> 29;
}

uint64_t model_sum(const struct model *model)
{
    uint64_t sum = 0;

    for (int i = 0; i < WORKLOAD_NODES; i++) {
        const struct node *n = &model->nodes[i];
        uint32_t crc;

        if (!n->used && i > 0)
            continue;
        crc = hash_head(i ? n->path : "/", i ? n->is_dir : true, n->mtime_ns);
        for (int a = 0; a < 2; a++) {
            crc = fp_crc32(crc, &n->attr_sizes[a], 1);
            crc = fp_crc32(crc, n->attrs[a], n->attr_sizes[a]);
        }
        if (n->size)
            crc = fp_crc32(crc, n->data, n->size);
        sum += spread(crc);
    }
    return sum;
}

static int sum_content(struct fp_mount *mnt, const char *path, uint32_t *crc)
{
    uint8_t buf[500];
    struct fp_file file;
    int32_t n;
    int err = fp_fs_open(mnt, &file, path, FP_O_READ);

    if (err)
        return err;
    while ((n = fp_fs_read(&file, buf, sizeof buf)) > 0)
        *crc = fp_crc32(*crc, buf, (size_t)n);
    err = fp_fs_close(&file);
    return n < 0 ? (int)n : err;
}

static int hash_attrs(struct fp_mount *mnt, const char *path, bool has_attrs,
                      uint32_t *crc)
{
    for (int a = 0; a < 2; a++) {
        uint8_t attr[16], size = 0;

        if (has_attrs) {
            int32_t n =
                fp_fs_getattr(mnt, path, attr_types[a], attr, sizeof attr);

            if (n < 0 && n != FP_ERR_NODATA)
                return n;
            if (n > (int32_t)sizeof attr)
                return FP_ERR_CORRUPT; /* none was ever that long */
            size = n > 0 ? (uint8_t)n : 0;
        }
        *crc = fp_crc32(*crc, &size, 1);
        *crc = fp_crc32(*crc, attr, size);
    }
    return FP_OK;
}

static int sum_entry(struct fp_mount *mnt, const char *path,
                     const struct limits *limits, const struct fp_stat *st,
                     uint64_t *sum)
{
    bool is_dir = st->type == FP_TYPE_DIR;
    bool timed = st->has_mtime && has_kind(limits, KIND_TIME);
    uint32_t crc = hash_head(path, is_dir, timed ? st->mtime_ns : 0);
    int err = hash_attrs(mnt, path, has_kind(limits, KIND_ATTR), &crc);

    if (!err && !is_dir)
        err = sum_content(mnt, path, &crc);
    *sum += spread(crc);
    return err;
}

struct todo {
    char paths[WORKLOAD_NODES + 1][WORKLOAD_PATH];
    int count;
};

static int list(struct fp_mount *mnt, const char *path, struct todo *todo)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    int err = fp_fs_opendir(mnt, &dir, path), listed, closed;

    if (err)
        return err;
    while ((listed = fp_fs_readdir(&dir, &entry)) > 0 && !err) {
        const char *base = path[1] ? path : "";

        if (!base[0] && !strcmp(entry.name, &WORKLOAD_PROBE[1]))
            continue;
        if (todo->count > WORKLOAD_NODES ||
            strlen(base) + 1 + entry.name_len >= WORKLOAD_PATH)
            err = FP_ERR_CORRUPT;
        else
            snprintf(todo->paths[todo->count++], WORKLOAD_PATH, "%.15s/%.15s",
                     base, entry.name);
    }
    closed = fp_fs_closedir(&dir);
    if (listed < 0)
        err = listed;
    return err ? err : closed;
}

int volume_sum(struct fp_mount *mnt, const struct limits *limits, uint64_t *sum)
{
    static struct todo todo;
    int err = FP_OK;

    *sum = 0;
    strcpy(todo.paths[0], "/");
    todo.count = 1;
    for (int i = 0; i < todo.count && !err; i++) {
        struct fp_stat st;

        err = fp_fs_stat(mnt, todo.paths[i], &st);
        if (!err)
            err = sum_entry(mnt, todo.paths[i], limits, &st, sum);
        if (!err && st.type == FP_TYPE_DIR)
            err = list(mnt, todo.paths[i], &todo);
    }
    return err;
}
