/* SPDX-License-Identifier: MIT
 *
 * minifs: every image reads as its manifest says and takes writes that the
 * checker has nothing against; power cuts; names; the limits of the format;
 * images that are broken.
 */

#include "core/bdev/stats.h"
#include "core/fs/minifs/minifs.h"
#include "tests/unit/small_volume.h"

static const struct small_kind kind = {
    .ops = &fp_fs_minifs,
    .ro = &fp_fs_minifs_ro,
    .folder = "minifs",
    .checker = "--block-size 256",
};

/* --- images --- */

static void manifest_list(json_t *manifest, char text[SMALL_TEXT])
{
    json_t *row, *files = json_object_get(manifest, "files");
    char *lines[300], *swap;
    size_t i, at = 0;

    json_array_foreach(files, i, row)
    {
        assert_true(
            asprintf(&lines[i], "/%s %d %s",
                     json_string_value(json_object_get(row, "path")),
                     (int)json_integer_value(json_object_get(row, "size")),
                     json_string_value(json_object_get(row, "sha256"))) > 0);
        for (size_t k = i; k > 0 && strcmp(lines[k - 1], lines[k]) > 0; k--) {
            swap = lines[k];
            lines[k] = lines[k - 1];
            lines[k - 1] = swap;
        }
    }
    text[0] = 0;
    for (i = 0; i < json_array_size(files); i++) {
        at += (size_t)sprintf(text + at, "%s\n", lines[i]);
        free(lines[i]);
    }
}

static bool is_mountable(json_t *manifest)
{
    return !strcmp(json_string_value(json_object_get(manifest, "mount")), "ok");
}

static void reads_as_its_manifest_says(const char *name)
{
    static char want[SMALL_TEXT], got[SMALL_TEXT];
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, name);
    bool cut = strstr(name, "cut_erase");
    uint8_t *saved = malloc(v.size);

    memcpy(saved, v.mem, v.size);
    manifest_list(manifest, want);
    for (int i = 0; i < 2; i++) {
        int err = small_mount(&v, i ? kind.ops : kind.ro, NULL);

        if (!is_mountable(manifest)) {
            assert_int_equal(err, FP_ERR_CORRUPT);
            continue;
        }
        assert_int_equal(err, FP_OK);
        small_list(&v.mnt, got);
        assert_string_equal(got, want);
        assert_int_equal(small_check(&v.mnt).pending, cut);
        assert_int_equal(small_check(&v.mnt).errors, 0);
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
    assert_int_equal(small_each_image(&kind, reads_as_its_manifest_says), 25);
}

/* As an image file of which nothing is known. */
static void is_found(const char *name)
{
    const struct fp_fs_ops *const drivers[] = { kind.ops, NULL }, *ops;
    struct fp_fs_config cfg = { 0 };
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, name);
    struct fp_bdev_ram ram;
    int err;

    fp_bdev_ram_init(&ram, 1, 8, (uint32_t)v.size / 8, v.mem);
    err = fp_fs_probe(drivers, &ram.bdev, &ops, &cfg);
    assert_int_equal(err, is_mountable(manifest) ? FP_OK : FP_ERR_NOENT);
    /* Without files nothing tells. */
    if (!err && json_array_size(json_object_get(manifest, "files")) > 0)
        assert_int_equal(cfg.block_size, v.block_size);
    json_decref(manifest);
    small_free(&v);
}

static void every_image_tells_its_block_size(void **state)
{
    (void)state;
    small_each_image(&kind, is_found);
}

static void takes_writes(const char *name)
{
    struct small_step steps[] = {
        { SMALL_PUT, "/f3.bin", "", 40, 1 },
        { SMALL_PUT, "/new", "", 200, 2 },
        { SMALL_STAGE, "/new", "", 0, 3 },
        { SMALL_RENAME, "/new", "/newer", 0, 0 },
        { SMALL_APPEND, "/newer", "", 256, 4 },
        { SMALL_REMOVE, "/f3.bin", "", 0, 0 },
    };
    char options[40];
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, name);

    snprintf(options, sizeof options, "--block-size %u --settled",
             v.block_size);
    if (is_mountable(manifest)) {
        assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            int err = small_do(&kind, &v.mnt, &steps[i]);

            if (strstr(name, "full"))
                assert_true(err == FP_OK || err == FP_ERR_NOSPC ||
                            err == FP_ERR_NOENT);
            else
                assert_int_equal(err, FP_OK);
            assert_int_equal(small_check(&v.mnt).errors, 0);
            if (!err || err != FP_ERR_NOSPC)
                small_expect_checker(&v, options, 0);
        }
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

/* --- power cuts --- */

static void make_steps(struct small_step *steps, uint32_t count, uint32_t max)
{
    static const char *const names[] = { "/a",    "/b", "/c c", "/twelvechars.",
                                         "/%2Fe", "/f" };

    srand(7);
    for (uint32_t i = 0; i < count; i++) {
        int r = rand() % 10;

        memset(&steps[i], 0, sizeof steps[i]);
        steps[i].op = r < 4   ? SMALL_PUT
                      : r < 6 ? SMALL_STAGE
                      : r < 7 ? SMALL_APPEND
                      : r < 9 ? SMALL_RENAME
                              : SMALL_REMOVE;
        strcpy(steps[i].path, names[rand() % 6]);
        do
            strcpy(steps[i].to, names[rand() % 6]);
        while (!strcmp(steps[i].to, steps[i].path));
        steps[i].size = (uint32_t)rand() % (max + 1);
        if (r == 6)
            steps[i].size = 20;
        steps[i].seed = i;
    }
}

static void cuts_at(uint32_t prog, uint32_t block, uint32_t count,
                    uint32_t deep)
{
    static struct small_step steps[120];
    struct small_kind own = kind;
    char options[40];
    struct small_volume v;

    snprintf(options, sizeof options, "--block-size %u", block);
    own.checker = options;
    make_steps(steps, 120, block);
    small_init(&v, &own, prog, block, count);
    small_cut_everywhere(&v, steps, 120, deep);
    small_free(&v);
}

static void power_cuts_leave_old_or_new(void **state)
{
    (void)state;
    cuts_at(1, 256, 12, 1);
    cuts_at(64, 256, 9, 1);
    cuts_at(256, 256, 16, 1);
    cuts_at(16, 1024, 9, 3);
}

/* --- names --- */

/* Metadata by hand: a stored name of up to 12 bytes, empty file in block 3. */
static void put_meta(uint8_t *block, int count, bool big)
{
    memset(block, 0xff, 256);
    memcpy(block, "SfsMetadataBk\1", 14);
    block[14 + big] = (uint8_t)count;
    block[14 + !big] = 0;
}

static void put_entry(uint8_t *block, int index, const char *name, size_t len,
                      int size, int at, bool big)
{
    uint8_t *entry = block + 16 * (index + 1);

    memset(entry, 0xff, 12);
    memcpy(entry, name, len);
    entry[12 + big] = (uint8_t)size;
    entry[12 + !big] = (uint8_t)(size >> 8);
    entry[14 + big] = (uint8_t)at;
    entry[14 + !big] = (uint8_t)(at >> 8);
}

static void odd_names_show_as_paths_and_open_by_them(void **state)
{
    static const struct {
        const char *stored;
        size_t len;
        const char *shown; /* NULL: it cannot stand in a path */
    } names[] = {
        { "/lead", 5, "%2Flead" },
        { ".", 1, NULL },
        { "..", 2, NULL },
        { "...", 3, "..." },
        { ".a", 2, ".a" },
        { "50%", 3, "50%" },
        { "%2F", 3, "%252F" },
        { "a\0b", 3, NULL },
        { "%41", 3, "%41" },
        { "2%20", 4, "2%2520" },
        { "12345678901%", 12, "12345678901%" },
        { "////////////", 12, "%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F" },
    };
    const int count = sizeof names / sizeof names[0];
    struct small_volume v;
    struct fp_dirent entry;
    struct fp_dir dir;

    (void)state;
    small_init(&v, &kind, 1, 256, 32);
    put_meta(v.mem, count, false);
    for (int i = 0; i < count; i++)
        put_entry(v.mem, i, names[i].stored, names[i].len, 0, 3 + i, false);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(fp_fs_opendir(&v.mnt, &dir, "/"), FP_OK);
    for (int i = count - 1; i >= 0; i--) {
        char path[300];
        struct fp_stat st;

        if (names[i].shown == NULL)
            continue;
        assert_int_equal(fp_fs_readdir(&dir, &entry), 1);
        assert_string_equal(entry.name, names[i].shown);
        snprintf(path, sizeof path, "/%s", entry.name);
        assert_int_equal(fp_fs_stat(&v.mnt, path, &st), FP_OK);
        /* The path makes the same name. */
        assert_int_equal(fp_fs_rename(&v.mnt, path, "/tmp", 0), FP_OK);
        assert_int_equal(fp_fs_rename(&v.mnt, "/tmp", path, 0), FP_OK);
    }
    assert_int_equal(fp_fs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    small_list(&v.mnt, (char[SMALL_TEXT]){ 0 });
    assert_int_equal(small_check(&v.mnt).warnings, 3); /* those not shown */
    small_unmount(&v);
    small_free(&v);
}

/* The stored view has the names that no path can. */
static void the_stored_view_has_every_name(void **state)
{
    static const char *const names[] = { "a/b", ".", "..", "%2F" };
    struct fp_fs_config cfg = { .options = "raw=1" };
    struct small_volume v;
    struct fp_dirent entry;
    struct fp_dir dir;

    (void)state;
    small_init(&v, &kind, 1, 256, 16);
    put_meta(v.mem, 4, false);
    for (int i = 0; i < 4; i++)
        put_entry(v.mem, i, names[i], strlen(names[i]), 0, 3 + i, false);
    assert_int_equal(small_mount(&v, kind.ro, &cfg), FP_OK);
    assert_int_equal(fp_fs_opendir(&v.mnt, &dir, "/"), FP_OK);
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(fp_fs_readdir(&dir, &entry), 1);
        assert_string_equal(entry.name, names[i]);
    }
    assert_int_equal(fp_fs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    small_unmount(&v);
    small_free(&v);
}

/* What was listed may be removed: the others come all the same, and once. */
static void a_listing_goes_on_while_it_is_emptied(void **state)
{
    struct small_step step = { SMALL_PUT, "", "", 20, 1 };
    struct small_volume v;
    struct fp_dirent entry;
    struct fp_dir dir;
    char path[300];
    int seen[9] = { 0 };

    (void)state;
    small_init(&v, &kind, 1, 256, 16);
    small_format(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    for (int i = 0; i < 9; i++) {
        snprintf(step.path, sizeof step.path, "/%d", i);
        assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    }
    assert_int_equal(fp_fs_opendir(&v.mnt, &dir, "/"), FP_OK);
    while (fp_fs_readdir(&dir, &entry) == 1) {
        seen[entry.name[0] - '0']++;
        snprintf(path, sizeof path, "/%s", entry.name);
        if (entry.name[0] != '4')
            assert_int_equal(fp_fs_remove(&v.mnt, path), FP_OK);
    }
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    for (int i = 0; i < 9; i++)
        assert_int_equal(seen[i], 1);
    small_unmount(&v);
    small_free(&v);
}

/* "%25" and a '%' before no digits are one byte: the rename changes nothing,
 * and the file that is open stays that of its name. */
static void another_spelling_is_the_same_name(void **state)
{
    struct small_volume v;
    struct fp_file file;

    (void)state;
    small_init(&v, &kind, 1, 256, 16);
    small_format(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(
        fp_fs_open(&v.mnt, &file, "/50%25", FP_O_WRITE | FP_O_CREATE), FP_OK);
    assert_int_equal(fp_fs_fsync(&file), FP_OK);
    assert_int_equal(
        fp_fs_rename(&v.mnt, "/50%25", "/50%", FP_RENAME_NOREPLACE),
        FP_ERR_EXIST);
    assert_int_equal(fp_fs_rename(&v.mnt, "/50%25", "/50%", 0), FP_OK);
    assert_int_equal(fp_fs_write(&file, "x", 1), 1);
    assert_int_equal(fp_fs_fsync(&file), FP_OK);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    small_unmount(&v);
    small_free(&v);
}

static void big_endian_is_found_out_and_kept(void **state)
{
    static char before[SMALL_TEXT], after[SMALL_TEXT];
    struct small_kind own = kind;
    struct small_volume v;

    (void)state;
    own.checker = "--block-size 256 --big-endian --settled";
    small_init(&v, &own, 1, 256, 32);
    put_meta(v.mem + 512, 2, true);
    put_entry(v.mem + 512, 0, "one", 3, 256, 3, true);
    put_entry(v.mem + 512, 1, "two", 3, 5, 4, true);
    memset(v.mem + 3 * 256, 'x', 256 + 5);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    small_list(&v.mnt, before);
    assert_true(strstr(before, "/one 256 ") && strstr(before, "/two 5 "));
    assert_int_equal(fp_fs_rename(&v.mnt, "/one", "/three", 0), FP_OK);
    small_expect_checker(&v, "", 0);
    small_unmount(&v);
    assert_int_equal(small_mount(&v, kind.ro, NULL), FP_OK);
    small_list(&v.mnt, after);
    assert_true(strstr(after, "/three 256 ") && strstr(after, "/two 5 "));
    small_unmount(&v);
    small_free(&v);
}

static void another_version_is_read_when_told(void **state)
{
    struct fp_fs_config cfg = { .options = "version=127" };
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, "b256_badver");

    (void)state;
    assert_int_equal(small_mount(&v, kind.ops, &cfg), FP_OK);
    small_unmount(&v);
    json_decref(manifest);
    small_free(&v);
}

/* --- what looking for it costs --- */

#define MUCH   (16u << 20)
#define LOOKED 4500u /* reads besides one a place: the format page */

/* A probe of MUCH memory as that medium; its reads, and its error if there is
 * one to be. */
static uint64_t reads_of_probe(uint8_t *mem, uint32_t prog, uint32_t block,
                               uint32_t flags, int score)
{
    struct fp_fs_config cfg = { 0 };
    struct fp_bdev_stats stats;
    struct fp_bdev_ram ram;

    fp_bdev_ram_init(&ram, prog, block, MUCH / block, mem);
    ram.bdev.flags = flags;
    fp_bdev_stats_init(&stats, &ram.bdev, NULL);
    assert_int_equal(kind.ops->probe(&stats.bdev, &cfg, &score), FP_ERR_NOENT);
    print_message("           %u reads\n",
                  (unsigned)stats.count[FP_BDEV_READ].calls);
    return stats.count[FP_BDEV_READ].calls;
}

enum {
    FLASH = FP_BDEV_REPROG | FP_BDEV_ERASED_FF,
    IMAGE = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG | FP_BDEV_ERASED_FF,
    CARD = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG
};

static void a_card_is_not_searched(void **state)
{
    uint8_t *mem = calloc(1, MUCH);

    (void)state;
    assert_int_equal(reads_of_probe(mem, 512, 512, CARD, 0), 0);
    assert_int_equal(reads_of_probe(mem, 512, 512, IMAGE, 0), 0);
    free(mem);
}

static void nor_is_anything_when_a_surer_volume_is_known(void **state)
{
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, "b256_basic");
    struct fp_fs_config cfg = { 0 };
    int score = 80;

    (void)state;
    assert_int_equal(kind.ops->probe(&v.ram.bdev, &cfg, &score), FP_ERR_NOENT);
    score = 79;
    assert_int_equal(kind.ops->probe(&v.ram.bdev, &cfg, &score), FP_OK);
    assert_int_equal(score, 80);
    json_decref(manifest);
    small_free(&v);
}

static void random_bytes_are_read_once_a_place(void **state)
{
    uint8_t *mem = malloc(MUCH);
    uint32_t x = 1;

    (void)state;
    for (uint32_t i = 0; i < MUCH; i++)
        mem[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    assert_true(reads_of_probe(mem, 1, 4096, FLASH, 0) <= MUCH / 4096);
    assert_true(reads_of_probe(mem, 1, 256, FLASH, 0) <= MUCH / 256);
    assert_true(reads_of_probe(mem, 1, 4096, IMAGE, 0) <= MUCH / 256);
    free(mem);
}

/* Metadata at each `step`, with `sound` entries that may be and one that
 * cannot, each with something in its block whatever the size. */
static void fill_with_candidates(uint8_t *mem, uint32_t step, int sound)
{
    memset(mem, 0xff, MUCH);
    for (uint32_t at = 0; at < MUCH; at += 256)
        mem[at] = 'x';
    for (uint32_t at = 0; at < MUCH; at += step) {
        put_meta(mem + at, sound + 1, false);
        for (int i = 0; i <= sound; i++)
            put_entry(mem + at, i, "file", 4, 1, i < sound ? 200 : 65535,
                      false);
        for (uint32_t i = 256; i < step; i += 256)
            mem[at + i] = 0xff;
    }
}

static void hostile_flash_is_bounded(void **state)
{
    static const uint32_t steps[] = { 256, 4096, 65536 };
    uint8_t *mem = malloc(MUCH);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int sound = 0; sound < 8; sound += 7) {
            fill_with_candidates(mem, steps[i], sound);
            assert_true(reads_of_probe(mem, 1, 256, FLASH, 0) <=
                        MUCH / 256 + LOOKED);
            assert_true(reads_of_probe(mem, 1, 4096, FLASH, 0) <=
                        MUCH / 4096 + LOOKED);
        }
    free(mem);
}

/* Flash that erases 1,024 bytes at once has no smaller blocks, though the
 * bytes alone would say so. */
static void blocks_are_not_smaller_than_what_the_flash_erases(void **state)
{
    struct fp_fs_config cfg = { 0 };
    struct fp_bdev_ram ram;
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, "b256_basic");
    int score = 0;

    (void)state;
    fp_bdev_ram_init(&ram, 1, 1024, (uint32_t)v.size / 1024, v.mem);
    assert_true(kind.ops->probe(&ram.bdev, &cfg, &score) == FP_ERR_NOENT ||
                cfg.block_size >= 1024);
    json_decref(manifest);
    small_free(&v);
}

/* --- limits --- */

static void limits_are_told(void **state)
{
    struct small_volume v;
    struct fp_statfs st;
    struct fp_file file;
    uint8_t big[257] = { 0 };

    (void)state;
    small_init(&v, &kind, 1, 256, 64);
    small_format(&v);
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    assert_int_equal(fp_fs_statfs(&v.mnt, &st), FP_OK);
    assert_int_equal(st.name_max, 12);
    assert_int_equal(st.file_max, 256);
    assert_int_equal(st.files_max, 15);
    assert_false(st.caps & (FP_CAP_DIRS | FP_CAP_MTIME | FP_CAP_ATTRS));
    assert_int_equal(fp_fs_mkdir(&v.mnt, "/d"), FP_ERR_NOTSUP);
    assert_int_equal(
        fp_fs_open(&v.mnt, &file, "/thirteen.chars", FP_O_WRITE | FP_O_CREATE),
        FP_ERR_NAMETOOLONG);
    assert_int_equal(fp_fs_remove(&v.mnt, "/thirteen.chars"),
                     FP_ERR_NAMETOOLONG);
    assert_int_equal(fp_fs_remove(&v.mnt, "/\xff"), FP_ERR_INVAL);
    assert_int_equal(
        fp_fs_open(&v.mnt, &file, "/d/f", FP_O_WRITE | FP_O_CREATE),
        FP_ERR_NOENT);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE),
                     FP_OK);
    assert_int_equal(fp_fs_write(&file, big, 257), FP_ERR_FBIG);
    assert_int_equal(fp_fs_truncate(&file, 257), FP_ERR_FBIG);
    assert_int_equal(fp_fs_reserve(&file, 257), FP_ERR_FBIG);
    assert_int_equal(fp_fs_write(&file, big, 256), 256);
    assert_int_equal(fp_fs_write(&file, big, 1), FP_ERR_FBIG);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    small_unmount(&v);
    small_free(&v);
}

static uint32_t erases[16];

static int counting_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        erases[block + i]++;
    memset(((struct fp_bdev_ram *)(void *)dev)->mem + block * 256, 0xff,
           count * 256);
    return FP_OK;
}

/* Every block of the volume takes its turn, whatever stays in place. */
static void blocks_wear_alike(void **state)
{
    uint32_t least = UINT32_MAX, most = 0, sum = 0;
    struct fp_bdev_ops ops;
    struct small_volume v;

    (void)state;
    small_init(&v, &kind, 1, 256, 16);
    small_format(&v);
    ops = *v.ram.bdev.ops;
    ops.erase = counting_erase;
    v.ram.bdev.ops = &ops;
    assert_int_equal(small_mount(&v, kind.ops, NULL), FP_OK);
    for (uint32_t i = 0; i < 900; i++) {
        struct small_step step = { SMALL_PUT, "", "", 200, i };

        sprintf(step.path, "/%d", (int)i % 3);
        assert_int_equal(small_do(&kind, &v.mnt, &step), FP_OK);
    }
    for (int b = 0; b < 16; b++) {
        least = erases[b] < least ? erases[b] : least;
        most = erases[b] > most ? erases[b] : most;
        sum += erases[b];
    }
    print_message("           %u erases for 900 files, %u to %u a block\n", sum,
                  least, most);
    assert_true(most - least <= most / 4);
    small_unmount(&v);
    small_free(&v);
}

/* --- broken images --- */

static void use_all(struct small_volume *v)
{
    static const struct small_step steps[] = {
        { SMALL_PUT, "/f1.bin", "", 40, 1 },
        { SMALL_RENAME, "/f2.bin", "/x", 0, 0 },
        { SMALL_APPEND, "/f3.bin", "", 9, 1 },
        { SMALL_REMOVE, "/f4.bin", "", 0, 0 },
    };
    struct fp_dirent entry;
    struct fp_file file;
    struct fp_dir dir;
    uint8_t buf[300];

    if (small_mount(v, kind.ops, NULL))
        return;
    assert_int_equal(fp_fs_opendir(&v->mnt, &dir, "/"), FP_OK);
    for (int i = 0; i < 300 && fp_fs_readdir(&dir, &entry) > 0; i++) {
        char path[300];

        snprintf(path, sizeof path, "/%s", entry.name);
        if (fp_fs_open(&v->mnt, &file, path, FP_O_READ) == FP_OK) {
            assert_true(fp_fs_read(&file, buf, sizeof buf) <= 256);
            fp_fs_close(&file);
        }
    }
    fp_fs_closedir(&dir);
    (void)small_check(&v->mnt);
    for (int i = 0; i < 4; i++)
        (void)small_do(&kind, &v->mnt, &steps[i]);
    (void)fp_fs_unmount(&v->mnt);
    small_forget(v);
}

static void broken_images_are_survived(void **state)
{
    struct small_volume v;
    json_t *manifest = small_load(&v, &kind, "b256_basic");
    uint8_t *saved = malloc(v.size);

    (void)state;
    memcpy(saved, v.mem, v.size);
    srand(3);
    small_is_quiet = true;
    for (uint32_t i = 0; i < 16 * 256 * 9; i++) {
        uint32_t at = 16 * 256 + i % 256; /* the metadata */

        memcpy(v.mem, saved, v.size);
        v.mem[at] ^= (uint8_t)(i / 256 % 9 == 8 ? rand() : 1 << i / 256 % 9);
        if (i > 256 * 9)
            v.mem[16 * 256 + rand() % 256] = (uint8_t)rand();
        use_all(&v);
    }
    free(saved);
    json_decref(manifest);
    small_free(&v);
}

static int failing_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    (void)dev;
    (void)block;
    (void)count;
    return FP_ERR_IO;
}

/* A volume with a file that cannot be removed: `step` would, once nothing is
 * erased any more. `before` is what it held. */
static void fail_to_remove(struct small_volume *v, struct fp_bdev_ops *ops,
                           struct small_step *step, struct fp_statfs *before)
{
    *step = (struct small_step){ SMALL_PUT, "/a", "", 20, 1 };
    small_init(v, &kind, 1, 256, 16);
    small_format(v);
    assert_int_equal(small_mount(v, kind.ops, NULL), FP_OK);
    assert_int_equal(small_do(&kind, &v->mnt, step), FP_OK);
    assert_int_equal(fp_fs_statfs(&v->mnt, before), FP_OK);
    *ops = *v->ram.bdev.ops;
    ops->erase = failing_erase;
    v->ram.bdev.ops = ops;
    step->op = SMALL_REMOVE;
    assert_int_equal(small_do(&kind, &v->mnt, step), FP_ERR_IO);
}

/* After a write that failed the metadata is read again, and may be broken by
 * then. */
static void metadata_that_breaks_while_mounted_is_an_error(void **state)
{
    struct small_step step;
    struct fp_bdev_ops ops;
    struct small_volume v;
    struct fp_statfs fs;
    struct fp_stat st;

    (void)state;
    fail_to_remove(&v, &ops, &step, &fs);
    for (uint32_t at = 0; at < v.size; at += 256)
        memset(v.mem + at + 14, 0xf0, 2); /* the count, in either order */
    assert_int_equal(fp_fs_statfs(&v.mnt, &fs), FP_ERR_CORRUPT);
    assert_int_equal(fp_fs_stat(&v.mnt, "/a", &st), FP_ERR_CORRUPT);
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_ERR_CORRUPT);
    step.op = SMALL_PUT;
    assert_int_equal(small_do(&kind, &v.mnt, &step), FP_ERR_CORRUPT);
    small_unmount(&v);
    small_free(&v);
}

/* What failed is not counted. */
static void a_change_that_failed_takes_no_room(void **state)
{
    struct small_step step;
    struct fp_statfs before, after;
    struct fp_bdev_ops ops;
    struct small_volume v;

    (void)state;
    fail_to_remove(&v, &ops, &step, &before);
    assert_int_equal(fp_fs_statfs(&v.mnt, &after), FP_OK);
    assert_int_equal(after.blocks_used, before.blocks_used);
    assert_int_equal(after.free, before.free);
    small_unmount(&v);
    small_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_reads_as_its_manifest_says),
        cmocka_unit_test(every_image_tells_its_block_size),
        cmocka_unit_test(every_image_can_be_written_to),
        cmocka_unit_test(odd_names_show_as_paths_and_open_by_them),
        cmocka_unit_test(the_stored_view_has_every_name),
        cmocka_unit_test(a_listing_goes_on_while_it_is_emptied),
        cmocka_unit_test(another_spelling_is_the_same_name),
        cmocka_unit_test(big_endian_is_found_out_and_kept),
        cmocka_unit_test(another_version_is_read_when_told),
        cmocka_unit_test(a_card_is_not_searched),
        cmocka_unit_test(nor_is_anything_when_a_surer_volume_is_known),
        cmocka_unit_test(random_bytes_are_read_once_a_place),
        cmocka_unit_test(hostile_flash_is_bounded),
        cmocka_unit_test(blocks_are_not_smaller_than_what_the_flash_erases),
        cmocka_unit_test(limits_are_told),
        cmocka_unit_test(blocks_wear_alike),
        cmocka_unit_test(power_cuts_leave_old_or_new),
        cmocka_unit_test(broken_images_are_survived),
        cmocka_unit_test(metadata_that_breaks_while_mounted_is_an_error),
        cmocka_unit_test(a_change_that_failed_takes_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
