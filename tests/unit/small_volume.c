/* SPDX-License-Identifier: MIT */

#include "tests/unit/small_volume.h"

#include "core/digest/sha256.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

/* --- volumes --- */

void small_init(struct small_volume *v, const struct small_kind *kind,
                uint32_t prog_size, uint32_t block_size, uint32_t block_count)
{
    *v = (struct small_volume){ .kind = kind,
                                .prog_size = prog_size,
                                .block_size = block_size,
                                .block_count = block_count };
    v->size = (size_t)block_size * block_count;
    v->mem = malloc(v->size);
    v->scratch = malloc(block_size);
    assert_true(v->mem && v->scratch);
    memset(v->mem, 0xff, v->size);
    fp_bdev_ram_init(&v->ram, prog_size, block_size, block_count, v->mem);
    fp_bdev_fault_init(&v->fault, &v->ram.bdev, v->scratch, 1);
}

void small_free(struct small_volume *v)
{
    small_forget(v);
    free(v->mem);
    free(v->scratch);
}

static struct fp_fs_config config_of(const struct small_volume *v,
                                     const struct fp_fs_config *cfg)
{
    struct fp_fs_config use = cfg ? *cfg : (struct fp_fs_config){ 0 };

    if (!use.options)
        use.options = v->kind->options;
    if (!use.max_files)
        use.max_files = 4;
    return use;
}

void small_format(struct small_volume *v)
{
    struct fp_fs_config cfg = config_of(v, NULL);
    size_t size = v->kind->ops->workspace(&v->fault.bdev, &cfg);
    void *ws = malloc(size);

    assert_int_equal(fp_fs_format(v->kind->ops, &v->fault.bdev, &cfg, ws, size),
                     FP_OK);
    free(ws);
}

int small_mount(struct small_volume *v, const struct fp_fs_ops *ops,
                const struct fp_fs_config *cfg)
{
    struct fp_fs_config use = config_of(v, cfg);
    size_t size = ops->workspace(&v->fault.bdev, &use);
    int err;

    v->ws = malloc(size ? size : 1);
    memset(v->ws, 0xa5, size);
    err = fp_fs_mount(&v->mnt, ops, &v->fault.bdev, &use, v->ws, size);
    if (err)
        small_forget(v);
    return err;
}

void small_forget(struct small_volume *v)
{
    free(v->ws);
    v->ws = NULL;
}

void small_unmount(struct small_volume *v)
{
    assert_int_equal(fp_fs_unmount(&v->mnt), FP_OK);
    small_forget(v);
}

/* --- images --- */

json_t *small_load(struct small_volume *v, const struct small_kind *kind,
                   const char *name)
{
    char path[600];
    json_t *manifest, *geometry, *size;
    json_error_t error;
    uint32_t block_size = 256, count;
    static uint8_t image[1 << 20];
    gzFile gz;
    int n;

    snprintf(path, sizeof path, FP_TEST_IMAGES "/%s/%s.json", kind->folder,
             name);
    manifest = json_load_file(path, 0, &error);
    if (!manifest)
        fail_msg("%s: %s", path, error.text);
    geometry = json_object_get(manifest, "geometry");
    size = json_object_get(geometry, "block_size");
    if (size)
        block_size = (uint32_t)json_integer_value(size);
    snprintf(path, sizeof path, FP_TEST_IMAGES "/%s/%s.img.gz", kind->folder,
             name);
    gz = gzopen(path, "rb");
    assert_non_null(gz);
    n = gzread(gz, image, sizeof image);
    gzclose(gz);
    assert_true(n > 0);
    count = (uint32_t)n / block_size;
    small_init(v, kind, 16, block_size, count);
    memcpy(v->mem, image, v->size);
    return manifest;
}

int small_each_image(const struct small_kind *kind,
                     void (*fn)(const char *name))
{
    struct dirent *found;
    char path[300];
    int count = 0;
    DIR *dir;

    snprintf(path, sizeof path, FP_TEST_IMAGES "/%s", kind->folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");

        if (!end)
            continue;
        *end = 0;
        fn(found->d_name);
        count++;
    }
    closedir(dir);
    return count;
}

/* --- listings --- */

static void sha_hex(const uint8_t *data, size_t size, char hex[65])
{
    struct fp_sha256 sha;
    uint8_t digest[32];

    fp_sha256_init(&sha);
    fp_sha256_update(&sha, data, size);
    fp_sha256_final(&sha, digest);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void join_lines(char **lines, size_t count, char text[SMALL_TEXT])
{
    size_t at = 0;

    qsort(lines, count, sizeof *lines, by_text);
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(at + strlen(lines[i]) + 2 < SMALL_TEXT);
        at += (size_t)sprintf(text + at, "%s\n", lines[i]);
        free(lines[i]);
    }
}

static char *file_line(struct fp_mount *mnt, const char *path, uint64_t size)
{
    static uint8_t data[70000];
    struct fp_file file;
    char hex[65], *line;
    int32_t n, got = 0, piece = 1;

    assert_int_equal(fp_fs_open(mnt, &file, path, FP_O_READ), FP_OK);
    while ((n = fp_fs_read(&file, data + got, (uint32_t)piece)) > 0) {
        got += n;
        piece = piece * 3 % 501 + 1;
    }
    if (n < 0)
        fail_msg("%s: read answers %s", path, fp_error_name(n));
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(got, size);
    sha_hex(data, (size_t)got, hex);
    assert_true(asprintf(&line, "%s %d %s", path, (int)got, hex) > 0);
    return line;
}

void small_list(struct fp_mount *mnt, char text[SMALL_TEXT])
{
    char *dirs[SMALL_NODES * 4], *lines[SMALL_NODES * 4];
    size_t count = 1, lines_count = 0;

    dirs[0] = strdup("");
    for (size_t i = 0; i < count; i++) {
        struct fp_dirent entry;
        struct fp_dir dir;
        int got;

        assert_int_equal(fp_fs_opendir(mnt, &dir, *dirs[i] ? dirs[i] : "/"),
                         FP_OK);
        while ((got = fp_fs_readdir(&dir, &entry)) > 0) {
            char *path;

            assert_int_equal(entry.name_len, strlen(entry.name));
            assert_true(asprintf(&path, "%s/%s", dirs[i], entry.name) > 0);
            assert_true(count < SMALL_NODES * 4 &&
                        lines_count < SMALL_NODES * 4);
            if (entry.st.type == FP_TYPE_DIR) {
                dirs[count++] = path;
                assert_true(asprintf(&lines[lines_count++], "%s/", path) > 0);
            } else {
                lines[lines_count++] = file_line(mnt, path, entry.st.size);
                free(path);
            }
        }
        assert_int_equal(got, 0);
        assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    }
    for (size_t i = 0; i < count; i++)
        free(dirs[i]);
    join_lines(lines, lines_count, text);
}

/* --- checking --- */

bool small_is_quiet;

static void print_finding(void *ctx, enum fp_finding_level level,
                          uint32_t block, const char *text)
{
    static const char *const names[] = { "error", "warning", "pending" };

    (void)ctx;
    if (level != FP_FINDING_PENDING && !small_is_quiet)
        print_message("%s: block %d: %s\n", names[level], (int)block, text);
}

struct small_findings small_check(struct fp_mount *mnt)
{
    struct fp_step step = { .kind = FP_STEP_CHECK,
                            .on_finding = print_finding };

    while (!step.done)
        assert_int_equal(fp_fs_step(mnt, &step), FP_OK);
    return (struct small_findings){ step.errors, step.warnings, step.pending };
}

void small_expect_checker(const struct small_volume *v, const char *options,
                          int want)
{
    char file[] = "/tmp/fp-small-XXXXXX", cmd[800];
    int fd = mkstemp(file), status;

    assert_int_equal(write(fd, v->mem, v->size), v->size);
    close(fd);
    snprintf(cmd, sizeof cmd,
             "/usr/bin/python3 " FP_TEST_TOOLS "/%s_check.py %s %s %s "
             ">%s.txt 2>&1",
             v->kind->folder, file, v->kind->checker, options, file);
    status = system(cmd);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want) {
        snprintf(cmd, sizeof cmd, "cat %s.txt >&2", file);
        if (system(cmd))
            print_message("no output\n");
        fail_msg("the checker objects: %s", file);
    }
    snprintf(cmd, sizeof cmd, "%s.txt", file);
    remove(cmd);
    remove(file);
}

/* --- steps --- */

static void fill(uint8_t *data, uint32_t size, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (uint32_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (uint8_t)(x >> 24);
    }
}

static int do_write(struct fp_mount *mnt, const struct small_step *step)
{
    uint32_t flags = FP_O_WRITE | FP_O_CREATE;
    static uint8_t data[4096];
    struct fp_file file;
    int err, close_err;

    flags |= step->op == SMALL_APPEND ? FP_O_APPEND : FP_O_TRUNC;
    flags |= step->op == SMALL_STAGE ? FP_O_STAGE : 0;
    fill(data, step->size, step->seed);
    err = fp_fs_open(mnt, &file, step->path, flags);
    if (err)
        return err;
    if (step->op == SMALL_STAGE)
        err = fp_fs_reserve(&file, step->size);
    for (uint32_t at = 0; at < step->size && !err; at += 100) {
        uint32_t n = step->size - at < 100 ? step->size - at : 100;
        int32_t got = fp_fs_write(&file, data + at, n);

        err = got < 0 ? got : FP_OK;
    }
    if (!err && step->op == SMALL_STAGE)
        err = fp_fs_commit(&file, NULL);
    close_err = fp_fs_close(&file);
    return err ? err : close_err;
}

int small_do(const struct small_kind *kind, struct fp_mount *mnt,
             const struct small_step *step)
{
    switch (step->op) {
    case SMALL_REMOVE:
        return fp_fs_remove(mnt, step->path);
    case SMALL_REMOVE_ALL:
        return kind->remove_all(mnt, step->path);
    case SMALL_RENAME:
        return fp_fs_rename(mnt, step->path, step->to, 0);
    case SMALL_SYNC:
        return fp_fs_sync(mnt);
    default:
        return do_write(mnt, step);
    }
}

/* --- the model --- */

static struct small_node *model_find(struct small_model *m, const char *path)
{
    for (int i = 0; i < SMALL_NODES; i++)
        if (m->nodes[i].path[0] && !strcmp(m->nodes[i].path, path))
            return &m->nodes[i];
    return NULL;
}

/* With all its parents. */
static struct small_node *model_make(struct small_model *m, const char *path)
{
    struct small_node *node = model_find(m, path);
    char parent[300];

    if (node)
        return node;
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = 0;
    if (*parent)
        model_make(m, parent);
    for (int i = 0; i < SMALL_NODES; i++)
        if (!m->nodes[i].path[0]) {
            m->nodes[i].size = 0;
            strcpy(m->nodes[i].path, path);
            return &m->nodes[i];
        }
    fail_msg("the model is full");
    return NULL;
}

static bool is_below(const char *path, const char *dir)
{
    size_t size = strlen(dir);

    return !strncmp(path, dir, size) && (path[size] == '/' || !path[size]);
}

static void model_remove(struct small_model *m, const char *path)
{
    for (int i = 0; i < SMALL_NODES; i++)
        if (is_below(m->nodes[i].path, path))
            m->nodes[i].path[0] = 0;
}

static void model_rename(struct small_model *m, const char *from,
                         const char *to)
{
    model_remove(m, to);
    for (int i = 0; i < SMALL_NODES; i++)
        if (is_below(m->nodes[i].path, from)) {
            char path[300];

            snprintf(path, sizeof path, "%s", m->nodes[i].path + strlen(from));
            assert_true(strlen(path) + strlen(to) < sizeof path);
            strcpy(m->nodes[i].path, to);
            strcat(m->nodes[i].path, path);
        }
}

static void strip_data(const char *path, char stripped[300])
{
    char *end;

    snprintf(stripped, 300, "%s", path);
    end = strstr(stripped, "/.data");
    if (end)
        *end = 0;
    if (!*stripped)
        strcpy(stripped, "/");
}

void small_model_do(struct small_model *m, const struct small_step *step)
{
    char path[300];
    struct small_node *node;
    uint32_t at;

    strip_data(step->path, path);
    switch (step->op) {
    case SMALL_SYNC:
        break;
    case SMALL_RENAME:
        model_rename(m, step->path, step->to);
        break;
    case SMALL_REMOVE:
    case SMALL_REMOVE_ALL:
        if (strcmp(path, step->path))
            model_find(m, path)->size = 0;
        else
            model_remove(m, path);
        break;
    default:
        node = model_make(m, path);
        at = step->op == SMALL_APPEND ? node->size : 0;
        assert_true(at + step->size <= sizeof node->data);
        fill(node->data + at, step->size, step->seed);
        node->size = at + step->size;
    }
}

static bool has_children(const struct small_model *m, const char *path)
{
    if (!strcmp(path, "/"))
        return true;
    for (int i = 0; i < SMALL_NODES; i++)
        if (is_below(m->nodes[i].path, path) && strcmp(m->nodes[i].path, path))
            return true;
    return false;
}

void small_model_list(const struct small_model *m, char text[SMALL_TEXT])
{
    char *lines[2 * SMALL_NODES], hex[65];
    size_t count = 0;

    for (int i = 0; i < SMALL_NODES; i++) {
        const struct small_node *n = &m->nodes[i];
        bool is_root = !strcmp(n->path, "/");

        if (!n->path[0])
            continue;
        sha_hex(n->data, n->size, hex);
        if (!has_children(m, n->path)) {
            assert_true(asprintf(&lines[count++], "%s %d %s", n->path,
                                 (int)n->size, hex) > 0);
            continue;
        }
        if (!is_root)
            assert_true(asprintf(&lines[count++], "%s/", n->path) > 0);
        if (n->size)
            assert_true(asprintf(&lines[count++], "%s/.data %d %s",
                                 is_root ? "" : n->path, (int)n->size,
                                 hex) > 0);
    }
    join_lines(lines, count, text);
}

/* --- power cuts --- */

struct cuts {
    struct small_volume *v;
    const struct small_step *step;
    uint32_t at, nth, again, deep;
    enum fp_fault_tear tear;
    char before[SMALL_TEXT], after[SMALL_TEXT];
    uint32_t cuts, second, olds, news, checked;
};

static void complain(const struct cuts *c, const char *what, const char *text)
{
    FILE *out = fopen("/tmp/fp-small-cut.img", "wb");

    if (out) {
        fwrite(c->v->mem, 1, c->v->size, out);
        fclose(out);
    }
    fail_msg("step %u (op %d %s %s %u), cut %u, tear %d, then %u: %s\n%s"
             "before:\n%safter:\n%s",
             c->at, c->step->op, c->step->path, c->step->to, c->step->size,
             c->nth, c->tear, c->again, what, text, c->before, c->after);
}

/* What a device that has just started finds: old or new. */
static const char *look(struct cuts *c, const struct fp_fs_ops *ops)
{
    static char text[SMALL_TEXT];
    int err = small_mount(c->v, ops, NULL);

    if (err)
        complain(c, fp_error_name(err), "no mount\n");
    small_list(&c->v->mnt, text);
    if (strcmp(text, c->before) && strcmp(text, c->after))
        complain(c, "neither old nor new", text);
    return strcmp(text, c->before) ? c->after : c->before;
}

static int repair(struct small_volume *v)
{
    struct fp_step step = { .kind = FP_STEP_REPAIR };
    int err = FP_OK;

    while (!step.done && !err)
        err = fp_fs_step(&v->mnt, &step);
    return err;
}

/* Recovers, and is what it was found to be. */
static void settle(struct cuts *c, const char *found)
{
    struct small_volume *v = c->v;
    static char text[SMALL_TEXT];
    struct small_findings f;
    int err = repair(v);

    if (err)
        complain(c, fp_error_name(err), "no repair\n");
    small_list(&v->mnt, text);
    if (strcmp(text, found))
        complain(c, "repair changes it", text);
    f = small_check(&v->mnt);
    if (f.errors || f.warnings || f.pending)
        complain(c, "check finds something", "");
    if ((c->cuts + c->second) % 199 == 0) {
        small_expect_checker(v, "--settled", 0);
        c->checked++;
    }
    if (found == c->before && strcmp(c->before, c->after)) {
        err = small_do(v->kind, &v->mnt, c->step);
        if (err)
            complain(c, fp_error_name(err), "cannot be done again\n");
        small_list(&v->mnt, text);
        if (strcmp(text, c->after))
            complain(c, "done again it is another", text);
    }
    small_forget(v);
}

/* The repair of what is in v->mem is cut everywhere, too. */
static void cut_repair(struct cuts *c, const char *found)
{
    struct small_volume *v = c->v;
    uint8_t *saved = malloc(v->size);
    bool was_cut = true;

    memcpy(saved, v->mem, v->size);
    for (c->again = 1; was_cut; c->again++)
        for (int tear = 0; tear <= FP_FAULT_TEAR_ALL && was_cut; tear++) {
            memcpy(v->mem, saved, v->size);
            if (look(c, v->kind->ops) != found)
                complain(c, "changes its mind", "");
            fp_bdev_fault_cut(&v->fault, c->again, (enum fp_fault_tear)tear);
            (void)repair(v);
            was_cut = fp_bdev_fault_is_off(&v->fault);
            fp_bdev_fault_power_on(&v->fault);
            fp_bdev_fault_cut(&v->fault, 0, FP_FAULT_TEAR_NONE);
            small_forget(v);
            if (!was_cut)
                continue;
            c->second++;
            if (strcmp(look(c, v->kind->ro), found))
                complain(c, "a cut repair changes it", "");
            small_forget(v);
            (void)look(c, v->kind->ops);
            settle(c, found);
        }
    memcpy(v->mem, saved, v->size);
    free(saved);
    c->again = 0;
}

static void after_cut(struct cuts *c)
{
    struct small_volume *v = c->v;
    const char *found = look(c, v->kind->ro);

    small_forget(v);
    c->cuts++;
    c->olds += found == c->before;
    c->news += found == c->after;
    if (c->cuts % c->deep == 0)
        cut_repair(c, found);
    if (strcmp(look(c, v->kind->ops), found))
        complain(c, "a reader finds another", "");
    settle(c, found);
}

/* One step, cut everywhere; v->mem is as before it, and stays. */
static void cut_step(struct cuts *c)
{
    struct small_volume *v = c->v;
    uint8_t *saved = malloc(v->size);
    bool was_cut = true;

    memcpy(saved, v->mem, v->size);
    for (c->nth = 1; was_cut; c->nth++)
        for (int tear = 0; tear <= FP_FAULT_TEAR_ALL && was_cut; tear++) {
            c->tear = (enum fp_fault_tear)tear;
            memcpy(v->mem, saved, v->size);
            assert_int_equal(small_mount(v, v->kind->ops, NULL), FP_OK);
            fp_bdev_fault_cut(&v->fault, c->nth, c->tear);
            (void)small_do(v->kind, &v->mnt, c->step);
            was_cut = fp_bdev_fault_is_off(&v->fault);
            fp_bdev_fault_power_on(&v->fault);
            fp_bdev_fault_cut(&v->fault, 0, FP_FAULT_TEAR_NONE);
            small_forget(v);
            if (was_cut)
                after_cut(c);
        }
    memcpy(v->mem, saved, v->size);
    free(saved);
}

void small_cut_everywhere(struct small_volume *v,
                          const struct small_step *steps, uint32_t count,
                          uint32_t deep)
{
    static struct small_model model, next;
    static char text[SMALL_TEXT];
    static struct cuts c;
    uint32_t refused = 0;

    memset(&model, 0, sizeof model);
    c = (struct cuts){ .v = v, .deep = deep };
    small_format(v);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *saved = malloc(v->size);
        int err;

        c.at = i;
        c.step = &steps[i];
        next = model;
        small_model_list(&model, c.before);
        memcpy(saved, v->mem, v->size);
        assert_int_equal(small_mount(v, v->kind->ops, NULL), FP_OK);
        err = small_do(v->kind, &v->mnt, c.step);
        if (!err)
            small_model_do(&next, c.step);
        small_model_list(&next, c.after);
        small_list(&v->mnt, text);
        if (strcmp(text, c.after))
            complain(&c, err ? fp_error_name(err) : "not done as the model",
                     text);
        refused += err != FP_OK;
        small_forget(v);
        if (!err) {
            uint8_t *done = malloc(v->size);

            memcpy(done, v->mem, v->size);
            memcpy(v->mem, saved, v->size);
            cut_step(&c);
            memcpy(v->mem, done, v->size);
            free(done);
        }
        free(saved);
        model = next;
    }
    assert_int_equal(small_mount(v, v->kind->ops, NULL), FP_OK);
    small_unmount(v);
    print_message("%s, blocks of %u, programs of %u: %u steps (%u refused), "
                  "%u cuts (%u old, %u new), %u in repairs, %u checked\n",
                  v->kind->folder, v->block_size, v->prog_size, count, refused,
                  c.cuts, c.olds, c.news, c.second, c.checked);
}
