/* SPDX-License-Identifier: MIT
 *
 * FAT's own: names, times, media and layouts that are refused, moves that a cut
 * ended. Bytes that are expected stand in the format page or were counted by
 * hand.
 */
#include "core/bdev/fault.h"
#include "core/bytes.h"
#include "tests/unit/fat_support.h"

struct vol {
    uint8_t *mem;
    size_t size;
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
};

static void open_again(struct vol *v, const char *options)
{
    const struct fp_fs_config cfg = { .options = options };

    fat_ok(fat_mount(&v->mnt, &v->ram.bdev, &cfg), "mount");
}

static void make(struct vol *v, size_t size, uint32_t sector,
                 const char *options)
{
    const struct fp_fs_config cfg = { .options = options };
    size_t ws_size;
    void *ws;

    v->size = size;
    v->mem = calloc(size, 1);
    assert_non_null(v->mem);
    fat_card(&v->ram, v->mem, size, sector);
    ws_size = fp_fs_fat.workspace(&v->ram.bdev, &cfg);
    ws = malloc(ws_size);
    assert_non_null(ws);
    fat_ok(fp_fs_format(&fp_fs_fat, &v->ram.bdev, &cfg, ws, ws_size), "format");
    free(ws);
    open_again(v, options);
}

static void drop(struct vol *v)
{
    fat_unmount(&v->mnt);
    free(v->mem);
}

static int put(struct vol *v, const char *path, const char *text)
{
    struct fp_file file;
    int err =
        fp_fs_open(&v->mnt, &file, path, FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC);

    if (err)
        return err;
    fat_ok(fp_fs_write(&file, text, (uint32_t)strlen(text)), path);
    return fp_fs_close(&file);
}

static bool has(struct vol *v, const char *path, const char *text)
{
    char buf[100] = "";
    struct fp_file file;

    if (fp_fs_open(&v->mnt, &file, path, FP_O_READ))
        return false;
    fat_ok(fp_fs_read(&file, buf, sizeof buf - 1), path);
    fat_ok(fp_fs_close(&file), path);
    return !strcmp(buf, text);
}

/* The names in a directory, in order, each followed by '|'. */
static const char *list(struct vol *v, const char *path)
{
    static char text[4000];
    struct fp_dir dir;
    struct fp_dirent entry;

    text[0] = '\0';
    fat_ok(fp_fs_opendir(&v->mnt, &dir, path), path);
    while (fp_fs_readdir(&dir, &entry) == 1) {
        strcat(text, entry.name);
        strcat(text, "|");
    }
    fat_ok(fp_fs_closedir(&dir), path);
    return text;
}

/* The fixed root of a volume of 512 sectors with one sector of table each. */
static uint8_t *root_of(struct vol *v)
{
    return v->mem + 512 * (1 + 2 * fp_get_le16(v->mem + 22));
}

static void names_that_fit_8_3_have_no_other(void **state)
{
    static const uint8_t want[3][13] = { "README  TXT\x20",
                                         "README2 TXT\x20\x18",
                                         "README3 TXT\x20\x10" };
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/README.TXT", "1"), "1");
    fat_ok(put(&v, "/readme2.txt", "2"), "2");
    fat_ok(put(&v, "/README3.txt", "3"), "3");
    for (uint32_t i = 0; i < 3; i++)
        assert_memory_equal(root_of(&v) + 32 * i, want[i], 13);
    assert_string_equal(list(&v, "/"), "README.TXT|readme2.txt|README3.txt|");
    assert_true(has(&v, "/readme.txt", "1"));
    assert_true(has(&v, "/README2.TXT", "2"));
    drop(&v);
}

/* U+1F600 is d83d de00. The checksum of "_1.TXT"'s kin is not needed to be
 * known: it is checked by the readers of others in test_fat_tools.c. */
static void surrogates_go_both_ways(void **state)
{
    const char *path = "/\xf0\x9f\x98\x80.txt";
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, path, "smile"), path);
    assert_memory_equal(root_of(&v) + 1, "\x3d\xd8\x00\xde\x2e\x00\x74\x00", 8);
    assert_int_equal(root_of(&v)[0], 0x41);
    assert_int_equal(root_of(&v)[11], 0x0f);
    assert_string_equal(list(&v, "/"), "\xf0\x9f\x98\x80.txt|");
    assert_true(has(&v, path, "smile"));
    /* Half a pair is no name: the 8.3 one is shown. */
    root_of(&v)[4] = 0x41;
    fat_unmount(&v.mnt);
    open_again(&v, NULL);
    assert_string_equal(list(&v, "/"), "__~1.TXT|");
    drop(&v);
}

static void names_are_found_in_any_case(void **state)
{
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/\xc3\x84pfel und \xce\x92irnen", "fruit"), "put");
    assert_true(has(&v, "/\xc3\xa4PFEL UND \xce\xb2IRNEN", "fruit"));
    fat_ok(put(&v, "/\xc3\xa4pfel UND \xce\xb2irnen", "new"), "put");
    assert_string_equal(list(&v, "/"), "\xc3\x84pfel und \xce\x92irnen|");
    fat_ok(fp_fs_rename(&v.mnt, "/\xc3\xa4pfel und \xce\xb2irnen",
                        "/\xc3\xa4PFEL", 0),
           "rename");
    fat_ok(fp_fs_rename(&v.mnt, "/\xc3\xa4PFEL", "/\xc3\xa4pfel", 0), "case");
    assert_string_equal(list(&v, "/"), "\xc3\xa4pfel|");
    assert_true(has(&v, "/\xc3\x84pfel", "new"));
    drop(&v);
}

/* No path can hold it: not listed, and no name is its beginning. */
static void short_names_with_zeros_are_no_names(void **state)
{
    char *path = strdup("/A"); /* so that a sanitizer sees what is behind */
    struct fp_stat st;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/ABC", "x"), "put");
    root_of(&v)[1] = 0;
    fat_unmount(&v.mnt);
    open_again(&v, NULL);
    assert_string_equal(list(&v, "/"), "");
    assert_int_equal(fp_fs_stat(&v.mnt, path, &st), FP_ERR_NOENT);
    free(path);
    drop(&v);
}

static void aliases_have_tails_of_their_own(void **state)
{
    char path[40], found[12][12];
    struct vol v;
    int count = 0;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    for (int i = 0; i < 12; i++) {
        sprintf(path, "/A long name %d.text", i);
        fat_ok(put(&v, path, "x"), path);
    }
    for (uint8_t *raw = root_of(&v); raw[0]; raw += 32) {
        if (raw[11] == 0x0f || raw[0] == 0xe5)
            continue;
        memcpy(found[count], raw, 11);
        found[count][11] = '\0';
        for (int i = 0; i < count; i++)
            assert_string_not_equal(found[i], found[count]);
        count++;
    }
    assert_int_equal(count, 12);
    assert_string_equal(found[0], "ALONGN~1TEX");
    assert_string_equal(found[8], "ALONGN~9TEX");
    assert_true(has(&v, "/ALONGN~3.TEX", "x"));
    drop(&v);
}

static void names_that_others_cannot_have_are_refused(void **state)
{
    static const char *const bad[] = { "/a:b",      "/a*",    "/\"q\"",
                                       "/tail.",    "/tail ", "/a\x01",
                                       "/\xff\x01", "/a|b",   "/..." };
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(put(&v, bad[i], "x"), FP_ERR_INVAL);
        assert_int_equal(fp_fs_mkdir(&v.mnt, bad[i]), FP_ERR_INVAL);
    }
    assert_string_equal(list(&v, "/"), "");
    drop(&v);
}

/* 2024-02-29 12:34:56 UTC is 1709210096; local time an hour ahead 13:34:56 is
 * 13 << 11 | 34 << 5 | 28, its date 44 << 9 | 2 << 5 | 29. */
static void times_are_local(void **state)
{
    const int64_t s = 1000000000;
    struct fp_stat st;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, "zone=60");
    fat_ok(put(&v, "/F", "x"), "put");
    fat_ok(fp_fs_stat(&v.mnt, "/F", &st), "stat");
    assert_false(st.has_mtime);
    fat_ok(fp_fs_settime(&v.mnt, "/F", 1709210096 * s), "settime");
    assert_int_equal(fp_get_le16(root_of(&v) + 22), 13 << 11 | 34 << 5 | 28);
    assert_int_equal(fp_get_le16(root_of(&v) + 24), 44 << 9 | 2 << 5 | 29);
    fat_ok(fp_fs_stat(&v.mnt, "/F", &st), "stat");
    assert_true(st.has_mtime);
    assert_int_equal(st.mtime_ns, 1709210096 * s);
    fat_unmount(&v.mnt);
    open_again(&v, "zone=-90");
    fat_ok(fp_fs_stat(&v.mnt, "/F", &st), "stat");
    assert_int_equal(st.mtime_ns, (1709210096 + 150 * 60) * s);
    fat_ok(fp_fs_settime(&v.mnt, "/F", 1), "settime");
    fat_ok(fp_fs_stat(&v.mnt, "/F", &st), "stat");
    assert_false(st.has_mtime); /* before 1980 there is none */
    drop(&v);
}

static void every_day_comes_back(void **state)
{
    const int64_t day = 86400ll * 1000000000;
    struct fp_stat st;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/F", "x"), "put");
    /* 2 January 1980 is day 3653, 31 December 2107 day 50402. */
    for (int64_t i = 3653; i <= 50402; i += i % 7 + 1) {
        fat_ok(fp_fs_settime(&v.mnt, "/F", i * day), "settime");
        fat_ok(fp_fs_stat(&v.mnt, "/F", &st), "stat");
        assert_int_equal(st.mtime_ns / day, i);
    }
    assert_int_equal(fp_get_le16(root_of(&v) + 24) >> 9, 127);
    drop(&v);
}

static void media_that_cannot_be_written_so_are_refused(void **state)
{
    struct fp_mount mnt;
    const struct fp_fs_config reads = { .flags = FP_MOUNT_RDONLY };
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_unmount(&v.mnt);
    v.ram.bdev.flags = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    assert_int_equal(fat_mount(&mnt, &v.ram.bdev, NULL), FP_ERR_NOTSUP);
    v.ram.bdev.flags = FP_BDEV_OVERWRITE;
    assert_int_equal(fat_mount(&mnt, &v.ram.bdev, NULL), FP_ERR_NOTSUP);
    fat_ok(fat_mount(&mnt, &v.ram.bdev, &reads), "mount to read");
    fat_unmount(&mnt);
    free(v.mem);
}

static void relatives_and_tables_are_no_fat(void **state)
{
    struct fp_fs_config cfg = { 0 };
    struct vol v;
    int score = 0;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_unmount(&v.mnt);
    memcpy(v.mem + 3, "EXFAT   ", 8);
    assert_int_equal(fp_fs_fat.probe(&v.ram.bdev, &cfg, &score), FP_ERR_NOTSUP);
    memcpy(v.mem + 3, "NTFS    ", 8);
    assert_int_equal(fp_fs_fat.probe(&v.ram.bdev, &cfg, &score), FP_ERR_NOTSUP);
    assert_int_equal(fat_mount(&v.mnt, &v.ram.bdev, NULL), FP_ERR_NOTSUP);
    /* A partition table: boot code, an entry of FAT16, 55 AA. */
    memset(v.mem, 0, 510);
    memcpy(v.mem, "\xeb\x63\x90", 3);
    memcpy(v.mem + 446, "\x80\x20\x21\x00\x06\x10\x20\x00\x00\x08", 10);
    assert_int_equal(fp_fs_fat.probe(&v.ram.bdev, &cfg, &score), FP_ERR_NOENT);
    free(v.mem);
}

static void the_dirty_mark_comes_and_goes(void **state)
{
    struct vol v;
    uint8_t *table;

    (void)state;
    make(&v, 2200000, 512, "bits=16,cluster=512");
    table = v.mem + 512;
    assert_int_equal(table[3], 0xff);
    fat_ok(put(&v, "/f", "x"), "put");
    assert_int_equal(table[3], 0x7f);
    fat_ok(fp_fs_sync(&v.mnt), "sync");
    assert_int_equal(table[3], 0xff);
    fat_ok(fp_fs_remove(&v.mnt, "/f"), "remove");
    assert_int_equal(table[3], 0x7f);
    fat_unmount(&v.mnt);
    assert_int_equal(table[3], 0xff);
    free(v.mem);

    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/f", "x"), "put");
    assert_int_equal(v.mem[37], 1);
    fat_unmount(&v.mnt);
    assert_int_equal(v.mem[37], 0);
    free(v.mem);
}

/* FSInfo is a hint: one that says too little costs nothing but a count. */
static void a_wrong_count_of_free_clusters_does_no_harm(void **state)
{
    struct fp_statfs st;
    struct vol v;

    (void)state;
    make(&v, 34 << 20, 512, "bits=32,cluster=512");
    fat_unmount(&v.mnt);
    memset(v.mem + 512 + 488, 0, 4);
    open_again(&v, NULL);
    fat_ok(put(&v, "/f", "x"), "put");
    fat_ok(fp_fs_statfs(&v.mnt, &st), "statfs");
    assert_in_range(st.free, 33 << 20, 34 << 20);
    drop(&v);
}

static void a_read_only_file_stays(void **state)
{
    struct fp_file file;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/F", "old"), "put");
    fat_ok(put(&v, "/G", "new"), "put");
    fat_unmount(&v.mnt);
    root_of(&v)[11] |= 1;
    open_again(&v, NULL);
    assert_int_equal(put(&v, "/F", "new"), FP_ERR_ACCES);
    assert_int_equal(fp_fs_remove(&v.mnt, "/F"), FP_ERR_ACCES);
    assert_int_equal(fp_fs_rename(&v.mnt, "/G", "/F", 0), FP_ERR_ACCES);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/F", FP_O_READ | FP_O_WRITE),
                     FP_ERR_ACCES);
    assert_true(has(&v, "/F", "old"));
    drop(&v);
}

static void who_reads_keeps_what_is_replaced(void **state)
{
    char buf[8] = "";
    struct fp_file file;
    struct fp_statfs before, after;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/f", "old"), "put");
    fat_ok(fp_fs_statfs(&v.mnt, &before), "statfs");
    fat_ok(fp_fs_open(&v.mnt, &file, "/f", FP_O_READ), "open");
    fat_ok(fp_fs_remove(&v.mnt, "/f"), "remove");
    fat_ok(put(&v, "/f", "new"), "put");
    fat_ok(put(&v, "/g", "more"), "put");
    fat_ok(fp_fs_remove(&v.mnt, "/g"), "remove");
    assert_int_equal(fp_fs_read(&file, buf, 8), 3);
    assert_string_equal(buf, "old");
    fat_ok(fp_fs_close(&file), "close");
    assert_true(has(&v, "/f", "new"));
    fat_ok(fp_fs_statfs(&v.mnt, &after), "statfs");
    assert_int_equal(after.free, before.free);
    drop(&v);
}

/* A cluster written anew leads on to the old ones behind it, until these are
 * cut off. */
static void a_chain_ends_where_its_file_was_cut(void **state)
{
    static const char text[2048];
    struct fp_step step = { .kind = FP_STEP_CHECK };
    struct fp_file file;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, "cluster=512");
    fat_ok(fp_fs_open(&v.mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE), "open");
    fat_ok(fp_fs_write(&file, text, sizeof text), "write");
    fat_ok(fp_fs_fsync(&file), "fsync");
    fat_ok(fp_fs_seek(&file, 512, FP_SEEK_SET), "seek");
    fat_ok(fp_fs_write(&file, text, 512), "write");
    fat_ok(fp_fs_truncate(&file, 1024), "truncate");
    fat_ok(fp_fs_close(&file), "close");
    while (!step.done)
        fat_ok(fp_fs_step(&v.mnt, &step), "check");
    assert_int_equal(step.errors + step.warnings + step.pending, 0);
    drop(&v);
}

/* Changes the middle of /f and cuts there, when the table is to be read again
 * for that and the nth read fails. */
static void cut_in_vain(struct fp_mount *mnt, struct fp_bdev_fault *fault,
                        uint32_t nth)
{
    static char text[512 * 4];
    struct fp_file file, far;

    fat_ok(fp_fs_open(mnt, &file, "/f", FP_O_WRITE), "open");
    fat_ok(fp_fs_seek(&file, 512 * 2, FP_SEEK_SET), "seek");
    fat_ok(fp_fs_write(&file, text, sizeof text), "write");
    fat_ok(fp_fs_open(mnt, &far, "/far", FP_O_READ), "open");
    fat_ok(fp_fs_read(&far, text, sizeof text), "read");
    fat_ok(fp_fs_close(&far), "close");
    fp_bdev_fault_fail(fault, FP_BDEV_READ, nth);
    assert_int_equal(fp_fs_truncate(&file, 512 * 4), FP_ERR_IO);
    fp_bdev_fault_fail(fault, FP_BDEV_READ, 0);
    fat_ok(fp_fs_close(&file), "close");
}

/* A table that cannot be read leaves open where a stretch of its own ends. */
static void a_cut_that_fails_frees_what_is_its_own(void **state)
{
    struct fp_step step = { .kind = FP_STEP_CHECK };
    char *text = calloc(512 * 350, 1);
    struct fp_bdev_fault fault;
    uint8_t scratch[512];
    struct fp_mount mnt;
    struct vol v;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 512 * 10);
    make(&v, 1 << 18, 512, "cluster=512");
    fat_ok(put(&v, "/f", text), "put");
    memset(text, 'y', 512 * 350 - 1); /* to the second sector of the table */
    fat_ok(put(&v, "/far", text), "put");
    fat_unmount(&v.mnt);
    fp_bdev_fault_init(&fault, &v.ram.bdev, scratch, 1);
    fat_ok(fat_mount(&mnt, &fault.bdev, NULL), "mount");
    cut_in_vain(&mnt, &fault, 1);
    fat_unmount(&mnt);
    open_again(&v, NULL);
    while (!step.done)
        fat_ok(fp_fs_step(&v.mnt, &step), "check");
    assert_int_equal(step.errors + step.warnings + step.pending, 0);
    drop(&v);
    free(text);
}

/* The middle is changed first, and then all before it has to be copied. */
static void copies_lie_in_order(void **state)
{
    char text[9 * 512];
    struct fp_file file;
    struct vol v;
    uint8_t *data;

    (void)state;
    make(&v, 1 << 18, 512, "cluster=512");
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i / 512);
    fat_ok(fp_fs_open(&v.mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE), "open");
    fat_ok(fp_fs_write(&file, text, 8 * 512), "write");
    fat_ok(fp_fs_fsync(&file), "fsync");
    memset(text + 6 * 512, 'X', 512);
    fat_ok(fp_fs_seek(&file, 6 * 512, FP_SEEK_SET), "seek");
    fat_ok(fp_fs_write(&file, text + 6 * 512, 512), "write");
    fat_ok(fp_fs_seek(&file, 8 * 512, FP_SEEK_SET), "seek");
    fat_ok(fp_fs_write(&file, text + 8 * 512, 512), "append");
    fat_ok(fp_fs_close(&file), "close");
    /* Data begins behind 64 slots, with cluster 2. */
    data = root_of(&v) + 64 * 32;
    data += (fp_get_le16(root_of(&v) + 26) - 2) * 512;
    assert_memory_equal(data, text, 6 * 512);
    assert_int_equal(fp_get_le32(root_of(&v) + 28), sizeof text);
    drop(&v);
}

static void a_repair_frees_what_is_lost(void **state)
{
    struct fp_step step = { .kind = FP_STEP_CHECK };
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/f", "x"), "put");
    fat_unmount(&v.mnt);
    /* Clusters 100 and 101, bytes 150 to 152: a chain that nobody has; and the
     * second table says otherwise of the file. */
    memcpy(v.mem + 512 + 150, "\x65\xf0\xff", 3);
    open_again(&v, NULL);
    while (!step.done)
        fat_ok(fp_fs_step(&v.mnt, &step), "check");
    assert_int_equal(step.errors + step.warnings, 0);
    assert_int_equal(step.pending, 3); /* two clusters, two tables */
    step = (struct fp_step){ .kind = FP_STEP_REPAIR };
    while (!step.done)
        fat_ok(fp_fs_step(&v.mnt, &step), "repair");
    assert_memory_equal(v.mem + 512 + 150, "\0\0\0", 3);
    step = (struct fp_step){ .kind = FP_STEP_CHECK };
    while (!step.done)
        fat_ok(fp_fs_step(&v.mnt, &step), "check");
    assert_int_equal(step.errors + step.warnings + step.pending, 0);
    assert_true(has(&v, "/f", "x"));
    drop(&v);
}

/* A read that fails in the middle of a repair must not make what it could not
 * see look lost. */
static void a_repair_that_fails_frees_nothing_in_use(void **state)
{
    struct fp_bdev_fault fault;
    uint8_t scratch[512];
    struct fp_mount mnt;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(fp_fs_mkdir(&v.mnt, "/d"), "mkdir");
    fat_ok(put(&v, "/d/f", "content"), "put");
    fat_ok(put(&v, "/g", "more"), "put");
    fat_unmount(&v.mnt);
    fp_bdev_fault_init(&fault, &v.ram.bdev, scratch, 1);
    for (uint32_t nth = 1; nth < 40; nth++) {
        struct fp_step step = { .kind = FP_STEP_REPAIR };
        int failed = 0;

        fat_ok(fat_mount(&mnt, &fault.bdev, NULL), "mount");
        fp_bdev_fault_fail(&fault, FP_BDEV_READ, nth);
        while (!step.done && failed < 3)
            failed += fp_fs_step(&mnt, &step) != FP_OK;
        fp_bdev_fault_fail(&fault, FP_BDEV_READ, 0);
        assert_int_equal(step.pending, 0);
        fat_unmount(&mnt);
        open_again(&v, NULL);
        assert_true(has(&v, "/d/f", "content"));
        assert_true(has(&v, "/g", "more"));
        fat_unmount(&v.mnt);
    }
    free(v.mem);
}

static void chains_that_loop_or_cross_are_told(void **state)
{
    struct fp_step step = { .kind = FP_STEP_CHECK };
    struct vol v;
    char *text = calloc(2001, 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 2000);
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/A", text), "put");
    fat_ok(put(&v, "/B", "b"), "put");
    fat_unmount(&v.mnt);
    /* /A begins at cluster 2: its second leads back to the first. */
    v.mem[512 + 4] = (uint8_t)(2 << 4 | (v.mem[512 + 4] & 15));
    v.mem[512 + 5] = 0;
    open_again(&v, NULL);
    while (!step.done)
        fat_ok(fp_fs_step(&v.mnt, &step), "check");
    assert_true(step.errors > 0);
    drop(&v);
    free(text);
}

/* --- several handles at once --- */

#define HANDLES 4

struct handle {
    struct fp_file file;
    bool is_open, writes;
};

static uint32_t roll(uint32_t below)
{
    static uint32_t x = 4711;

    x = x * 1664525 + 1013904223;
    return (x >> 8) % below;
}

/* All of a file's bytes are the same, whichever state of it a handle sees. */
static void read_even(struct handle *h)
{
    static uint8_t buf[12000];
    int32_t n;

    fat_ok(fp_fs_seek(&h->file, 0, FP_SEEK_SET), "seek");
    n = fp_fs_read(&h->file, buf, sizeof buf);
    if (n == FP_ERR_STALE)
        return;
    fat_ok(n, "read");
    for (int32_t i = 1; i < n; i++)
        assert_int_equal(buf[i], buf[0]);
}

static void write_even(struct handle *h)
{
    static uint8_t buf[12000];
    const int64_t old = fp_fs_seek(&h->file, 0, FP_SEEK_END);
    uint32_t size = (uint32_t)old + roll(3000);
    int32_t n;

    size = size > sizeof buf || !size ? 5000 : size;
    memset(buf, (int)roll(256), size);
    fat_ok(fp_fs_seek(&h->file, 0, FP_SEEK_SET), "seek");
    if (fp_fs_truncate(&h->file, roll(2) ? size : 0))
        return;
    n = fp_fs_write(&h->file, buf, size);
    if (n != FP_ERR_STALE)
        fat_ok(n, "write");
}

static void change(struct vol *v, struct handle *h)
{
    static const uint32_t how[] = {
        FP_O_READ,
        FP_O_READ,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC,
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE,
    };
    char path[20], to[20];
    uint32_t flags = how[roll(5)];

    sprintf(path, "/d%u/file %u", roll(2), roll(4));
    sprintf(to, "/d%u/file %u", roll(2), roll(4));
    if (!h->is_open) {
        h->is_open = !fp_fs_open(&v->mnt, &h->file, path, flags);
        h->writes = flags & FP_O_WRITE;
        return;
    }
    switch (roll(7)) {
    case 0:
        (void)fp_fs_remove(&v->mnt, path);
        break;
    case 1:
        (void)fp_fs_rename(&v->mnt, path, to, 0);
        break;
    case 2:
        if (h->writes)
            (void)fp_fs_fsync(&h->file);
        break;
    case 3:
        if (h->file.flags & FP_O_STAGE)
            (void)fp_fs_commit(&h->file, NULL);
        (void)fp_fs_close(&h->file);
        h->is_open = false;
        break;
    case 4:
        if (h->writes)
            write_even(h);
        break;
    default:
        read_even(h);
    }
}

static void handles_do_not_get_in_each_others_way(void **state)
{
    struct handle handles[HANDLES] = { 0 };
    struct vol v;

    (void)state;
    make(&v, 1 << 19, 512, NULL);
    fat_ok(fp_fs_mkdir(&v.mnt, "/d0"), "mkdir");
    fat_ok(fp_fs_mkdir(&v.mnt, "/d1"), "mkdir");
    for (int i = 0; i < 20000; i++) {
        change(&v, &handles[roll(HANDLES)]);
        if (i % 500 == 499) {
            struct fp_step step = { .kind = FP_STEP_CHECK };

            fat_ok(fp_fs_sync(&v.mnt), "sync");
            while (!step.done)
                fat_ok(fp_fs_step(&v.mnt, &step), "check");
            assert_int_equal(step.errors + step.warnings + step.pending, 0);
        }
    }
    for (int i = 0; i < HANDLES; i++)
        if (handles[i].is_open)
            (void)fp_fs_close(&handles[i].file);
    drop(&v);
}

/* Sequential content reaches the card in runs, not sector by sector. */
static uint32_t programs;

static int count_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    programs++;
    memcpy(((struct fp_bdev_ram *)dev)->mem + off, buf, size);
    return FP_OK;
}

static void large_writes_are_programmed_in_runs(void **state)
{
    static uint8_t buf[1 << 16];
    struct fp_bdev_ops ops;
    struct fp_file file;
    struct vol v;

    (void)state;
    make(&v, 8 << 20, 512, "bits=16,cluster=512");
    ops = *v.ram.bdev.ops;
    ops.prog = count_prog;
    v.ram.bdev.ops = &ops;
    fat_ok(fp_fs_open(&v.mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE), "open");
    fat_ok(fp_fs_write(&file, buf, sizeof buf), "write");
    programs = 0;
    fat_ok(fp_fs_write(&file, buf, sizeof buf), "write");
    /* 128 clusters in one run; the table goes on in another sector there, which
     * is programmed a few times in both copies. */
    assert_in_range(programs, 1, 9);
    fat_ok(fp_fs_close(&file), "close");
    drop(&v);
}

/* --- names that are searched for ------------------------------------------ */

#define DIRS  3
#define NAMES 40

/* What is there. */
struct model {
    bool dir[DIRS], file[DIRS][NAMES];
};

static const char *path_of(unsigned dir, unsigned name, bool is_upper)
{
    static const char *const dirs[DIRS] = { "", "/sub", "/other directory" };
    static const char *const forms[2][3] = {
        { "%s/file%u", "%s/A longer Name %u.text", "%s/Mix%u.Txt" },
        { "%s/FILE%u", "%s/A LONGER NAME %u.TEXT", "%s/MIX%u.TXT" },
    };
    static char path[2][80];
    static unsigned turn;

    snprintf(path[++turn % 2], sizeof path[0], forms[is_upper][name % 3],
             dirs[dir], name);
    if (name == NAMES)
        snprintf(path[turn % 2], sizeof path[0], "%s", dirs[dir]);
    return path[turn % 2];
}

static void expect_model(struct vol *v, const struct model *m, bool is_upper)
{
    struct fp_stat st;

    for (unsigned d = 0; d < DIRS; d++)
        for (unsigned n = 0; n < NAMES; n++)
            assert_int_equal(fp_fs_stat(&v->mnt, path_of(d, n, is_upper), &st),
                             m->dir[d] && m->file[d][n] ? FP_OK : FP_ERR_NOENT);
}

static bool is_empty(const struct model *m, unsigned dir)
{
    for (unsigned n = 0; n < NAMES; n++)
        if (m->file[dir][n])
            return false;
    return true;
}

static void change_names(struct vol *v, struct model *m, unsigned what,
                         unsigned dir, unsigned name, unsigned to)
{
    const char *path = path_of(dir, name, false);

    if (what == 0 && dir > 0 && m->dir[dir] && is_empty(m, dir)) {
        fat_ok(fp_fs_remove(&v->mnt, path_of(dir, NAMES, false)), "rmdir");
        m->dir[dir] = false;
    } else if (!m->dir[dir]) {
        fat_ok(fp_fs_mkdir(&v->mnt, path_of(dir, NAMES, false)), "mkdir");
        m->dir[dir] = true;
    } else if (what < 3 && m->file[dir][name]) {
        fat_ok(fp_fs_remove(&v->mnt, path), path);
        m->file[dir][name] = false;
    } else if (what < 5 && m->file[dir][name] && m->dir[to] && !(to == dir)) {
        fat_ok(fp_fs_rename(&v->mnt, path, path_of(to, name, false), 0), path);
        m->file[dir][name] = false;
        m->file[to][name] = true;
    } else {
        fat_ok(put(v, path, "x"), path);
        m->file[dir][name] = true;
    }
}

/* Whatever comes, goes, and moves, and in whatever directory was searched last:
 * a name is found if it is there, and not if it is not. */
static void names_are_found_after_any_change(void **state)
{
    struct model m = { .dir = { true } };
    uint32_t seed = 20261121;
    struct vol v;

    (void)state;
    make(&v, 1 << 20, 512, NULL);
    for (unsigned i = 0; i < 1500; i++) {
        seed = seed * 1664525u + 1013904223u;
        change_names(&v, &m, seed >> 29, (seed >> 8) % DIRS,
                     (seed >> 12) % NAMES, (seed >> 20) % DIRS);
        if (i % 4 == 0 || i < 100)
            expect_model(&v, &m, i % 8 == 0);
    }
    fat_unmount(&v.mnt);
    open_again(&v, NULL);
    expect_model(&v, &m, true);
    drop(&v);
}

/* The alias is a name too, and nobody has said it when the file was made. */
static void an_alias_is_found_after_it_was_not_there(void **state)
{
    struct fp_stat st;
    struct vol v;

    (void)state;
    make(&v, 1 << 20, 512, NULL);
    fat_ok(fp_fs_mkdir(&v.mnt, "/d"), "mkdir");
    assert_int_equal(fp_fs_stat(&v.mnt, "/d/ALONGE~1.TEX", &st), FP_ERR_NOENT);
    fat_ok(put(&v, "/d/A longer Name.text", "x"), "put");
    fat_ok(fp_fs_stat(&v.mnt, "/d/ALONGE~1.TEX", &st), "alias");
    fat_ok(fp_fs_stat(&v.mnt, "/d/a LONGER name.TEXT", &st), "long name");
    drop(&v);
}

#if !FP_FAT_SMALL
static int (*ram_read)(struct fp_bdev *, fp_addr, void *, uint32_t);
static unsigned reads;

static int count_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    reads++;
    return ram_read(dev, off, buf, size);
}

static unsigned reads_of_new_names(struct vol *v, int from, int count)
{
    char path[40];

    reads = 0;
    for (int i = from; i < from + count; i++) {
        sprintf(path, "/d/A long name %d.text", i);
        fat_ok(put(v, path, ""), path);
    }
    return reads;
}

/* After `count` names that all begin alike neither a new one nor room for it is
 * looked for in all of the directory. */
static void expect_cheap_names(const char *options, int count)
{
    struct fp_bdev_ops ops;
    unsigned first, last;
    struct vol v;

    make(&v, 1 << 20, 512, options);
    ops = *v.ram.bdev.ops;
    ram_read = ops.read;
    ops.read = count_read;
    v.ram.bdev.ops = &ops;
    fat_ok(fp_fs_mkdir(&v.mnt, "/d"), "mkdir");
    reads_of_new_names(&v, 1000, 10);
    first = reads_of_new_names(&v, 1010, 10);
    reads_of_new_names(&v, 1020, count - 20);
    last = reads_of_new_names(&v, 1000 + count, 10);
    assert_true(first > 0);
    assert_in_range(last, 0, 2 * first);
    drop(&v);
}

static void the_last_name_costs_what_the_first_did(void **state)
{
    (void)state;
    expect_cheap_names(NULL, 100);
    expect_cheap_names("names=8192", 1000);
}
#endif

static uint64_t free_blocks(struct vol *v)
{
    struct fp_statfs st;

    fat_ok(fp_fs_statfs(&v->mnt, &st), "statfs");
    return st.free / 512;
}

/* Sixteen slots are a cluster, and "." and ".." have two of them: the directory
 * is full with fourteen names, and stays as long when one goes and one comes. */
static void room_that_a_name_leaves_is_taken_again(void **state)
{
    char path[20];
    uint64_t before;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, "cluster=512");
    fat_ok(fp_fs_mkdir(&v.mnt, "/D"), "mkdir");
    for (int i = 0; i < 14; i++) {
        sprintf(path, "/D/F%d", i);
        fat_ok(put(&v, path, ""), path);
    }
    before = free_blocks(&v);
    fat_ok(fp_fs_remove(&v.mnt, "/D/F7"), "remove");
    fat_ok(put(&v, "/D/G", ""), "put");
    assert_int_equal(free_blocks(&v), before);
    fat_ok(put(&v, "/D/H", ""), "put");
    assert_int_equal(free_blocks(&v), before - 1);
    drop(&v);
}

/* Of two that write to a file the first to close has it; the other's clusters
 * are free again. */
static void who_writes_in_vain_hears_it_when_closing(void **state)
{
    struct fp_statfs before, after;
    struct fp_file first, second;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(put(&v, "/A", "old"), "put");
    fat_ok(fp_fs_statfs(&v.mnt, &before), "statfs");
    fat_ok(fp_fs_open(&v.mnt, &first, "/A", FP_O_WRITE), "open");
    fat_ok(fp_fs_open(&v.mnt, &second, "/A", FP_O_WRITE), "open");
    assert_int_equal(fp_fs_write(&second, "2", 1), 1);
    assert_int_equal(fp_fs_write(&first, "1", 1), 1);
    fat_ok(fp_fs_close(&first), "close");
    assert_int_equal(fp_fs_close(&second), FP_ERR_STALE);
    assert_true(has(&v, "/A", "1ld"));
    fat_ok(fp_fs_statfs(&v.mnt, &after), "statfs");
    assert_int_equal(after.free, before.free);
    drop(&v);
}

/* What is known of names may be that any is taken. */
static void aliases_differ_however_little_is_known(void **state)
{
    const uint8_t *raw;
    char path[40];
    struct vol v;

    (void)state;
    make(&v, 1 << 20, 512, "root=128,names=1");
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "/Same name %d", i);
        fat_ok(put(&v, path, "x"), path);
    }
    raw = root_of(&v);
    for (int i = 0; i < 80; i++)
        for (int k = 0; k < i; k++)
            if (raw[32 * i + 11] != 0x0f)
                assert_memory_not_equal(raw + 32 * i, raw + 32 * k, 11);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "/Same name %d", i);
        assert_true(has(&v, path, "x"));
    }
    drop(&v);
}

/* Its entry names cluster ffffffff, which is none. */
static void a_directory_at_no_cluster_is_damaged(void **state)
{
    struct fp_stat st;
    uint8_t *was;
    struct vol v;

    (void)state;
    make(&v, 1 << 18, 512, NULL);
    fat_ok(fp_fs_mkdir(&v.mnt, "/d"), "mkdir");
    fat_ok(fp_fs_mkdir(&v.mnt, "/e"), "mkdir");
    fat_unmount(&v.mnt);
    assert_memory_equal(root_of(&v), "D  ", 3);
    memset(root_of(&v) + 20, 0xff, 2);
    memset(root_of(&v) + 26, 0xff, 2);
    open_again(&v, NULL);
    assert_int_equal(fp_fs_stat(&v.mnt, "/d/x", &st), FP_ERR_CORRUPT);
    fat_ok(put(&v, "/e/x", "x"), "put");
    fat_ok(fp_fs_remove(&v.mnt, "/e/x"), "remove");
    fat_ok(fp_fs_sync(&v.mnt), "sync");
    was = malloc(v.size);
    assert_non_null(was);
    memcpy(was, v.mem, v.size);
    assert_int_equal(put(&v, "/d/x", "x"), FP_ERR_CORRUPT);
    assert_int_equal(fp_fs_mkdir(&v.mnt, "/d/x"), FP_ERR_CORRUPT);
    assert_memory_equal(was, v.mem, v.size);
    free(was);
    drop(&v);
}

static void put_bytes(struct vol *v, const char *path, const uint8_t *bytes,
                      uint32_t size)
{
    struct fp_file file;

    fat_ok(fp_fs_open(&v->mnt, &file, path, FP_O_WRITE | FP_O_CREATE), path);
    assert_int_equal(fp_fs_write(&file, bytes, size), size);
    fat_ok(fp_fs_close(&file), path);
}

/* A directory of two clusters goes. Its first becomes another one, its second a
 * file which looks as the directory did: what it names is not there. Clusters
 * are taken in order: 2 is the directory, 17 its second, behind 14 in it. */
static void a_directory_is_not_found_where_it_was(void **state)
{
    const uint32_t size = 512, second = 17;
    uint8_t look[512], *fill = calloc(1, 1 << 20);
    struct fp_statfs st;
    char path[20];
    struct vol v;

    (void)state;
    assert_non_null(fill);
    make(&v, 1 << 20, size, "cluster=512");
    fat_ok(fp_fs_mkdir(&v.mnt, "/p"), "mkdir");
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/p/d%02d", i);
        fat_ok(fp_fs_mkdir(&v.mnt, path), path);
    }
    assert_false(has(&v, "/p/d19/x", ""));
    fat_ok(fp_fs_sync(&v.mnt), "sync");
    for (uint32_t at = 0; at < v.size; at += size)
        if (memcmp(v.mem + at, "D14     ", 8) == 0)
            memcpy(look, v.mem + at, size);
    assert_memory_equal(look + 5 * 32, "D19     ", 8);

    fat_ok(fp_fs_statfs(&v.mnt, &st), "statfs");
    put_bytes(&v, "/rest", fill, (uint32_t)st.free);
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/p/d%02d", i);
        fat_ok(fp_fs_remove(&v.mnt, path), path);
    }
    fat_ok(fp_fs_remove(&v.mnt, "/p"), "rmdir");
    fat_ok(fp_fs_mkdir(&v.mnt, "/q"), "mkdir");
    put_bytes(&v, "/fill", fill, (second - 3) * size);
    put_bytes(&v, "/look", look, size);
    assert_int_equal(fp_fs_mkdir(&v.mnt, "/q/d19/y"), FP_ERR_NOENT);
    drop(&v);
    free(fill);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_fit_8_3_have_no_other),
        cmocka_unit_test(surrogates_go_both_ways),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(short_names_with_zeros_are_no_names),
        cmocka_unit_test(aliases_have_tails_of_their_own),
        cmocka_unit_test(names_that_others_cannot_have_are_refused),
        cmocka_unit_test(times_are_local),
        cmocka_unit_test(every_day_comes_back),
        cmocka_unit_test(media_that_cannot_be_written_so_are_refused),
        cmocka_unit_test(relatives_and_tables_are_no_fat),
        cmocka_unit_test(the_dirty_mark_comes_and_goes),
        cmocka_unit_test(a_wrong_count_of_free_clusters_does_no_harm),
        cmocka_unit_test(a_read_only_file_stays),
        cmocka_unit_test(who_reads_keeps_what_is_replaced),
        cmocka_unit_test(a_chain_ends_where_its_file_was_cut),
        cmocka_unit_test(a_cut_that_fails_frees_what_is_its_own),
        cmocka_unit_test(copies_lie_in_order),
        cmocka_unit_test(a_repair_frees_what_is_lost),
        cmocka_unit_test(a_repair_that_fails_frees_nothing_in_use),
        cmocka_unit_test(chains_that_loop_or_cross_are_told),
        cmocka_unit_test(handles_do_not_get_in_each_others_way),
        cmocka_unit_test(large_writes_are_programmed_in_runs),
        cmocka_unit_test(names_are_found_after_any_change),
        cmocka_unit_test(an_alias_is_found_after_it_was_not_there),
#if !FP_FAT_SMALL
        cmocka_unit_test(the_last_name_costs_what_the_first_did),
#endif
        cmocka_unit_test(room_that_a_name_leaves_is_taken_again),
        cmocka_unit_test(who_writes_in_vain_hears_it_when_closing),
        cmocka_unit_test(aliases_differ_however_little_is_known),
        cmocka_unit_test(a_directory_at_no_cluster_is_damaged),
        cmocka_unit_test(a_directory_is_not_found_where_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
