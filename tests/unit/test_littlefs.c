/* SPDX-License-Identifier: MIT
 *
 * What littlefs.h promises about open files, names, times and versions, each
 * shown by hand.
 */
#include "tests/unit/littlefs_support.h"

#include "core/bdev/fault.h"
#include "core/bdev/stats.h"
#include "core/bytes.h"
#include "core/fs/littlefs/lfs.h"

#define BLOCK  512
#define BLOCKS 128

static uint8_t mem[BLOCK * BLOCKS];
static struct fp_bdev_ram ram;
static struct fp_mount mnt;
static struct fp_fs_config config;

static void format(uint32_t version)
{
    size_t size;
    void *ws;

    memset(mem, 0xff, sizeof mem);
    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, mem);
    config = (struct fp_fs_config){ .version = version };
    size = fp_fs_littlefs.workspace(&ram.bdev, &config);
    ws = malloc(size);
    assert_int_equal(
        fp_fs_format(&fp_fs_littlefs, &ram.bdev, &config, ws, size), FP_OK);
    free(ws);
    config.version = 0;
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
}

static void finish(void)
{
    struct lfs_findings found = lfs_check(&mnt, "volume");

    assert_int_equal(found.errors + found.warnings + found.pending, 0);
    lfs_unmount(&mnt);
    lfs_check_image("volume", mem, BLOCK, BLOCKS, 16, "--settled --upgraded");
}

static void put(const char *path, const char *text)
{
    struct fp_file file;

    assert_int_equal(
        fp_fs_open(&mnt, &file, path, FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
        FP_OK);
    assert_int_equal(fp_fs_write(&file, text, (uint32_t)strlen(text)),
                     strlen(text));
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

static void assert_reads(struct fp_file *file, const char *text)
{
    char buf[100];

    assert_int_equal(fp_fs_seek(file, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_read(file, buf, sizeof buf), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void assert_holds(const char *path, const char *text)
{
    struct fp_file file;

    assert_int_equal(fp_fs_open(&mnt, &file, path, FP_O_READ), FP_OK);
    assert_reads(&file, text);
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

static void a_reader_keeps_what_it_opened(void **state)
{
    struct fp_file reader;

    (void)state;
    format(0);
    put("/f", "old");
    assert_int_equal(fp_fs_open(&mnt, &reader, "/f", FP_O_READ), FP_OK);
    put("/f", "newer");
    assert_reads(&reader, "old");
    assert_holds("/f", "newer");
    assert_int_equal(fp_fs_close(&reader), FP_OK);
    finish();
}

static void of_two_writers_the_last_to_sync_wins(void **state)
{
    struct fp_file a, b;

    (void)state;
    format(0);
    put("/f", "old");
    assert_int_equal(fp_fs_open(&mnt, &a, "/f", FP_O_READ | FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &b, "/f", FP_O_READ | FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_write(&a, "A", 1), 1);
    assert_int_equal(fp_fs_write(&b, "BB", 2), 2);
    assert_int_equal(fp_fs_fsync(&b), FP_OK);
    assert_holds("/f", "BBd");
    assert_int_equal(fp_fs_close(&a), FP_OK);
    assert_holds("/f", "Ald");
    assert_int_equal(fp_fs_close(&b), FP_OK);
    assert_holds("/f", "Ald");
    finish();
}

/* The blocks of a removed file stay its until it is closed, however much is
 * written meanwhile. */
static void a_removed_file_stays_until_closed(void **state)
{
    static char text[3 * BLOCK], more[BLOCK];
    char got[sizeof text];
    struct fp_file file;

    (void)state;
    format(0);
    memset(text, 't', sizeof text - 1);
    memset(more, 'm', sizeof more - 1);
    put("/f", text);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_READ | FP_O_WRITE),
                     FP_OK);
    assert_int_equal(fp_fs_remove(&mnt, "/f"), FP_OK);
    for (int i = 0; i < 2 * BLOCKS; i++)
        put("/g", more);
    assert_int_equal(fp_fs_read(&file, got, sizeof got), sizeof text - 1);
    assert_memory_equal(got, text, sizeof text - 1);
    assert_int_equal(fp_fs_write(&file, "x", 1), 1);
    assert_int_equal(fp_fs_fsync(&file), FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    finish();
}

static void a_renamed_file_stays_open_under_its_new_name(void **state)
{
    struct fp_file file;

    (void)state;
    format(0);
    put("/f", "one");
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_write(&file, "two", 3), 3);
    assert_int_equal(fp_fs_rename(&mnt, "/f", "/d/g", 0), FP_OK);
    assert_int_equal(fp_fs_rename(&mnt, "/d/g", "/d/h", 0), FP_OK);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_holds("/d/h", "two");
    finish();
}

/* With every other erase moving metadata, the links that a relocation writes
 * sometimes take the source of the rename along. */
static void a_renamed_file_stays_open_while_directories_move(void **state)
{
    struct fp_file file;

    (void)state;
    format(0);
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
    put("/f", "old");
    lfs_unmount(&mnt);
    config.block_cycles = 1;
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_READ | FP_O_WRITE),
                     FP_OK);
    for (int i = 0; i < 200; i++) {
        bool out = i % 2 == 0;

        assert_int_equal(
            fp_fs_rename(&mnt, out ? "/f" : "/d/f", out ? "/d/f" : "/f", 0),
            FP_OK);
        assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        assert_int_equal(fp_fs_write(&file, out ? "out" : "in ", 3), 3);
        assert_int_equal(fp_fs_fsync(&file), FP_OK);
        assert_holds(out ? "/d/f" : "/f", out ? "out" : "in ");
    }
    assert_int_equal(fp_fs_close(&file), FP_OK);
    finish();
}

static void as_many_files_are_open_as_were_asked_for(void **state)
{
    struct fp_file files[4], more;
    struct fp_dir dir;
    char path[16];

    (void)state;
    format(0);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        assert_int_equal(fp_fs_open(&mnt, &files[i], path,
                                    FP_O_READ | FP_O_WRITE | FP_O_CREATE),
                         FP_OK);
        assert_int_equal(fp_fs_write(&files[i], path, 3), 3);
    }
    assert_int_equal(fp_fs_open(&mnt, &more, "/f0", FP_O_WRITE | FP_O_CREATE),
                     FP_ERR_NFILE);
    assert_int_equal(fp_fs_opendir(&mnt, &dir, "/"), FP_OK);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        assert_reads(&files[i], path);
        assert_int_equal(fp_fs_close(&files[i]), FP_OK);
        assert_holds(path, path);
    }
    finish();
}

/* Entries come, go and come again until the directory has split and shrunk,
 * its pairs and the root's have moved, and the superblock has expanded. */
static void churn(const char *dir, int rounds)
{
    char path[40];

    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < 60; i++) {
            snprintf(path, sizeof path, "%s/%02d-between", dir, i);
            if (r % 2 == 0)
                put(path, "0123456789");
            else
                assert_int_equal(fp_fs_remove(&mnt, path), FP_OK);
        }
}

static void open_files_survive_what_happens_to(const char *dir)
{
    static char body[3 * BLOCK];
    struct fp_file reader, writer, again, made;
    char small[40], large[40], new[40], got[sizeof body];

    snprintf(small, sizeof small, "%s/20-small", dir);
    snprintf(large, sizeof large, "%s/40-large", dir);
    snprintf(new, sizeof new, "%s/59-new", dir);
    memset(body, 'b', sizeof body - 1);
    put(small, "small");
    put(large, body);
    assert_int_equal(fp_fs_open(&mnt, &reader, large, FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &writer, small, FP_O_READ | FP_O_WRITE),
                     FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &again, small, FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &made, new, FP_O_WRITE | FP_O_CREATE),
                     FP_OK);
    assert_int_equal(fp_fs_write(&made, "new", 3), 3);
    churn(dir, 3);
    assert_int_equal(fp_fs_write(&writer, "SMALL", 5), 5);
    assert_int_equal(fp_fs_fsync(&writer), FP_OK);
    churn(dir, 1);
    assert_holds(small, "SMALL");
    assert_reads(&again, "small");
    assert_int_equal(fp_fs_read(&reader, got, sizeof got), sizeof body - 1);
    assert_memory_equal(got, body, sizeof body - 1);
    assert_int_equal(fp_fs_write(&writer, "!", 1), 1);
    assert_int_equal(fp_fs_close(&writer), FP_OK);
    assert_int_equal(fp_fs_close(&made), FP_OK);
    assert_int_equal(fp_fs_close(&again), FP_OK);
    assert_int_equal(fp_fs_close(&reader), FP_OK);
    assert_holds(small, "SMALL!");
    assert_holds(new, "new");
}

static void mount_with_five_files(int32_t cycles)
{
    lfs_unmount(&mnt);
    config = (struct fp_fs_config){ .block_cycles = cycles, .max_files = 5 };
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
}

static void open_files_survive_splits_and_relocation(void **state)
{
    static const int32_t cycles[] = { -1, 1, 3 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        format(0);
        assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
        mount_with_five_files(cycles[i]);
        open_files_survive_what_happens_to("/d");
        open_files_survive_what_happens_to("");
        finish();
    }
}

/* Each block that metadata lies in while the files are open goes bad: the pair
 * moves, the handles with it. */
static void open_files_survive_blocks_going_bad(void **state)
{
    static uint8_t scratch[BLOCK];
    struct fp_fault_block bad = { 0, FP_FAULT_PROG_FAILS };
    struct fp_bdev_fault fault;
    struct fp_file file, gone;
    char text[16] = "";

    (void)state;
    format(0);
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
    put("/d/f", "old");
    put("/d/gone", "gone");
    lfs_unmount(&mnt);
    for (bad.block = 2; bad.block < BLOCKS; bad.block++) {
        fp_bdev_fault_init(&fault, &ram.bdev, scratch, bad.block);
        fp_bdev_fault_bad(&fault, &bad, 1);
        assert_int_equal(lfs_mount(&mnt, &fault.bdev, NULL), FP_OK);
        put("/d/gone", "gone");
        assert_int_equal(
            fp_fs_open(&mnt, &file, "/d/f", FP_O_READ | FP_O_WRITE), FP_OK);
        assert_int_equal(fp_fs_open(&mnt, &gone, "/d/gone", FP_O_READ), FP_OK);
        assert_int_equal(fp_fs_remove(&mnt, "/d/gone"), FP_OK);
        for (int i = 0; i < 12; i++) {
            snprintf(text, sizeof text, "%03u-%02d", (unsigned)bad.block, i);
            assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
            assert_int_equal(fp_fs_write(&file, text, 6), 6);
            assert_int_equal(fp_fs_fsync(&file), FP_OK);
            assert_holds("/d/f", text);
        }
        assert_reads(&gone, "gone");
        assert_int_equal(fp_fs_close(&gone), FP_OK);
        assert_int_equal(fp_fs_close(&file), FP_OK);
        lfs_unmount(&mnt);
    }
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, NULL), FP_OK);
    assert_holds("/d/f", text);
    finish();
}

/* Every block but the superblock's that is not blank: whoever writes moves. */
static uint32_t make_bad(struct fp_fault_block bad[BLOCKS])
{
    uint32_t count = 0;

    for (uint32_t block = 2; block < BLOCKS; block++)
        for (uint32_t i = 0; i < BLOCK; i++)
            if (mem[block * BLOCK + i] != 0xff) {
                bad[count].block = block;
                bad[count++].bad = FP_FAULT_PROG_FAILS | FP_FAULT_ERASE_FAILS;
                break;
            }
    return count;
}

/* What a cut left of a directory that was replaced is told by a flag, which the
 * repair of a move must not take back when a pair moves for it. */
static void a_repair_that_moves_a_pair_forgets_no_orphan(void **state)
{
    static uint8_t scratch[BLOCK], before[BLOCK * BLOCKS];
    static struct fp_fault_block bad[BLOCKS];
    struct fp_bdev_fault fault;
    uint32_t nth = 0;

    (void)state;
    format(0);
    for (const char *const *dir =
             (const char *const[]){ "/p", "/p/x", "/q", "/q/y", NULL };
         *dir; dir++)
        assert_int_equal(fp_fs_mkdir(&mnt, *dir), FP_OK);
    lfs_unmount(&mnt);
    memcpy(before, mem, sizeof before);
    do {
        memcpy(mem, before, sizeof before);
        fp_bdev_fault_init(&fault, &ram.bdev, scratch, 1);
        assert_int_equal(lfs_mount(&mnt, &fault.bdev, NULL), FP_OK);
        fp_bdev_fault_cut(&fault, ++nth, FP_FAULT_TEAR_ALL);
        (void)fp_fs_rename(&mnt, "/p/x", "/q/y", 0);
        free(mnt.ws);
        fp_bdev_fault_init(&fault, &ram.bdev, scratch, 1);
        fp_bdev_fault_bad(&fault, bad, make_bad(bad));
        assert_int_equal(lfs_mount(&mnt, &fault.bdev, NULL), FP_OK);
        put("/new", "new");
        lfs_unmount(&mnt);
        assert_int_equal(lfs_mount(&mnt, &ram.bdev, NULL), FP_OK);
        finish();
    } while (nth < 4);
}

static void a_replaced_file_stays_until_closed(void **state)
{
    struct fp_file file;

    (void)state;
    format(0);
    put("/f", "old");
    put("/g", "new");
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_READ | FP_O_WRITE),
                     FP_OK);
    assert_int_equal(fp_fs_rename(&mnt, "/g", "/f", 0), FP_OK);
    assert_reads(&file, "old");
    assert_int_equal(fp_fs_write(&file, "er", 2), 2);
    assert_reads(&file, "older");
    assert_int_equal(fp_fs_fsync(&file), FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_holds("/f", "new");
    finish();
}

static void a_new_file_ends_with_its_directory(void **state)
{
    struct fp_file removed, replaced, moved;
    struct fp_dirent entry;
    struct fp_dir dir;
    struct fp_stat st;
    uint32_t flags = FP_O_WRITE | FP_O_CREATE;

    (void)state;
    format(0);
    assert_int_equal(fp_fs_mkdir(&mnt, "/a"), FP_OK);
    assert_int_equal(fp_fs_mkdir(&mnt, "/b"), FP_OK);
    assert_int_equal(fp_fs_mkdir(&mnt, "/c"), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &removed, "/a/f", flags), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &replaced, "/b/f", flags), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &moved, "/c/f", flags), FP_OK);
    assert_int_equal(fp_fs_opendir(&mnt, &dir, "/a"), FP_OK);
    assert_int_equal(fp_fs_write(&moved, "moved", 5), 5);
    assert_int_equal(fp_fs_remove(&mnt, "/a"), FP_OK);
    assert_int_equal(fp_fs_rename(&mnt, "/c", "/b", 0), FP_OK);
    put("/f", "in the way of no one");

    assert_int_equal(fp_fs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    assert_int_equal(fp_fs_fsync(&removed), FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&removed), FP_OK);
    assert_int_equal(fp_fs_fsync(&replaced), FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&replaced), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/b/f", &st), FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&moved), FP_OK);
    assert_holds("/b/f", "moved");
    finish();
}

/* 60 bytes inline, as a driver with a large cache writes them, read by one
 * with a small cache. */
static void inline_content_beyond_the_cache_goes_stale(void **state)
{
    char text[61], got[61];
    struct fp_file removed, changed;

    (void)state;
    format(0);
    memset(text, 't', 60);
    text[60] = 0;
    put("/removed", text);
    put("/changed", text);
    lfs_unmount(&mnt);
    config = (struct fp_fs_config){ .cache_size = 16 };
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &removed, "/removed", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &changed, "/changed", FP_O_READ), FP_OK);
    assert_reads(&removed, text);
    assert_reads(&changed, text);
    assert_int_equal(fp_fs_remove(&mnt, "/removed"), FP_OK);
    put("/changed", "something else");
    assert_int_equal(fp_fs_seek(&removed, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_read(&removed, got, 60), FP_ERR_STALE);
    assert_int_equal(fp_fs_seek(&changed, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_read(&changed, got, 60), FP_ERR_STALE);
    assert_int_equal(fp_fs_close(&removed), FP_OK);
    assert_int_equal(fp_fs_close(&changed), FP_OK);
    assert_holds("/changed", "something else");
    finish();
}

static void a_new_file_appears_with_its_first_sync(void **state)
{
    struct fp_file a, b;
    struct fp_stat st;
    uint32_t flags = FP_O_WRITE | FP_O_CREATE | FP_O_EXCL;

    (void)state;
    format(0);
    assert_int_equal(fp_fs_open(&mnt, &a, "/f", flags), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/f", &st), FP_ERR_NOENT);
    assert_int_equal(fp_fs_open(&mnt, &b, "/f", flags), FP_ERR_EXIST);
    assert_int_equal(fp_fs_fsync(&a), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/f", &st), FP_OK);
    assert_int_equal(fp_fs_close(&a), FP_OK);
    finish();
}

static void a_staged_file_is_unseen_until_committed(void **state)
{
    uint32_t flags =
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE;
    struct fp_commit_meta meta = { true, 42 };
    struct fp_file file;
    struct fp_stat st;

    (void)state;
    format(0);
    put("/f", "old");
    assert_int_equal(fp_fs_setattr(&mnt, "/f", 9, "kept", 4), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", flags), FP_OK);
    assert_int_equal(fp_fs_write(&file, "staged", 6), 6);
    assert_int_equal(fp_fs_fsync(&file), FP_OK);
    assert_reads(&file, "staged");
    assert_holds("/f", "old");
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_holds("/f", "old");

    assert_int_equal(fp_fs_open(&mnt, &file, "/f", flags), FP_OK);
    assert_int_equal(fp_fs_write(&file, "staged", 6), 6);
    assert_int_equal(fp_fs_commit(&file, &meta), FP_OK);
    assert_holds("/f", "staged");
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/f", &st), FP_OK);
    assert_true(st.has_mtime);
    assert_int_equal(st.mtime_ns, 42);
    assert_int_equal(fp_fs_getattr(&mnt, "/f", 9, NULL, 0), 4);
    finish();
}

/* What a caller that overlooks the failed write would put in the old file's
 * place is not what it staged. */
static void a_staged_file_that_lost_a_write_is_not_committed(void **state)
{
    uint32_t flags =
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE;
    static char text[BLOCK];
    struct fp_file file;
    int32_t n = 0;

    (void)state;
    format(0);
    put("/f", "old");
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", flags), FP_OK);
    for (int i = 0; i < 2 * BLOCKS && n >= 0; i++)
        n = fp_fs_write(&file, text, sizeof text);
    assert_int_equal(n, FP_ERR_NOSPC);
    assert_int_equal(fp_fs_fsync(&file), FP_ERR_STALE);
    assert_int_equal(fp_fs_write(&file, "x", 1), FP_ERR_STALE);
    assert_int_equal(fp_fs_truncate(&file, 3), FP_ERR_STALE);
    assert_int_equal(fp_fs_commit(&file, NULL), FP_ERR_STALE);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_holds("/f", "old");
    finish();
}

/* Each entry that stays is listed exactly once, though the directory splits
 * and shrinks in the middle. */
static void a_listing_survives_changes(void **state)
{
    bool seen[60] = { false };
    struct fp_dirent entry;
    struct fp_dir dir;
    char path[32];
    int got, listed = 0;

    (void)state;
    format(0);
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
    for (int i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "/d/keep%02d", i);
        put(path, "0123456789");
    }
    assert_int_equal(fp_fs_opendir(&mnt, &dir, "/d"), FP_OK);
    while ((got = fp_fs_readdir(&dir, &entry)) > 0) {
        int i = atoi(entry.name + 4);

        if (!strncmp(entry.name, "keep", 4)) {
            assert_false(seen[i]);
            seen[i] = true;
        }
        if (++listed > 60)
            continue;
        snprintf(path, sizeof path, "/d/add%02d", listed);
        put(path, "0123456789");
        if (listed % 2) {
            snprintf(path, sizeof path, "/d/add%02d", listed / 2 + 1);
            assert_int_equal(fp_fs_remove(&mnt, path), FP_OK);
        }
    }
    assert_int_equal(got, 0);
    for (int i = 0; i < 30; i++)
        assert_true(seen[i]);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    finish();
}

static void times_keep_the_form_a_file_has(void **state)
{
    uint8_t raw[8];
    struct fp_stat st;

    (void)state;
    format(0);
    put("/py", "x");
    put("/esp", "x");
    put("/other", "x");
    assert_int_equal(fp_fs_setattr(&mnt, "/esp", 't', "\1\0\0\0", 4), FP_OK);
    assert_int_equal(fp_fs_setattr(&mnt, "/other", 1, "mine", 4), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/esp", &st), FP_OK);
    assert_int_equal(st.mtime_ns, 1000000000);
    assert_int_equal(fp_fs_settime(&mnt, "/py", 5000000001), FP_OK);
    assert_int_equal(fp_fs_settime(&mnt, "/esp", 5000000001), FP_OK);
    assert_int_equal(fp_fs_settime(&mnt, "/other", 5), FP_ERR_NOTSUP);

    assert_int_equal(fp_fs_getattr(&mnt, "/py", 1, raw, 8), 8);
    assert_int_equal(fp_get_le64(raw), 5000000001);
    assert_int_equal(fp_fs_getattr(&mnt, "/esp", 't', raw, 8), 4);
    assert_int_equal(fp_get_le32(raw), 5);
    assert_int_equal(fp_fs_getattr(&mnt, "/esp", 1, raw, 8), FP_ERR_NODATA);
    finish();
}

static void version_2_0_stays_unless_upgraded(void **state)
{
    struct fp_statfs st;

    (void)state;
    format(0x20000);
    put("/f", "x");
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_string_equal(st.version, "2.0");
    lfs_unmount(&mnt);
    lfs_check_image("2.0", mem, BLOCK, BLOCKS, 16, "--settled");

    config = (struct fp_fs_config){ .options = "upgrade=1" };
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
    put("/g", "y");
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_string_equal(st.version, "2.1");
    assert_holds("/f", "x");
    finish();
}

/* --- another size --- */

static void mount_as(uint32_t count, const char *options, int want)
{
    config = (struct fp_fs_config){ .block_count = count, .options = options };
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), want);
}

static void format_part(uint32_t count)
{
    uint8_t ws[8192];

    memset(mem, 0xff, sizeof mem);
    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, mem);
    config = (struct fp_fs_config){ .block_count = count };
    assert_int_equal(
        fp_fs_format(&fp_fs_littlefs, &ram.bdev, &config, ws, sizeof ws),
        FP_OK);
}

static void put_large(const char *path, uint32_t blocks)
{
    static char text[BLOCK];
    struct fp_file file;

    assert_int_equal(
        fp_fs_open(&mnt, &file, path, FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
        FP_OK);
    for (uint32_t i = 0; i < blocks; i++)
        assert_int_equal(fp_fs_write(&file, text, BLOCK - 8), BLOCK - 8);
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

static void assert_count(uint32_t count)
{
    struct fp_statfs st;

    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_int_equal(st.block_count, count);
}

static void a_volume_grows_to_the_device(void **state)
{
    (void)state;
    format_part(40);
    mount_as(0, NULL, FP_OK);
    put("/f", "kept");
    assert_count(40);
    lfs_unmount(&mnt);
    mount_as(BLOCKS + 1, "resize=1", FP_ERR_INVAL);
    mount_as(BLOCKS, NULL, FP_ERR_INVAL);

    mount_as(100, "resize=1", FP_OK);
    assert_count(40); /* nothing has been written */
    put_large("/large", 80);
    assert_count(100);
    lfs_unmount(&mnt);
    mount_as(0, "mdirs=2,resize=1", FP_OK);
    put_large("/more", 20);
    assert_count(BLOCKS);
    assert_holds("/f", "kept");
    finish();
}

static void a_volume_shrinks_when_nothing_lies_behind(void **state)
{
    static uint8_t before[sizeof mem];
    struct fp_step repair = { .kind = FP_STEP_REPAIR };
    struct fp_file file;

    (void)state;
    format(0);
    put("/f", "kept");
    put_large("/large", 100);
    lfs_unmount(&mnt);
    memcpy(before, mem, sizeof mem);
    mount_as(60, "resize=1", FP_OK);
    assert_int_equal(fp_fs_step(&mnt, &repair), FP_ERR_NOSPC);
    assert_int_equal(fp_fs_remove(&mnt, "/large"), FP_ERR_NOSPC);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_WRITE), FP_ERR_NOSPC);
    assert_count(BLOCKS);
    lfs_unmount(&mnt);
    assert_memory_equal(mem, before, sizeof mem);

    mount_as(0, NULL, FP_OK);
    assert_int_equal(fp_fs_remove(&mnt, "/large"), FP_OK);
    lfs_unmount(&mnt);
    mount_as(60, "resize=1", FP_OK);
    put_large("/large", 50); /* no block behind the end, says the checker */
    assert_count(60);
    assert_holds("/f", "kept");
    finish();
}

static void compact(void)
{
    struct fp_step step = { .kind = FP_STEP_COMPACT };

    while (!step.done)
        assert_int_equal(fp_fs_step(&mnt, &step), FP_OK);
}

/* A write waits for an erase when its metadata is full, unless that has been
 * seen to before. */
static void compacting_in_advance_spares_later_writes_the_erase(void **state)
{
    struct fp_bdev_stats stats;
    uint64_t waited = 0;

    (void)state;
    for (int in_advance = 0; in_advance < 2; in_advance++) {
        const struct fp_bdev_count *erase = &stats.count[FP_BDEV_ERASE];

        format(0);
        assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
        lfs_unmount(&mnt);
        fp_bdev_stats_init(&stats, &ram.bdev, NULL);
        assert_int_equal(lfs_mount(&mnt, &stats.bdev, &config), FP_OK);
        waited = 0;
        for (int i = 0; i < 100; i++) {
            uint64_t erases = erase->calls;

            put(i % 2 ? "/f" : "/d/f", "a value");
            waited += erase->calls - erases;
            if (!in_advance)
                continue;
            compact();
            erases = erase->calls;
            compact(); /* finds nothing to do */
            assert_int_equal(erase->calls, erases);
        }
        assert_holds("/f", "a value");
        assert_holds("/d/f", "a value");
        finish();
        if (!in_advance)
            assert_true(waited > 5);
    }
    assert_int_equal(waited, 0);
}

/* Half of the volume never changes, in one piece. However often the device
 * restarts, the other half wears alike: no block is erased four times as often
 * as they are on average, nor a quarter as often, but for the superblock's,
 * which are left alone once they have been worn for a while. */
static void wear_spreads_over_what_is_free(void **state)
{
    static uint32_t erases[BLOCKS];
    const struct fp_bdev_stats_config cfg = { .erases = erases };
    struct fp_bdev_stats stats;
    struct fp_bdev_wear wear;
    uint32_t mean;

    (void)state;
    format(0);
    put_large("/large", BLOCKS / 2);
    lfs_unmount(&mnt);
    fp_bdev_stats_init(&stats, &ram.bdev, &cfg);
    config.block_cycles = 20;
    for (int i = 0; i < 3000; i++) {
        config.seed = config.seed * 1664525 + 1013904223;
        assert_int_equal(lfs_mount(&mnt, &stats.bdev, &config), FP_OK);
        put_large("/log", 2);
        lfs_unmount(&mnt);
    }
    config.block_cycles = 0;
    assert_true(erases[0] && erases[1]);
    erases[0] = erases[1] = 0;
    wear = fp_bdev_stats_wear(&stats);
    mean = (uint32_t)(wear.total / (BLOCKS - wear.never));
    assert_in_range(wear.never, BLOCKS / 2, BLOCKS / 2 + 2);
    assert_in_range(wear.least, mean / 4, mean);
    assert_in_range(wear.most, mean, 4 * mean);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
    finish();
}

/* What the reference leaves when it lets a volume grow whose superblock had
 * expanded before: it rewrites the root's record alone. The root may since have
 * moved to where the first record says that nothing is. */
static void the_last_superblock_says_how_many_blocks(void **state)
{
    uint8_t record[24];
    static const uint32_t anchor[2] = { 0, 1 };
    struct fp_lfs *fs;

    (void)state;
    format(0);
    config.block_cycles = 1;
    lfs_unmount(&mnt);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
    fs = fp_lfs_of(&mnt);
    for (int i = 0; fs->root[0] < 40; i++) {
        assert_true(i < 10000);
        put("/f", i % 2 ? "kept" : "keep");
    }
    fp_put_le32(record, 0x20001);
    fp_put_le32(record + 4, BLOCK);
    fp_put_le32(record + 8, 40);
    fp_put_le32(record + 12, 255);
    fp_put_le32(record + 16, 0x7fffffff);
    fp_put_le32(record + 20, 1022);
    put("/f", "kept");
    (void)fp_lfs_op(fs, FP_LFS_STRUCT_INLINE, 0, record, sizeof record);
    assert_int_equal(fp_lfs_commit(fs, anchor), FP_OK);
    lfs_unmount(&mnt);

    mount_as(0, NULL, FP_OK);
    assert_count(BLOCKS);
    assert_int_equal(lfs_check(&mnt, NULL).pending, 1);
    assert_holds("/f", "kept");
    lfs_unmount(&mnt);
    mount_as(BLOCKS, NULL, FP_OK);
    put("/g", "this writes the first record too");
    finish();
}

/* As a dump of the first part of a chip is, or a volume copied to a smaller
 * one. */
static void a_volume_larger_than_the_device_is_read_only(void **state)
{
    struct fp_file file;
    struct fp_stat st;

    (void)state;
    format(0);
    put("/f", "kept");
    put_large("/large", 100);
    lfs_unmount(&mnt);
    fp_bdev_ram_init(&ram, 16, BLOCK, 60, mem);
    mount_as(0, NULL, FP_OK);
    assert_holds("/f", "kept");
    assert_int_equal(fp_fs_stat(&mnt, "/large", &st), FP_OK);
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_ERR_ROFS);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_WRITE), FP_ERR_ROFS);
    assert_true(lfs_check(&mnt, NULL).errors > 0);
    lfs_unmount(&mnt);
    mount_as(0, "resize=1", FP_OK);
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_ERR_CORRUPT);
    lfs_unmount(&mnt);

    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, mem);
    mount_as(0, NULL, FP_OK);
    assert_int_equal(fp_fs_remove(&mnt, "/large"), FP_OK);
    lfs_unmount(&mnt);
    fp_bdev_ram_init(&ram, 16, BLOCK, 60, mem);
    mount_as(0, "resize=1", FP_OK);
    put("/g", "new");
    assert_count(60);
    assert_holds("/f", "kept");
    lfs_unmount(&mnt);
    lfs_check_image("cut off", mem, BLOCK, 60, 16, "--settled");
    mount_as(60, NULL, FP_OK);
    lfs_unmount(&mnt);
}

static int resize(struct fp_bdev *dev, uint32_t count)
{
    struct fp_step repair = { .kind = FP_STEP_REPAIR };
    int err;

    config =
        (struct fp_fs_config){ .block_count = count, .options = "resize=1" };
    assert_int_equal(lfs_mount(&mnt, dev, &config), FP_OK);
    err = fp_fs_step(&mnt, &repair);
    lfs_unmount(&mnt);
    return err;
}

/* A volume of the reference with a chain of superblocks. */
static void is_old_or_new(const struct lfs_image *image, uint32_t from,
                          uint32_t to, bool done)
{
    json_t *files = json_object_get(image->manifest, "files"), *tree;
    struct lfs_findings found;
    struct fp_statfs st;

    mount_as(0, NULL, FP_OK);
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_true(st.block_count == from || st.block_count == to);
    assert_true(!done || st.block_count == to);
    found = lfs_check(&mnt, NULL);
    assert_int_equal(found.errors + found.warnings, 0);
    tree = lfs_tree(&mnt);
    lfs_assert_same("after a cut", tree, files);
    json_decref(tree);
    lfs_unmount(&mnt);
    mount_as((uint32_t)st.block_count, NULL, FP_OK);
    put("/fp-new", "new");
    assert_count((uint32_t)st.block_count);
    finish();
}

/* The nth program or erase of a resize is cut, after `already` others that
 * have filled the logs, so that some erase. False: there is no nth. */
static bool cut_resize(const struct lfs_image *image, uint32_t already,
                       uint32_t nth, uint32_t *erases)
{
    static const uint32_t counts[] = { 100, 64 };
    static uint8_t scratch[BLOCK];
    uint32_t from = counts[already % 2], to = counts[1 - already % 2];
    struct fp_bdev_fault fault;
    bool cut;
    int err;

    memcpy(mem, image->mem, image->size);
    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, mem);
    for (uint32_t i = 0; i <= already; i++)
        assert_int_equal(resize(&ram.bdev, counts[i % 2]), FP_OK);
    fp_bdev_fault_init(&fault, &ram.bdev, scratch, nth);
    fp_bdev_fault_cut(&fault, nth, (enum fp_fault_tear)(already / 2 % 4));
    err = resize(&fault.bdev, to);
    cut = fp_bdev_fault_is_off(&fault);
    assert_int_equal(err, cut ? FP_ERR_IO : FP_OK);
    *erases += cut ? 0 : fault.calls[FP_BDEV_ERASE];
    is_old_or_new(image, from, to, !cut);
    return cut;
}

static void a_cut_leaves_the_old_size_or_the_new(void **state)
{
    uint32_t cuts = 0, erases = 0;
    struct lfs_image image;

    (void)state;
    lfs_image_load(&image, "wear_b512_c2");
    for (uint32_t already = 0; already < 16; already++)
        for (uint32_t nth = 1; cut_resize(&image, already, nth, &erases); nth++)
            cuts++;
    print_message("%u cuts, %u erases\n", cuts, erases);
    assert_true(cuts > 30 && erases > 0);
    lfs_image_free(&image);
}

static void there_is_room_or_there_is_not(void **state)
{
    struct fp_file file;

    (void)state;
    format(0);
    assert_int_equal(fp_fs_open(&mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE),
                     FP_OK);
    assert_int_equal(fp_fs_reserve(&file, 120 * 500), FP_OK);
    assert_int_equal(fp_fs_reserve(&file, BLOCK * BLOCKS), FP_ERR_NOSPC);
    assert_int_equal(fp_fs_reserve(&file, 1ull << 31), FP_ERR_FBIG);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    finish();
}

static void what_cannot_be_mounted_is_refused(void **state)
{
    struct fp_fs_config cfg = { .block_size = 256 };
    uint8_t ws[64];

    (void)state;
    format(0);
    lfs_unmount(&mnt);
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_littlefs, &ram.bdev, NULL, ws, sizeof ws),
        FP_ERR_NOMEM);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_ERR_INVAL);
    cfg.block_size = 100;
    assert_int_not_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    memset(mem, 0xff, sizeof mem);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, NULL), FP_ERR_CORRUPT);
}

/* The nth program, erase or read fails, once, for n = 1, 2, 3 ... until the
 * operation is through: it then says so, or it copes; the volume stays sound,
 * and a mount afterwards finds the old or the new. */
static void copes_with(enum fp_bdev_op op)
{
    static uint8_t scratch[BLOCK], before[sizeof mem];
    struct fp_bdev_fault fault;
    uint32_t nth, failed = 0;

    format(0);
    put("/f", "old");
    assert_int_equal(fp_fs_mkdir(&mnt, "/d"), FP_OK);
    lfs_unmount(&mnt);
    memcpy(before, mem, sizeof mem);
    for (nth = 1; nth < 200; nth++) {
        struct lfs_findings found;
        struct fp_stat st;
        int err;

        memcpy(mem, before, sizeof mem);
        fp_bdev_fault_init(&fault, &ram.bdev, scratch, 1);
        assert_int_equal(lfs_mount(&mnt, &fault.bdev, NULL), FP_OK);
        fp_bdev_fault_fail(&fault, op, nth);
        err = fp_fs_rename(&mnt, "/f", "/d/g", 0);
        fp_bdev_fault_fail(&fault, op, 0);
        failed += err != FP_OK;
        lfs_unmount(&mnt);
        assert_int_equal(lfs_mount(&mnt, &ram.bdev, NULL), FP_OK);
        if (fp_fs_stat(&mnt, "/f", &st) == FP_OK) {
            assert_int_not_equal(err, FP_OK);
            assert_holds("/f", "old");
        } else {
            assert_holds("/d/g", "old");
        }
        found = lfs_check(&mnt, "after a failed call");
        assert_int_equal(found.errors, 0);
        lfs_unmount(&mnt);
        if (!err && nth > 60)
            break;
    }
    print_message("%u of %u failures were passed on\n", failed, nth);
}

static void a_failing_call_is_passed_on_or_coped_with(void **state)
{
    (void)state;
    copes_with(FP_BDEV_PROG);
    copes_with(FP_BDEV_ERASE);
    copes_with(FP_BDEV_READ);
}

/* Of twelve-byte entries a pair of 512 bytes holds more than 20. */
static void a_small_index_makes_small_pairs(void **state)
{
    char path[16];

    (void)state;
    for (int small = 1; small >= 0; small--) {
        format(0);
        lfs_unmount(&mnt);
        config.options = small ? "entries=10" : NULL;
        assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
        for (int i = 0; i < 60; i++) {
            snprintf(path, sizeof path, "/%02d", i * 7 % 60);
            put(path, "");
        }
        lfs_unmount(&mnt);
        config.options = "entries=10";
        if (!small) {
            assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_ERR_NOMEM);
            config.options = NULL;
        }
        assert_int_equal(lfs_mount(&mnt, &ram.bdev, &config), FP_OK);
        for (int i = 0; i < 60; i++) {
            snprintf(path, sizeof path, "/%02d", i);
            assert_holds(path, "");
        }
        finish();
    }
}

/* Of the older half of {0,1} every second read shows a revision from the
 * future. */
static uint32_t liar_reads;

static int liar_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    int err = fp_bdev_read(&ram.bdev, off, buf, size);

    (void)dev;
    if (off == 0 && ++liar_reads % 2)
        ((uint8_t *)buf)[1] ^= 0x40;
    return err;
}

static void a_revision_that_reads_twice_differently_is_not_trusted(void **state)
{
    static const struct fp_bdev_ops ops = { .read = liar_read };
    struct fp_fs_config cfg = { .flags = FP_MOUNT_RDONLY };
    struct fp_bdev liar;

    (void)state;
    format(0);
    while (fp_get_le32(mem + BLOCK) < fp_get_le32(mem))
        put("/f", "in both halves");
    put("/g", "in the newer half");
    lfs_unmount(&mnt);
    liar = ram.bdev;
    liar.ops = &ops;
    liar.flags |= FP_BDEV_RDONLY;
    for (uint32_t first = 0; first < 2; first++) {
        liar_reads = first;
        assert_int_equal(lfs_mount(&mnt, &liar, &cfg), FP_OK);
        assert_holds("/g", "in the newer half");
        lfs_unmount(&mnt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_keeps_what_it_opened),
        cmocka_unit_test(of_two_writers_the_last_to_sync_wins),
        cmocka_unit_test(a_small_index_makes_small_pairs),
        cmocka_unit_test(a_removed_file_stays_until_closed),
        cmocka_unit_test(a_renamed_file_stays_open_under_its_new_name),
        cmocka_unit_test(a_renamed_file_stays_open_while_directories_move),
        cmocka_unit_test(as_many_files_are_open_as_were_asked_for),
        cmocka_unit_test(open_files_survive_splits_and_relocation),
        cmocka_unit_test(open_files_survive_blocks_going_bad),
        cmocka_unit_test(a_repair_that_moves_a_pair_forgets_no_orphan),
        cmocka_unit_test(a_replaced_file_stays_until_closed),
        cmocka_unit_test(a_new_file_ends_with_its_directory),
        cmocka_unit_test(inline_content_beyond_the_cache_goes_stale),
        cmocka_unit_test(a_new_file_appears_with_its_first_sync),
        cmocka_unit_test(a_staged_file_is_unseen_until_committed),
        cmocka_unit_test(a_staged_file_that_lost_a_write_is_not_committed),
        cmocka_unit_test(a_listing_survives_changes),
        cmocka_unit_test(times_keep_the_form_a_file_has),
        cmocka_unit_test(version_2_0_stays_unless_upgraded),
        cmocka_unit_test(compacting_in_advance_spares_later_writes_the_erase),
        cmocka_unit_test(wear_spreads_over_what_is_free),
        cmocka_unit_test(a_volume_grows_to_the_device),
        cmocka_unit_test(a_volume_shrinks_when_nothing_lies_behind),
        cmocka_unit_test(the_last_superblock_says_how_many_blocks),
        cmocka_unit_test(a_volume_larger_than_the_device_is_read_only),
        cmocka_unit_test(a_cut_leaves_the_old_size_or_the_new),
        cmocka_unit_test(there_is_room_or_there_is_not),
        cmocka_unit_test(what_cannot_be_mounted_is_refused),
        cmocka_unit_test(a_failing_call_is_passed_on_or_coped_with),
        cmocka_unit_test(
            a_revision_that_reads_twice_differently_is_not_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
