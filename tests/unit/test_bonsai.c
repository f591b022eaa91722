/* SPDX-License-Identifier: MIT
 *
 * Bonsai: every image reads as its manifest says, as stored and by the name
 * rule, and takes writes that the checker has nothing against; power cuts,
 * also in what the journal does for directories; names; a root that grows;
 * images that are broken.
 */
#include "core/bytes.h"
#include "core/fs/bonsai/bonsai.h"
#include "tests/unit/small_volume.h"

#define START "0x1d000"

static const struct small_kind kind = {
    .ops = &fp_fs_bonsai,
    .ro = &fp_fs_bonsai_ro,
    .folder = "bonsai",
    .checker = "--start " START,
    .options = "start=" START,
    .remove_all = fp_fs_bonsai_remove_all,
};

/* Images say where they start. */
static const struct small_kind any_start = {
    .ops = &fp_fs_bonsai,
    .ro = &fp_fs_bonsai_ro,
    .folder = "bonsai",
    .options = "",
    .remove_all = fp_fs_bonsai_remove_all,
};

/* --- images --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_there(json_t *row)
{
    return json_is_string(json_object_get(row, "path"));
}

/* The manifest's nodes as they are stored, or by the rule of names. */
static void manifest_list(json_t *manifest, bool raw, char text[SMALL_TEXT])
{
    json_t *row, *files = json_object_get(manifest, "files");
    char *lines[100];
    size_t i, count = 0, at = 0;

    json_array_foreach(files, i, row)
    {
        const char *path = json_string_value(json_object_get(row, "path"));
        const char *sha = json_string_value(json_object_get(row, "sha256"));
        int size = (int)json_integer_value(json_object_get(row, "size"));
        bool is_dir =
            json_integer_value(json_object_get(row, "num_child_addrs")) > 0;

        if (!is_there(row))
            continue;
        if (raw || !is_dir) {
            path += raw ? 0 : strlen("/root");
            if (*path)
                assert_true(
                    asprintf(&lines[count++], "%s %d %s", path, size, sha) > 0);
            continue;
        }
        path += strlen("/root");
        if (*path)
            assert_true(asprintf(&lines[count++], "%s/", path) > 0);
        if (size)
            assert_true(asprintf(&lines[count++], "%s/.data %d %s", path, size,
                                 sha) > 0);
    }
    qsort(lines, count, sizeof lines[0], by_text);
    text[0] = 0;
    for (i = 0; i < count; i++) {
        at += (size_t)sprintf(text + at, "%s\n", lines[i]);
        free(lines[i]);
    }
}

static bool is_mountable(json_t *manifest)
{
    return json_is_true(json_object_get(manifest, "initialised"));
}

static void reads_as_its_manifest_says(const char *name)
{
    static char want[SMALL_TEXT], got[SMALL_TEXT];
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, name);
    uint8_t *saved = malloc(v.size);

    memcpy(saved, v.mem, v.size);
    for (int i = 0; i < 3; i++) {
        struct fp_fs_config cfg = { .options = i == 2 ? "raw=1" : "" };
        int err = small_mount(&v, i ? any_start.ops : any_start.ro, &cfg);

        if (!is_mountable(manifest)) {
            assert_int_equal(err, FP_ERR_CORRUPT);
            continue;
        }
        assert_int_equal(err, FP_OK);
        manifest_list(manifest, i == 2, want);
        small_list(&v.mnt, got);
        assert_string_equal(got, want);
        small_is_quiet = true;
        assert_int_equal(small_check(&v.mnt).errors > 0,
                         strstr(name, "pl_7") != NULL);
        small_is_quiet = false;
        small_unmount(&v);
    }
    assert_memory_equal(saved, v.mem, v.size);
    free(saved);
    json_decref(manifest);
    small_free(&v);
}

static void every_image_reads_as_its_manifest_says(void **state)
{
    (void)state;
    assert_int_equal(small_each_image(&kind, reads_as_its_manifest_says), 24);
}

static void is_found(const char *name)
{
    const struct fp_fs_ops *const drivers[] = { kind.ops, NULL }, *ops;
    struct fp_fs_config cfg = { 0 };
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, name);
    struct fp_bdev_ram ram;

    fp_bdev_ram_init(&ram, 1, 4096, (uint32_t)v.size / 4096, v.mem);
    assert_int_equal(fp_fs_probe(drivers, &ram.bdev, &ops, &cfg),
                     is_mountable(manifest) ? FP_OK : FP_ERR_NOENT);
    if (is_mountable(manifest))
        assert_int_equal(cfg.block_size, 256);
    json_decref(manifest);
    small_free(&v);
}

static void every_image_is_found(void **state)
{
    (void)state;
    small_each_image(&kind, is_found);
}

static void takes_writes(const char *name)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/new/deep/file", "", 300, 1 },
        { SMALL_STAGE, "/new/deep/file", "", 600, 2 },
        { SMALL_PUT, "/new/.data", "", 500, 3 },
        { SMALL_RENAME, "/new", "/newer", 0, 0 },
        { SMALL_APPEND, "/newer/deep/file", "", 100, 4 },
        { SMALL_PUT, "/.data", "", 300, 5 },
        { SMALL_SYNC, "", "", 0, 0 },
        { SMALL_REMOVE, "/newer/deep/file", "", 0, 0 },
        { SMALL_REMOVE_ALL, "/newer", "", 0, 0 },
        { SMALL_SYNC, "", "", 0, 0 },
    };
    static char want[SMALL_TEXT], got[SMALL_TEXT];
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, name);
    json_t *geometry = json_object_get(manifest, "geometry");
    struct small_kind own = any_start;
    struct fp_step repair = { .kind = FP_STEP_REPAIR };
    char options[40];

    snprintf(
        options, sizeof options, "--start %d",
        (int)json_integer_value(json_object_get(geometry, "partition_start")));
    own.checker = options;
    v.kind = &own;
    if (is_mountable(manifest) && !strstr(name, "pl_7")) {
        assert_int_equal(small_mount(&v, own.ops, NULL), FP_OK);
        small_list(&v.mnt, want);
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            int err = small_do(&own, &v.mnt, &steps[i]);

            if (err)
                fail_msg("%s: step %d: %s", name, (int)i, fp_error_name(err));
            assert_int_equal(small_check(&v.mnt).errors, 0);
            if (steps[i].op == SMALL_SYNC)
                small_expect_checker(&v, "", 0);
        }
        while (!repair.done)
            assert_int_equal(fp_fs_step(&v.mnt, &repair), FP_OK);
        small_expect_checker(&v, "--settled", 0);
        assert_int_equal(fp_fs_remove(&v.mnt, "/.data"), FP_OK);
        small_list(&v.mnt, got);
        assert_string_equal(got, want);
        small_unmount(&v);
    }
    json_decref(manifest);
    small_free(&v);
}

static void every_image_can_be_written_to(void **state)
{
    (void)state;
    small_each_image(&kind, takes_writes);
}

static void a_lost_root_takes_no_writes(void **state)
{
    struct small_step step = { SMALL_PUT, "/f", "", 3, 1 };
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_pl_7");
    uint8_t *saved = malloc(v.size);

    (void)state;
    memcpy(saved, v.mem, v.size);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_ERR_CORRUPT);
    assert_memory_equal(saved, v.mem, v.size);
    small_unmount(&v);
    free(saved);
    json_decref(manifest);
    small_free(&v);
}

/* The original may have put a file into the row that our journal takes. */
static void a_file_in_the_last_row_is_left_alone(void **state)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/new", "", 5, 1 },
        { SMALL_REMOVE, "/config", "", 0, 0 },
        { SMALL_RENAME, "/logs", "/x", 0, 0 },
        { SMALL_SYNC, "", "", 0, 0 },
    };
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_nested");
    uint8_t *saved = malloc(v.size);

    (void)state;
    memcpy(v.mem + 47 * 256, v.mem + 4 * 256, 256); /* file1_child3 */
    fp_put_le32(v.mem + 2 * 256 + 8 + 5 + 4, 0x1d000 + 47 * 256);
    memcpy(saved, v.mem, v.size);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(
        fp_fs_stat(&v.mnt, "/file1/file1_child3", &(struct fp_stat){ 0 }),
        FP_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), FP_ERR_ROFS);
    assert_memory_equal(saved, v.mem, v.size);
    small_unmount(&v);
    free(saved);
    json_decref(manifest);
    small_free(&v);
}

static void another_start_is_refused(void **state)
{
    struct fp_fs_config wrong = { .options = "start=0x1d100" };
    struct fp_fs_config right = { .options = "start=118784" };
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_tree");

    (void)state;
    assert_int_equal(small_mount(&v, kind.ops, &wrong), FP_ERR_INVAL);
    assert_int_equal(small_mount(&v, kind.ops, &right), FP_OK);
    small_unmount(&v);
    json_decref(manifest);
    small_free(&v);
}

/* --- power cuts --- */

#define LONG                                                            \
    "/looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo" \
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong"

static const struct small_step scripted[] = {
    { SMALL_PUT, "/a", "", 10, 1 },
    { SMALL_PUT, "/d/e/f", "", 300, 2 }, /* with its parents */
    { SMALL_PUT, "/d/.data", "", 100, 3 },
    { SMALL_PUT, "/d/x", "", 600, 4 },
    { SMALL_STAGE, "/d/x", "", 0, 5 },
    { SMALL_PUT, LONG, "", 10, 6 },
    { SMALL_PUT, "/d" LONG "2", "", 0, 7 }, /* d grows to a second row */
    { SMALL_PUT, "/d/e" LONG "3", "", 200, 8 },
    { SMALL_SYNC, "", "", 0, 0 },
    { SMALL_PUT, "/d/.data", "", 700, 9 }, /* and to a fourth */
    { SMALL_RENAME, "/d", "/moved", 0, 0 },
    { SMALL_RENAME, "/moved", "/a", 0, 0 }, /* refused: a file */
    { SMALL_RENAME, "/moved/e/f", "/moved/f", 0, 0 },
    { SMALL_RENAME, "/moved/e", "/e", 0, 0 },
    { SMALL_RENAME, "/a", "/moved/f", 0, 0 },
    { SMALL_APPEND, "/moved/f", "", 250, 10 },
    { SMALL_PUT, "/.data", "", 400, 11 }, /* the root grows */
    { SMALL_PUT, "/s1", "", 1, 12 },
    { SMALL_PUT, "/s2", "", 1, 13 },
    { SMALL_REMOVE, "/moved/x", "", 0, 0 },
    { SMALL_REMOVE, "/moved", "", 0, 0 }, /* refused: not empty */
    { SMALL_REMOVE_ALL, "/moved", "", 0, 0 },
    { SMALL_REMOVE, "/.data", "", 0, 0 },
    { SMALL_REMOVE, "/e" LONG "3", "", 0, 0 }, /* e is a file again */
    { SMALL_SYNC, "", "", 0, 0 },
};

static void make_steps(struct small_step *steps, uint32_t count, unsigned seed)
{
    static const char *const names[] = { "/a",      "/d/x",     "/d/y",
                                         "/d/e/z",  "/q/.data", "/q/w",
                                         "/.data",  "/d",       "/d/e",
                                         "/q" LONG, "/r",       "/q/%2Edata" };

    srand(seed);
    for (uint32_t i = 0; i < count; i++) {
        int r = rand() % 12;

        memset(&steps[i], 0, sizeof steps[i]);
        steps[i].op = r < 5    ? SMALL_PUT
                      : r < 7  ? SMALL_STAGE
                      : r < 8  ? SMALL_APPEND
                      : r < 10 ? SMALL_RENAME
                      : r < 11 ? SMALL_REMOVE
                               : SMALL_REMOVE_ALL;
        strcpy(steps[i].path, names[rand() % 12]);
        do
            strcpy(steps[i].to, names[rand() % 12]);
        while (!strcmp(steps[i].to, steps[i].path));
        steps[i].size = r == 7 ? 60 : (uint32_t)rand() % 900;
        steps[i].seed = i;
    }
}

static void cuts_at(uint32_t prog, uint32_t block, uint32_t count,
                    const struct small_step *steps, uint32_t steps_count,
                    uint32_t deep)
{
    struct small_volume v;

    small_init(&v, &kind, prog, block, count);
    small_cut_everywhere(&v, steps, steps_count, deep);
    small_free(&v);
}

static void power_cuts_leave_old_or_new(void **state)
{
    const uint32_t count = sizeof scripted / sizeof scripted[0];
    static struct small_step steps[150];

    (void)state;
    cuts_at(64, 256, 48, scripted, count, 5);
    cuts_at(1, 256, 48, scripted, count, 31);
    make_steps(steps, 150, 1);
    cuts_at(64, 256, 48, steps, 150, 61);
    make_steps(steps, 150, 2);
    cuts_at(16, 64, 4 * 32, steps, 50, 151);
}

/* --- names --- */

/* An empty volume of 48 rows, mounted. */
static void start(struct small_volume *v)
{
    small_init(v, &kind, 64, 256, 48);
    small_format(v);
    assert_int_equal(small_mount(v, kind.ops, NULL), FP_OK);
}

static void odd_handles_show_as_paths_and_open_by_them(void **state)
{
    static const char *const shown[] = {
        "/%2Edata", "/x/%2E",   "/x/%2E%2E", "/x/a%2Fb",
        "/x/a%00b", "/x/%252F", "/x/%41",    "/x/50%",
    };
    static char text[SMALL_TEXT];
    struct small_volume v;

    (void)state;
    start(&v);
    for (uint32_t i = 0; i < 8; i++) {
        struct small_step step = { SMALL_PUT, "", "", i, i };

        strcpy(step.path, shown[i]);
        assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    }
    small_list(&v.mnt, text);
    for (uint32_t i = 0; i < 8; i++)
        if (i != 2) /* "..", of which only the first dot needs it */
            assert_non_null(strstr(text, shown[i]));
    assert_non_null(strstr(text, "/x/%2E. 2"));
    /* The handle as it is stored, in row 2. */
    assert_memory_equal(v.mem + 2 * 256 + 8, ".data", 5);
    small_unmount(&v);
    small_free(&v);
}

/* A handle that does not end in the row that its record begins in: of that one
 * is written before there is any data. */
static void the_longest_name_may_come_first(void **state)
{
    struct small_step step = { SMALL_PUT, "/", "", 3, 1 };
    struct small_findings found;
    struct small_volume v;
    struct fp_stat st;

    (void)state;
    memset(step.path + 1, 'n', 254);
    step.path[255] = '\0';
    start(&v);
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    small_unmount(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(fp_fs_stat(&v.mnt, step.path, &st), FP_OK);
    assert_int_equal(st.size, 3);
    found = small_check(&v.mnt);
    assert_int_equal(found.errors + found.warnings, 0);
    small_unmount(&v);
    small_free(&v);
}

static void raw_names_are_handles_from_the_root(void **state)
{
    struct fp_fs_config cfg = { .options = "raw=1" };
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_tree");
    struct fp_file file;

    (void)state;
    assert_int_equal(small_mount(&v, kind.ops, &cfg), FP_OK);
    assert_int_equal(
        fp_fs_open(&v.mnt, &file, "/root/config/display", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/config", FP_O_READ),
                     FP_ERR_NOENT);
    assert_int_equal(fp_fs_remove(&v.mnt, "/root/logs"), FP_ERR_ROFS);
    small_unmount(&v);
    json_decref(manifest);
    small_free(&v);
}

/* --- the tree --- */

/* As many as the format has: the root grows over what lies behind it. */
static void a_directory_has_255_children(void **state)
{
    struct small_volume v;
    struct small_step step = { .op = SMALL_PUT, .size = 3 };
    struct fp_dirent entry;
    struct fp_dir dir;
    int count = 0;

    (void)state;
    small_init(&v, &kind, 64, 256, 400);
    small_format(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    for (int i = 0; i < 255; i++) {
        snprintf(step.path, sizeof step.path, "/%d", i);
        assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    }
    strcpy(step.path, "/one more");
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_ERR_NOSPC);
    assert_int_equal(fp_fs_sync(&v.mnt), FP_OK);
    assert_int_equal(fp_fs_opendir(&v.mnt, &dir, "/"), FP_OK);
    while (fp_fs_readdir(&dir, &entry) > 0) {
        char path[300];

        /* What is listed may go while it is listed. */
        snprintf(path, sizeof path, "/%s", entry.name);
        assert_int_equal(atoi(entry.name), count++);
        if (count % 2)
            assert_int_equal(fp_fs_remove(&v.mnt, path), FP_OK);
    }
    assert_int_equal(count, 255);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    assert_int_equal(fp_fs_sync(&v.mnt), FP_OK);
    assert_int_equal(small_check(&v.mnt).pending, 0);
    small_expect_checker(&v, "--settled", 0);
    small_unmount(&v);
    small_free(&v);
}

static void a_file_without_data_may_become_a_directory(void **state)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/e", "", 0, 0 },        { SMALL_PUT, "/e/f", "", 5, 1 },
        { SMALL_PUT, "/g", "", 1, 0 },        { SMALL_PUT, "/g/f", "", 5, 1 },
        { SMALL_PUT, "/e", "", 5, 1 },        { SMALL_REMOVE, "/e", "", 0, 0 },
        { SMALL_PUT, "/no/.data", "", 1, 0 },
    };
    static const int want[] = { FP_OK,         FP_OK,        FP_OK,
                                FP_ERR_NOTDIR, FP_ERR_ISDIR, FP_ERR_NOTEMPTY,
                                FP_ERR_INVAL };
    struct small_volume v;
    struct fp_stat st;

    (void)state;
    start(&v);
    for (int i = 0; i < 7; i++)
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), want[i]);
    assert_int_equal(fp_fs_remove(&v.mnt, "/e/f"), FP_OK);
    assert_int_equal(fp_fs_stat(&v.mnt, "/e", &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_FILE);
    assert_int_equal(fp_fs_mkdir(&v.mnt, "/d"), FP_ERR_NOTSUP);
    small_unmount(&v);
    small_free(&v);
}

/* Handles stay on their files while these are moved about. */
static void open_files_follow(void **state)
{
    struct small_volume v;
    struct fp_file reader, writer, removed;
    struct small_step step = { SMALL_PUT, "/a", "", 700, 1 };
    static char before[SMALL_TEXT];
    uint8_t one[700], two[700];

    (void)state;
    small_init(&v, &kind, 64, 256, 64);
    small_format(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    strcpy(step.path, "/b");
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &reader, "/a", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &removed, "/b", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &writer, "/a", FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_remove(&v.mnt, "/b"), FP_OK);
    assert_int_equal(fp_fs_rename(&v.mnt, "/a", "/longer name", 0), FP_OK);
    /* The root grows over what was behind it. */
    step.size = 300;
    strcpy(step.path, "/.data");
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    assert_int_equal(fp_fs_read(&reader, one, 700), 700);
    assert_int_equal(fp_fs_read(&removed, two, 700), 700);
    assert_memory_equal(one, two, 700);
    assert_int_equal(fp_fs_write(&writer, "xyz", 3), 3);
    assert_int_equal(fp_fs_rename(&v.mnt, "/longer name", "/n", 0),
                     FP_ERR_BUSY);
    assert_int_equal(fp_fs_close(&writer), FP_OK);
    assert_int_equal(fp_fs_seek(&reader, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_read(&reader, two, 700), 700);
    assert_memory_equal(one, two, 700);
    assert_int_equal(fp_fs_close(&reader), FP_OK);
    assert_int_equal(fp_fs_close(&removed), FP_OK);
    small_list(&v.mnt, before);
    assert_non_null(strstr(before, "/longer name 700 "));
    assert_int_equal(fp_fs_sync(&v.mnt), FP_OK);
    assert_int_equal(small_check(&v.mnt).pending, 0);
    small_unmount(&v);
    small_expect_checker(&v, "--settled", 0);
    small_free(&v);
}

/* The node of a handle to a directory's own data is the directory. */
static void a_handle_of_own_data_follows(void **state)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/d/f", "", 5, 1 },
        { SMALL_PUT, "/d/.data", "", 40, 2 },
    };
    struct small_volume v;
    struct fp_file file;
    struct fp_stat st;
    uint8_t buf[50];

    (void)state;
    start(&v);
    for (int i = 0; i < 2; i++)
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), FP_OK);
    assert_int_equal(
        fp_fs_open(&v.mnt, &file, "/d/.data", FP_O_READ | FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_rename(&v.mnt, "/d", "/another", 0), FP_OK);
    assert_int_equal(fp_fs_write(&file, "xyz", 3), 3);
    assert_int_equal(fp_fs_rename(&v.mnt, "/another", "/d", 0), FP_ERR_BUSY);
    assert_int_equal(fp_fs_fsync(&file), FP_OK);
    assert_int_equal(fp_fs_rename(&v.mnt, "/another", "/third", 0), FP_OK);
    assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_read(&file, buf, sizeof buf), 40);
    assert_memory_equal(buf, "xyz", 3);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_stat(&v.mnt, "/third/.data", &st), FP_OK);
    assert_int_equal(st.size, 40);
    small_unmount(&v);
    small_free(&v);
}

/* Who reads a directory's own data sees what it becomes, and how long. */
static void readers_of_own_data_see_it_change(void **state)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/d/f", "", 5, 1 },
        { SMALL_PUT, "/d/.data", "", 40, 2 },
        { SMALL_PUT, "/d/.data", "", 7, 3 },
        { SMALL_PUT, "/d/.data", "", 300, 4 },
        { SMALL_REMOVE, "/d/.data", "", 0, 0 },
    };
    struct small_volume v;
    struct fp_file file;
    uint8_t buf[400];

    (void)state;
    start(&v);
    for (int i = 0; i < 2; i++)
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/d/.data", FP_O_READ), FP_OK);
    for (int i = 2; i < 5; i++) {
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), FP_OK);
        assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_END), steps[i].size);
        assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        assert_int_equal(fp_fs_read(&file, buf, sizeof buf), steps[i].size);
    }
    assert_int_equal(fp_fs_close(&file), FP_OK);
    small_unmount(&v);
    small_free(&v);
}

/* A directory whose list ends with its row, and a file of it that was
 * committed, removed, and committed again: nobody made room for its address. */
static void what_was_removed_is_not_saved_again(void **state)
{
    struct small_step step = { SMALL_PUT, "/0", "", 3, 1 };
    struct small_findings found;
    struct small_volume v;
    struct fp_file file;
    struct fp_stat st;

    (void)state;
    small_init(&v, &kind, 64, 256, 96);
    small_format(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE),
                     FP_OK);
    assert_int_equal(fp_fs_write(&file, "a", 1), 1);
    assert_int_equal(fp_fs_fsync(&file), FP_OK);
    assert_int_equal(fp_fs_remove(&v.mnt, "/f"), FP_OK);
    for (int i = 1; i < 61; i++) {
        snprintf(step.path, sizeof step.path, "/%d", i);
        assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    }
    assert_int_equal(fp_fs_write(&file, "b", 1), 1);
    assert_int_equal(fp_fs_fsync(&file), FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_stat(&v.mnt, "/f", &st), FP_ERR_NOENT);
    found = small_check(&v.mnt);
    assert_int_equal(found.errors + found.warnings, 0);
    small_unmount(&v);
    small_free(&v);
}

/* What was cut off does not come back as padding. */
static void padding_is_zeros_whatever_was_there(void **state)
{
    struct small_findings found;
    struct small_volume v;
    struct fp_file file;
    uint8_t buf[600];

    (void)state;
    memset(buf, 'x', sizeof buf);
    start(&v);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE),
                     FP_OK);
    assert_int_equal(fp_fs_write(&file, buf, sizeof buf), sizeof buf);
    assert_int_equal(fp_fs_truncate(&file, 10), FP_OK);
    assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_END), 10);
    assert_int_equal(fp_fs_write(&file, buf, 290), 290);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    found = small_check(&v.mnt);
    assert_int_equal(found.errors + found.warnings, 0);
    small_unmount(&v);
    small_free(&v);
}

/* Half a mebibyte is no trouble; erase blocks that have several rows are. */
static void formats_where_a_row_can_be_erased(void **state)
{
    static const struct {
        uint32_t block;
        int err;
    } cases[] = { { 64, FP_OK },
                  { 256, FP_OK },
                  { 512, FP_ERR_NOTSUP },
                  { 4096, FP_ERR_NOTSUP } };
    const size_t size = 512 * 1024;
    uint8_t *mem = malloc(size), *ws = malloc(8192);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fp_bdev_ram ram;
        struct fp_mount mnt;

        fp_bdev_ram_init(&ram, 64 < cases[i].block ? 64 : cases[i].block,
                         cases[i].block, (uint32_t)size / cases[i].block, mem);
        assert_int_equal(fp_fs_format(&fp_fs_bonsai, &ram.bdev, NULL, ws, 8192),
                         cases[i].err);
        /* What is there already can be read. */
        assert_int_equal(
            fp_fs_mount(&mnt, &fp_fs_bonsai, &ram.bdev, NULL, ws, 8192), FP_OK);
        assert_int_equal(!!(mnt.cfg.flags & FP_MOUNT_RDONLY),
                         cases[i].err != FP_OK);
        assert_int_equal(fp_fs_unmount(&mnt), FP_OK);
    }
    free(mem);
    free(ws);
}

/* --- broken images --- */

/* An address of nothing goes when the list that has it changes; what is behind
 * it in the list stays. */
static void an_address_is_dropped(uint32_t addr)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/config/new", "", 5, 1 },
        { SMALL_REMOVE, "/config/new", "", 0, 0 },
    };
    static char before[SMALL_TEXT], after[SMALL_TEXT];
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_tree");
    uint8_t *config = v.mem + 2 * 256;
    uint8_t kids = config[7];

    fp_put_le32(config + 8 + 6, addr); /* its first */
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    small_list(&v.mnt, before);
    small_is_quiet = true;
    assert_true(small_check(&v.mnt).errors > 0);
    small_is_quiet = false;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), FP_OK);
        assert_int_equal(small_check(&v.mnt).errors, 0);
        assert_int_equal(config[7], kids - i);
    }
    small_list(&v.mnt, after);
    assert_string_equal(after, before);
    small_unmount(&v);
    json_decref(manifest);
    small_free(&v);
}

/* That of an erased row, as the original leaves them, and what is none. */
static void addresses_of_nothing_are_dropped(void **state)
{
    (void)state;
    an_address_is_dropped(0x1d000 + 40 * 256);
    an_address_is_dropped(0x1d001);
    an_address_is_dropped(UINT32_MAX);
}

/* What is listed of a volume whose power failed in the nth write of a step;
 * false: the step had fewer. */
static bool list_after_cut(struct small_volume *v, const uint8_t *image,
                           const struct small_step *step, uint32_t nth,
                           char text[SMALL_TEXT])
{
    bool was_cut;

    memcpy(v->mem, image, v->size);
    assert_int_equal(small_mount(v, kind.ops, NULL), FP_OK);
    fp_bdev_fault_cut(&v->fault, nth, FP_FAULT_TEAR_HALF);
    (void)small_do(&kind, &v->mnt, step);
    was_cut = fp_bdev_fault_is_off(&v->fault);
    fp_bdev_fault_power_on(&v->fault);
    fp_bdev_fault_cut(&v->fault, 0, FP_FAULT_TEAR_NONE);
    small_forget(v);
    assert_int_equal(small_mount(v, kind.ro, NULL), FP_OK);
    small_list(&v->mnt, text);
    small_unmount(v);
    return was_cut;
}

/* The row that a new file would get is listed already by its directory: the
 * file may not be written there, where it would show before it is whole. */
static void a_row_that_is_listed_is_not_free(void **state)
{
    static const struct small_step put = { SMALL_PUT, "/config/new", "", 200,
                                           1 };
    static char before[SMALL_TEXT], after[SMALL_TEXT], now[SMALL_TEXT];
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_tree");
    uint8_t *image = malloc(v.size);

    (void)state;
    assert_int_equal(fp_get_le32(v.mem + 2 * 256 + 8 + 6), 0x1d000 + 3 * 256);
    memset(v.mem + 3 * 256, 0xff, 256);
    memcpy(image, v.mem, v.size);
    assert_int_equal(small_mount(&v, kind.ro, NULL), FP_OK);
    small_list(&v.mnt, before);
    small_unmount(&v);
    assert_false(list_after_cut(&v, image, &put, 1000, after));
    assert_string_not_equal(before, after);
    for (uint32_t nth = 1; list_after_cut(&v, image, &put, nth, now); nth++)
        if (strcmp(now, before) != 0)
            assert_string_equal(now, after);
    free(image);
    json_decref(manifest);
    small_free(&v);
}

static void use_all(struct small_volume *v)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/config/display", "", 400, 1 },
        { SMALL_RENAME, "/config", "/logs/x", 0, 0 },
        { SMALL_APPEND, "/logs/day1", "", 9, 1 },
        { SMALL_REMOVE_ALL, "/logs", "", 0, 0 },
        { SMALL_PUT, "/new/one", "", 4, 1 },
        { SMALL_SYNC, "", "", 0, 0 },
    };
    struct fp_dirent entry;
    struct fp_file file;
    struct fp_dir dir;
    uint8_t buf[300];
    char path[300];

    if (small_mount(v, kind.ops, NULL))
        return;
    if (fp_fs_opendir(&v->mnt, &dir, "/") == FP_OK) {
        for (int i = 0; i < 300 && fp_fs_readdir(&dir, &entry) > 0; i++) {
            snprintf(path, sizeof path, "/%s", entry.name);
            if (fp_fs_open(&v->mnt, &file, path, FP_O_READ) == FP_OK) {
                (void)fp_fs_read(&file, buf, sizeof buf);
                fp_fs_close(&file);
            }
        }
        fp_fs_closedir(&dir);
    }
    (void)small_check(&v->mnt);
    for (int i = 0; i < 6; i++)
        (void)small_do(&kind, &v->mnt, &steps[i]);
    (void)fp_fs_unmount(&v->mnt);
    small_forget(v);
}

static void broken_images_are_survived(void **state)
{
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_data");
    uint8_t *saved = malloc(v.size);

    (void)state;
    memcpy(saved, v.mem, v.size);
    srand(3);
    small_is_quiet = true;
    /* Every byte of every head and list in the first eight rows. */
    for (uint32_t i = 0; i < 8 * 40 * 12; i++) {
        static const uint8_t values[] = { 0,    1,    0x7f, 0x80, 0xd0,
                                          0xd1, 0xd2, 0xd3, 0xfe, 0xff };
        uint32_t at = i % 8 * 256 + i / 8 % 40, how = i / 320;

        memcpy(v.mem, saved, v.size);
        v.mem[at] = how < 10 ? values[how] : (uint8_t)rand();
        if (how == 11)
            v.mem[rand() % (8 * 256)] = (uint8_t)rand();
        use_all(&v);
    }
    small_is_quiet = false;
    free(saved);
    json_decref(manifest);
    small_free(&v);
}

/* Two directories that have each other, and a child that is the root. */
static void cycles_end(void **state)
{
    static char text[SMALL_TEXT];
    struct small_volume v;
    json_t *manifest = small_load(&v, &any_start, "bonsai_a_tree");
    uint8_t *config = v.mem + 2 * 256, *display = v.mem + 4 * 256;

    (void)state;
    fp_put_le32(config + 8 + 6, 0x1d100); /* config's first: the root */
    display[7] = 1;
    fp_put_le32(display + 8 + 7, 0x1d200); /* display's: config */
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    small_list(&v.mnt, text);
    assert_non_null(strstr(text, "/config/display/"));
    small_is_quiet = true;
    assert_int_equal(small_check(&v.mnt).errors, 2);
    small_is_quiet = false;
    small_unmount(&v);
    json_decref(manifest);
    small_free(&v);
}

/* --- the journal --- */

static bool has(struct small_volume *v, const char *path)
{
    struct fp_stat st;
    int err = fp_fs_stat(&v->mnt, path, &st);

    assert_true(err == FP_OK || err == FP_ERR_NOENT);
    return err == FP_OK;
}

static bool has_on_flash(struct small_volume *v, const char *path)
{
    bool has_it;

    assert_int_equal(small_mount(v, kind.ro, NULL), FP_OK);
    has_it = has(v, path);
    small_unmount(v);
    return has_it;
}

/* A removal writes the new row of the directory, then the head: from then on it
 * has happened, unless a byte of the head is not as it should be. */
static void a_head_counts_if_all_of_it_is_right(void **state)
{
    static const uint32_t wrong[] = { 0, 1, 3, 8, 15, 19, 23, 24, 255 };
    static const struct small_step put = { SMALL_PUT, "/a", "", 10, 1 };
    struct small_volume v;
    uint8_t *head;

    (void)state;
    start(&v);
    assert_int_equal(small_do(&kind, &v.mnt, &put), FP_OK);
    fp_bdev_fault_cut(&v.fault, 3, FP_FAULT_TEAR_NONE);
    assert_int_equal(fp_fs_remove(&v.mnt, "/a"), FP_ERR_IO);
    fp_bdev_fault_power_on(&v.fault);
    small_forget(&v);
    assert_false(has_on_flash(&v, "/a"));
    head = v.mem + v.size - 256;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        head[wrong[i]] ^= 0x40;
        assert_true(has_on_flash(&v, "/a"));
        head[wrong[i]] ^= 0x40;
    }
    assert_false(has_on_flash(&v, "/a"));
    small_free(&v);
}

/* It may have happened, so it is from then on as if it had, and the next change
 * makes it so, also where the power fails in its nth write. False: it has not so
 * many. */
static bool change_after_a_failed_head(uint32_t nth)
{
    static const struct small_step put[] = { { SMALL_PUT, "/a", "", 10, 1 },
                                             { SMALL_PUT, "/b", "", 10, 2 } };
    struct small_volume v;
    bool was_cut;

    start(&v);
    for (int i = 0; i < 2; i++)
        assert_int_equal(small_do(&kind, &v.mnt, &put[i]), FP_OK);
    fp_bdev_fault_fail(&v.fault, FP_BDEV_PROG, 2);
    assert_int_equal(fp_fs_remove(&v.mnt, "/a"), FP_ERR_IO);
    assert_false(has(&v, "/a"));
    assert_true(has(&v, "/b"));
    fp_bdev_fault_cut(&v.fault, nth, FP_FAULT_TEAR_HALF);
    (void)fp_fs_remove(&v.mnt, "/b");
    was_cut = fp_bdev_fault_is_off(&v.fault);
    fp_bdev_fault_power_on(&v.fault);
    small_forget(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(small_check(&v.mnt).errors, 0);
    if (has(&v, "/a") || !was_cut)
        assert_int_equal(has(&v, "/b"), was_cut);
    small_unmount(&v);
    small_free(&v);
    return was_cut;
}

/* The data of a directory becomes shorter, and in the nth write for that the
 * medium fails, or is away until the change is given up. Who reads it gets what
 * is the data now, or an error, and never the list of children behind it.
 * False: there are not so many writes. */
static bool read_after_a_failure(uint32_t nth, bool is_away)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/d/f", "", 10, 1 },
        { SMALL_PUT, "/d/.data", "", 40, 2 },
        { SMALL_PUT, "/d/.data", "", 10, 3 },
    };
    uint8_t old[41], got[41], new[41];
    struct small_volume v;
    struct fp_file file;
    int32_t n, want;
    int err;

    start(&v);
    for (int i = 0; i < 2; i++)
        assert_int_equal(small_do(&kind, &v.mnt, &steps[i]), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/d/.data", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, old, sizeof old), 40);
    if (is_away)
        fp_bdev_fault_cut(&v.fault, nth, FP_FAULT_TEAR_NONE);
    else
        fp_bdev_fault_fail(&v.fault, nth % 2 ? FP_BDEV_PROG : FP_BDEV_ERASE,
                           (nth + 1) / 2);
    err = small_do(&kind, &v.mnt, &steps[2]);
    fp_bdev_fault_power_on(&v.fault);
    assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
    n = fp_fs_read(&file, got, sizeof got);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/d/.data", FP_O_READ), FP_OK);
    want = fp_fs_read(&file, new, sizeof new);
    assert_int_equal(want, want == 40 ? 40 : 10);
    assert_int_equal(n, n < 0 ? FP_ERR_STALE : want);
    if (n > 0)
        assert_memory_equal(got, new, (size_t)n);
    if (n == 40)
        assert_memory_equal(got, old, 40);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    small_free(&v);
    return err != FP_OK;
}

static void data_that_gets_shorter_ends_there_whatever_fails(void **state)
{
    (void)state;
    for (int is_away = 0; is_away < 2; is_away++) {
        bool has_failed = true;

        for (uint32_t nth = 1; nth < 30; nth++)
            has_failed = read_after_a_failure(nth, is_away);
        assert_false(has_failed);
    }
}

static void a_change_whose_head_fails_happens_with_the_next(void **state)
{
    uint32_t nth = 1;

    (void)state;
    small_is_quiet = true;
    while (change_after_a_failed_head(nth))
        nth++;
    small_is_quiet = false;
    assert_true(nth > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_reads_as_its_manifest_says),
        cmocka_unit_test(every_image_is_found),
        cmocka_unit_test(every_image_can_be_written_to),
        cmocka_unit_test(a_lost_root_takes_no_writes),
        cmocka_unit_test(a_file_in_the_last_row_is_left_alone),
        cmocka_unit_test(another_start_is_refused),
        cmocka_unit_test(odd_handles_show_as_paths_and_open_by_them),
        cmocka_unit_test(the_longest_name_may_come_first),
        cmocka_unit_test(raw_names_are_handles_from_the_root),
        cmocka_unit_test(a_directory_has_255_children),
        cmocka_unit_test(a_file_without_data_may_become_a_directory),
        cmocka_unit_test(open_files_follow),
        cmocka_unit_test(a_handle_of_own_data_follows),
        cmocka_unit_test(readers_of_own_data_see_it_change),
        cmocka_unit_test(what_was_removed_is_not_saved_again),
        cmocka_unit_test(padding_is_zeros_whatever_was_there),
        cmocka_unit_test(formats_where_a_row_can_be_erased),
        cmocka_unit_test(addresses_of_nothing_are_dropped),
        cmocka_unit_test(a_row_that_is_listed_is_not_free),
        cmocka_unit_test(cycles_end),
        cmocka_unit_test(a_head_counts_if_all_of_it_is_right),
        cmocka_unit_test(data_that_gets_shorter_ends_there_whatever_fails),
        cmocka_unit_test(a_change_whose_head_fails_happens_with_the_next),
        cmocka_unit_test(power_cuts_leave_old_or_new),
        cmocka_unit_test(broken_images_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
