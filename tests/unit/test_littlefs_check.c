/* SPDX-License-Identifier: MIT
 *
 * What the check says of a volume with one mistake in it. The volume is
 * written here by hand, by the format page and without the driver:
 *
 *     {0,1}  superblock, /d, /e, /f (blocks 8, 9, 10), /g inline; tail {2,3}
 *     {2,3}  /d: h inline; tail {4,5}
 *     {4,5}  /e: nothing
 *
 * Of each mistake littlefs_check.py, which shares nothing with the driver, has
 * to think as badly.
 */
#include "tests/unit/littlefs_support.h"

#include "core/bytes.h"
#include "core/digest/crc32.h"
#include "core/fs/littlefs/tag.h"

#define BLOCK  512u
#define BLOCKS 32u
#define PROG   16u

static uint8_t mem[BLOCK * BLOCKS];
static const char *mistake; /* the one, or two, that the volume is to have */

static bool is(const char *name)
{
    return strstr(mistake, name);
}

/* --- writing a log --- */

static struct {
    uint8_t *block;
    uint32_t off, ptag, crc;
} at;

static void put(const void *bytes, uint32_t size)
{
    memcpy(at.block + at.off, bytes, size);
    at.crc = fp_crc32(at.crc, bytes, size);
    at.off += size;
}

static void begin(uint32_t block, uint32_t rev)
{
    uint8_t raw[4];

    at.block = mem + (size_t)block * BLOCK;
    at.off = 0;
    at.ptag = at.crc = 0xffffffff;
    fp_put_le32(raw, rev);
    put(raw, 4);
}

static void tag_of(uint32_t type, uint32_t id, uint32_t len)
{
    uint8_t raw[4];
    uint32_t tag = type << 20 | id << 10 | len;

    fp_put_be32(raw, tag ^ at.ptag);
    at.ptag = tag;
    put(raw, 4);
}

static void tag(uint32_t type, uint32_t id, const void *data, uint32_t len)
{
    tag_of(type, id, len);
    put(data, len);
}

static void words(uint32_t type, uint32_t id, uint32_t a, uint32_t b)
{
    uint8_t raw[8];

    fp_put_le32(raw, a);
    fp_put_le32(raw + 4, b);
    tag(type, id, raw, 8);
}

static void name(uint32_t type, uint32_t id, const char *text)
{
    tag(type, id, text, (uint32_t)strlen(text));
}

static void end_at(uint32_t to)
{
    uint8_t raw[4];

    tag_of(is("erased reads as a tag") && at.block == mem + 2 * (size_t)BLOCK
               ? 0x501
               : 0x500,
           0x3ff, to - at.off - 4);
    fp_put_le32(raw, at.crc);
    put(raw, 4);
    at.off = to;
    at.crc = 0xffffffff;
}

/* Ends a commit; the mistakes of its end are those of block 2. */
static void end(void)
{
    static const uint8_t blank[64] = { [0 ... 63] = 0xff };
    bool here = at.block == mem + 2 * (size_t)BLOCK;
    uint32_t to = (at.off + 20 + PROG - 1) / PROG * PROG;
    uint32_t sum = fp_crc32(0xffffffff, blank, PROG), size = PROG;

    if (here && is("within a unit"))
        to -= 3;
    if (here && is("wrong sum"))
        sum ^= 1;
    if (here && is("sum of nothing"))
        size = 0;
    if (here && is("sum in the wrong place")) {
        words(FP_LFS_FCRC, 0x3ff, size, sum);
        words(FP_LFS_SOFTTAIL, 0x3ff, 4, 5);
        to += PROG;
    } else {
        words(FP_LFS_FCRC, 0x3ff, size, sum);
    }
    end_at(to);
    at.ptag ^= (at.ptag >> 20 & 1) << 31;
    if (here && is("not erased"))
        at.block[to + 100] = 0x5a;
}

/* --- the volume --- */

static void put_root(uint32_t block, uint32_t rev)
{
    uint8_t record[25] = { 1, 0, 2, 0 }, raw[12] = { 0 };
    bool cross =
        is("old move") || is("move of nothing") || is("move that was done");

    fp_put_le32(record + 4, BLOCK);
    fp_put_le32(record + 8, is("too many blocks") ? BLOCKS + 1 : BLOCKS);
    if (is("2.0"))
        record[0] = 0;
    if (is("attribute too long"))
        record[20] = 10;
    if (is("file too long"))
        fp_put_le32(record + 16, 1000);
    begin(block, rev);
    if (is("magic elsewhere"))
        words(FP_LFS_SOFTTAIL, 0x3ff, 2, 3);
    name(FP_LFS_NAME_SUPER, 0, "littlefs");
    tag(FP_LFS_STRUCT_INLINE, 0, record, is("long record") ? 25 : 24);
    name(FP_LFS_NAME_DIR, 1, "d");
    if (is("half-orphan"))
        words(FP_LFS_STRUCT_DIR, 1, 3, 12);
    else if (is("impossible pair"))
        words(FP_LFS_STRUCT_DIR, 1, 2, 77);
    else
        words(FP_LFS_STRUCT_DIR, 1, 2, 3);
    name(FP_LFS_NAME_DIR, 2,
         is("out of order") ? "c"
         : is("twice")      ? "d"
                            : "e");
    if (is("not in the thread"))
        words(FP_LFS_STRUCT_DIR, 2, 20, 21);
    else if (is("two entries"))
        words(FP_LFS_STRUCT_DIR, 2, 2, 3);
    else
        words(FP_LFS_STRUCT_DIR, 2, 4, 5);
    name(FP_LFS_NAME_FILE, 3, "f");
    words(FP_LFS_STRUCT_CTZ, 3, is("head out of range") ? 99 : 10, 1200);
    name(FP_LFS_NAME_FILE, 4, "g");
    if (is("two owners"))
        words(FP_LFS_STRUCT_CTZ, 4, 8, 100);
    else if (!is("no content"))
        tag(FP_LFS_STRUCT_INLINE, 4, "abc", 3);
    words(FP_LFS_SOFTTAIL, 0x3ff, 2, 3);
    if (cross) {
        fp_put_le32(raw, 0x4ff00000 | (is("move of nothing") ? 7u : 4u) << 10);
        fp_put_le32(raw + 8, 1);
        tag(FP_LFS_MOVESTATE, 0x3ff, raw, 12);
    }
    end();
}

/* The tags of /d with their mistakes. */
static void put_d(void)
{
    char text[113] = { 0 };

    begin(2, 5);
    if (is("content before the name")) {
        name(FP_LFS_NAME_FILE, 1, "i");
        name(FP_LFS_STRUCT_INLINE, 1, "1234");
        name(FP_LFS_STRUCT_INLINE, 0, "1234");
    }
    if (is("beyond the block"))
        name(FP_LFS_NAME_FILE, 100, "i");
    if (is("created at once"))
        tag(FP_LFS_CREATE, 0, "", 0);
    name(is("name of no kind") ? 0x041 : FP_LFS_NAME_FILE, 0,
         is("name with a slash") ? "h/h"
         : is("dots")            ? ".."
                                 : "h");
    if (is("content of no kind"))
        name(0x207, 0, "1234");
    else if (is("content of the wrong size"))
        name(FP_LFS_STRUCT_CTZ, 0, "123456789");
    else
        name(FP_LFS_STRUCT_INLINE, 0, is("old move") ? "abc" : "1234");
    if (is("attribute too long"))
        name(FP_LFS_ATTR | 7, 0, "0123456789a");
    if (is("tag of no kind"))
        name(0x777, 0x3ff, "?");
    if (is("tail of an entry"))
        words(FP_LFS_SOFTTAIL, 0, 4, 5);
    if (is("removed content"))
        tag_of(FP_LFS_STRUCT_INLINE, 0, 0x3ff);
    if (is("superblock elsewhere")) {
        name(FP_LFS_NAME_SUPER, 1, "littlefs");
        name(FP_LFS_STRUCT_INLINE, 1, "0123456789abcdef01234567");
    }
    if (is("too full"))
        for (uint32_t i = 0; i < 4; i++)
            tag(FP_LFS_ATTR | i, 0, text, sizeof text);
    words(is("on in no pair") ? FP_LFS_HARDTAIL : FP_LFS_SOFTTAIL, 0x3ff,
          is("on in no pair") ? 0xffffffff : 4, 5);
    if (is("too full"))
        end_at(BLOCK); /* without room for a sum of what follows */
    else
        end();
    if (is("unfinished contradiction"))
        name(FP_LFS_STRUCT_INLINE, 40, "1234");
    if (is("named without being created")) {
        name(FP_LFS_NAME_FILE, 1, "i");
        name(FP_LFS_STRUCT_INLINE, 1, "1234");
        end();
    }
}

static void put_file(void)
{
    memset(mem + 8 * BLOCK, 'x', 3 * BLOCK);
    fp_put_le32(mem + 9 * BLOCK, 8);
    fp_put_le32(mem + 10 * BLOCK, 9);
    fp_put_le32(mem + 10 * BLOCK + 4, is("wrong pointer") ? 7 : 8);
}

static void build(void)
{
    memset(mem, 0xff, sizeof mem);
    put_root(0, 9);
    put_root(1, 10);
    put_d();
    begin(4, 1);
    if (is("empty continuation"))
        words(FP_LFS_HARDTAIL, 0x3ff, 6, 7);
    if (is("half of no pair"))
        words(FP_LFS_SOFTTAIL, 0x3ff, 6, 0xffffffff);
    end();
    begin(6, 1);
    end();
    if (is("half-orphan")) {
        begin(12, 6);
        name(FP_LFS_NAME_FILE, 0, "h");
        name(FP_LFS_STRUCT_INLINE, 0, "1234");
        words(FP_LFS_SOFTTAIL, 0x3ff, 4, 5);
        end();
    }
    put_file();
}

/* --- what is said --- */

static const struct {
    const char *mistake;
    enum fp_finding_level level;
    const char *says;
} cases[] = {
    { "within a unit", FP_FINDING_WARNING, "within a program unit of 16" },
    { "wrong sum", FP_FINDING_WARNING, "is not theirs" },
    { "sum of nothing", FP_FINDING_ERROR, "sums 0 bytes behind it" },
    { "sum in the wrong place", FP_FINDING_WARNING, "in the wrong place" },
    { "erased reads as a tag", FP_FINDING_ERROR, "reads as a tag" },
    { "not erased", FP_FINDING_ERROR, "is not erased" },
    { "too many blocks", FP_FINDING_ERROR, "states 33 blocks" },
    { "2.0", FP_FINDING_ERROR, "is of version 2.1" },
    { "attribute too long", FP_FINDING_ERROR, "attribute of 11 bytes" },
    { "file too long", FP_FINDING_ERROR, "has 1200 bytes, at most 1000" },
    { "magic elsewhere", FP_FINDING_WARNING, "is not at byte 8" },
    { "long record", FP_FINDING_ERROR, "has 25 bytes instead of 24" },
    { "half-orphan", FP_FINDING_ERROR, "half-orphan, and no flag" },
    { "impossible pair", FP_FINDING_ERROR, "impossible pair {2,77}" },
    { "out of order", FP_FINDING_ERROR, "\"c\" is out of order" },
    { "twice", FP_FINDING_ERROR, "\"d\" stands twice" },
    { "not in the thread", FP_FINDING_ERROR, "{20,21} is not in the thread" },
    { "two entries", FP_FINDING_ERROR, "\"e\" {2,3} has another entry" },
    { "head out of range", FP_FINDING_ERROR, "begins at block 99" },
    { "two owners", FP_FINDING_ERROR, "block 8 has two owners" },
    { "no content", FP_FINDING_ERROR, "entry 4 has no content" },
    /* Looking for one of them must not lead away from the other. */
    { "not in the thread, no content", FP_FINDING_ERROR, "entry 4 has no con" },
    { "move of nothing", FP_FINDING_ERROR, "entry 7 of pair {0,1}" },
    { "move that was done", FP_FINDING_ERROR, "which is nowhere else" },
    { "old move", FP_FINDING_PENDING, "a move is pending: entry 4" },
    { "content before the name", FP_FINDING_ERROR, "before its name" },
    { "created at once", FP_FINDING_WARNING, "that the block begins with" },
    { "name of no kind", FP_FINDING_ERROR, "unknown type, 0x41" },
    { "name with a slash", FP_FINDING_ERROR, "\"h/h\" of entry 0 cannot" },
    { "dots", FP_FINDING_ERROR, "\"..\" of entry 0 cannot" },
    { "content of no kind", FP_FINDING_ERROR, "unknown type, 0x207" },
    { "content of the wrong size", FP_FINDING_ERROR, "9 bytes of data inst" },
    { "tag of no kind", FP_FINDING_ERROR, "unknown type, 0x777" },
    { "tail of an entry", FP_FINDING_ERROR, "type 0x600, belongs to an entry" },
    { "removed content", FP_FINDING_ERROR, "says that it is removed" },
    { "superblock elsewhere", FP_FINDING_ERROR, "stands as entry 1" },
    { "too full", FP_FINDING_ERROR, "can never be written out" },
    { "on in no pair", FP_FINDING_ERROR, "goes on in no pair" },
    { "named without being created", FP_FINDING_ERROR, "without being cre" },
    { "wrong pointer", FP_FINDING_ERROR, "leads to block 7" },
    { "empty continuation", FP_FINDING_WARNING, "without having entries" },
};

struct heard {
    enum fp_finding_level level;
    const char *says;
    bool told;
    uint32_t others;
};

static void hear(void *ctx, enum fp_finding_level level, uint32_t block,
                 const char *text)
{
    struct heard *heard = ctx;

    if (level == heard->level && strstr(text, heard->says))
        heard->told = true;
    else if (level != FP_FINDING_PENDING)
        heard->others++;
    if (getenv("FP_LFS_SAY"))
        print_message("%s: %d: block %d: %s\n", mistake, (int)level, (int)block,
                      text);
}

static void check(struct heard *heard)
{
    struct fp_step step = { .kind = FP_STEP_CHECK,
                            .on_finding = hear,
                            .ctx = heard };
    struct fp_fs_config cfg = { .block_size = BLOCK };
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    static uint8_t before[sizeof mem];

    fp_bdev_ram_init(&ram, PROG, BLOCK, BLOCKS, mem);
    memcpy(before, mem, sizeof mem);
    if (lfs_mount(&mnt, &ram.bdev, &cfg) != FP_OK)
        fail_msg("%s: it is not mounted", mistake);
    while (!step.done)
        assert_int_equal(fp_fs_step(&mnt, &step), FP_OK);
    lfs_unmount(&mnt);
    assert_memory_equal(mem, before, sizeof mem); /* a check never writes */
}

/* What littlefs_check.py thinks: 0 sound, or nothing but pending; 1 not. */
static int other_opinion(void)
{
    char file[] = "/tmp/fp-lfs-XXXXXX", cmd[300];
    int fd = mkstemp(file), status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, mem, sizeof mem), sizeof mem);
    close(fd);
    snprintf(cmd, sizeof cmd,
             "/usr/bin/python3 " FP_TEST_TOOLS "/littlefs_check.py %s "
             "--block-size 512 --prog-size 16 >/dev/null",
             file);
    status = system(cmd);
    remove(file);
    return WEXITSTATUS(status);
}

static void each_mistake_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct heard heard = { cases[i].level, cases[i].says, false, 0 };

        mistake = cases[i].mistake;
        build();
        check(&heard);
        if (!heard.told)
            fail_msg("%s: nobody says \"%s\"", mistake, cases[i].says);
        if (other_opinion() != (cases[i].level != FP_FINDING_PENDING))
            fail_msg("%s: littlefs_check.py thinks otherwise", mistake);
    }
}

static void a_volume_without_mistakes_is_clean(void **state)
{
    struct heard heard = { FP_FINDING_ERROR, "?", false, 0 };

    (void)state;
    mistake = "none";
    build();
    check(&heard);
    assert_int_equal(heard.others, 0);
    lfs_check_image("none", mem, BLOCK, BLOCKS, PROG, "");
}

/* With that in it the volume mounts all the same, and is written to. */
static void is_put_up_with(const char *what)
{
    struct fp_fs_config cfg = { .block_size = BLOCK };
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_stat st;

    mistake = what;
    build();
    fp_bdev_ram_init(&ram, PROG, BLOCK, BLOCKS, mem);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    assert_int_equal(fp_fs_mkdir(&mnt, "/e/behind"), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/e/behind", &st), FP_OK);
    assert_int_equal(fp_fs_stat(&mnt, "/d/h", &st), FP_OK);
    lfs_unmount(&mnt);
}

/* A pair is null when either half is: there the thread ends. */
static void half_of_no_pair_is_no_pair(void **state)
{
    (void)state;
    is_put_up_with("half of no pair");
    lfs_check_image(mistake, mem, BLOCK, BLOCKS, PROG, "");
}

/* What a cut left of a commit is none, and nothing of it is held against the
 * pairs behind. */
static void an_unfinished_contradiction_is_forgotten(void **state)
{
    (void)state;
    is_put_up_with("unfinished contradiction");
}

/* An entry takes nine bytes of log at least, so 512 hold 56. */
static void more_entries_than_a_block_can_hold_are_damage(void **state)
{
    struct fp_fs_config cfg = { .block_size = BLOCK };
    struct fp_bdev_ram ram;
    struct fp_mount mnt;

    (void)state;
    mistake = "beyond the block";
    build();
    fp_bdev_ram_init(&ram, PROG, BLOCK, BLOCKS, mem);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_ERR_CORRUPT);
    cfg.options = "entries=20";
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_without_mistakes_is_clean),
        cmocka_unit_test(each_mistake_is_told),
        cmocka_unit_test(half_of_no_pair_is_no_pair),
        cmocka_unit_test(an_unfinished_contradiction_is_forgotten),
        cmocka_unit_test(more_entries_than_a_block_can_hold_are_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
