/* SPDX-License-Identifier: MIT
 *
 * The first start of a device whose volumes are to be formatted: the power is
 * cut in each program and erase of it, and in those of the next start, and then
 * there is an empty volume. And what is damaged is not taken for that. Nor does
 * a format that is cut leave half of what was there before.
 */
#include "core/bdev/fault.h"
#include "core/bdev/ram.h"
#include "core/fs/bonsai/bonsai.h"
#include "core/fs/fat/fat.h"
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/minifs/minifs.h"
#include "core/fs/spiffs/spiffs.h"
#include "device-agent/agent.h"
#include "tests/sector_stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME 1024
#define SIZE  (64u << 20)

struct kind {
    const char *name;
    const struct fp_fs_ops *ops;
    uint32_t prog_size, block_size, block_count;
    uint32_t flags; /* of the medium; 0: NOR */
    bool wrapped;   /* the volume lies on the sector adapter */
    bool probed;    /* the volume does not say what it is */
    bool unmarked;  /* any flash would be such a volume */
    struct fp_fs_config cfg;
    uint32_t every; /* one in so many cuts; 0: all */
};

#define CARD (FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG)
#define ECC  (FP_BDEV_ERASED_FF | FP_BDEV_ATOMIC_PROG)

static const struct kind kinds[] = {
    { .name = "littlefs", .ops = &fp_fs_littlefs, 1, 4096, 16 },
    { .name = "littlefs, units of 256", .ops = &fp_fs_littlefs, 256, 4096, 4 },
    { .name = "littlefs, units of 2048",
      .ops = &fp_fs_littlefs,
      2048,
      8192,
      4,
      .probed = true },
    { .name = "FAT on flash", .ops = &fp_fs_fat, 1, 4096, 40, .wrapped = true },
    { .name = "FAT on flash, small blocks",
      .ops = &fp_fs_fat,
      16,
      256,
      400,
      ECC,
      .wrapped = true },
    { .name = "FAT12 on a card", .ops = &fp_fs_fat, 512, 512, 300, CARD },
    { .name = "FAT with a label",
      .ops = &fp_fs_fat,
      512,
      512,
      300,
      CARD,
      .probed = true,
      .cfg = { .options = "label=flash" } },
    { .name = "FAT32 on a card",
      .ops = &fp_fs_fat,
      512,
      512,
      68000,
      CARD,
      .cfg = { .options = "bits=32,cluster=512,fats=1" },
      .every = 160 },
    { .name = "SPIFFS", .ops = &fp_fs_spiffs, 1, 4096, 16 },
    { .name = "SPIFFS, without magic",
      .ops = &fp_fs_spiffs,
      1,
      4096,
      8,
      .unmarked = true,
      .cfg = { .options = "magic=0" } },
    { .name = "SPIFFS, many blocks",
      .ops = &fp_fs_spiffs,
      4,
      4096,
      130,
      .probed = true,
      .every = 7 },
    { .name = "minifs", .ops = &fp_fs_minifs, 1, 256, 16 },
    { .name = "minifs, whole units", .ops = &fp_fs_minifs, 8, 256, 16, ECC },
    { .name = "Bonsai", .ops = &fp_fs_bonsai, 64, 256, 32 },
    { .name = "Bonsai, small blocks", .ops = &fp_fs_bonsai, 16, 64, 64 },
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static struct device {
    const struct kind *kind;
    uint8_t *mem;
    size_t size;
    struct fp_bdev_ram ram;
    struct fp_bdev_fault fault;
    uint8_t scratch_block[8192];
    struct sector_stack stack;
    const struct fp_fs_ops *drivers[2];
    struct fp_vfs vfs;
    struct fp_agent_storage storage;
    struct fp_agent_volume volume;
    struct fp_agent_config cfg;
    struct fp_agent agent;
    uint8_t tx[8 * FRAME], rx[8 * FRAME], scratch[1024];
    uint64_t ws[8192];
} dev;

static size_t nowhere(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    (void)buf;
    return size;
}

static int adapt(struct fp_agent_volume *volume, struct fp_bdev *under,
                 struct fp_bdev **out)
{
    int err;

    (void)volume;
    *out = sector_stack_start(&dev.stack, under, &err);
    return err;
}

static void new_medium(const struct kind *kind)
{
    dev.kind = kind;
    dev.size = (size_t)kind->block_size * kind->block_count;
    memset(dev.mem, 0xff, dev.size);
}

/* A start, in which the power is cut in the nth program or erase. What was in
 * memory is not. */
static void start(uint32_t nth, enum fp_fault_tear tear, uint64_t seed)
{
    const struct kind *kind = dev.kind;

    memset(&dev.ws, (int)seed, sizeof dev.ws);
    memset(&dev.stack, (int)seed, sizeof dev.stack);
    fp_bdev_ram_init(&dev.ram, kind->prog_size, kind->block_size,
                     kind->block_count, dev.mem);
    if (kind->flags != 0)
        dev.ram.bdev.flags = kind->flags;
    fp_bdev_fault_init(&dev.fault, &dev.ram.bdev, dev.scratch_block, seed);
    fp_bdev_fault_cut(&dev.fault, nth, tear);
    dev.drivers[0] = kind->ops;
    dev.drivers[1] = NULL;
    fp_vfs_init(&dev.vfs, dev.drivers);
    dev.storage =
        (struct fp_agent_storage){ .name = "flash0", .dev = &dev.fault.bdev };
    dev.volume = (struct fp_agent_volume){
        .path = "/v",
        .storage = "flash0",
        .fs = kind->probed ? NULL : kind->ops->name,
        .cfg = kind->cfg,
        .adapt = kind->wrapped ? adapt : NULL,
        .ws = dev.ws,
        .ws_size = sizeof dev.ws,
        .format_erased = true,
    };
    dev.cfg = (struct fp_agent_config){
        .id = "first",
        .model = "test",
        .firmware = "1",
        .vfs = &dev.vfs,
        .storages = &dev.storage,
        .storage_count = 1,
        .volumes = &dev.volume,
        .volume_count = 1,
        .send = nowhere,
        .frame_max = FRAME,
        .tx_buf = dev.tx,
        .tx_size = sizeof dev.tx,
        .rx_buf = dev.rx,
        .rx_size = sizeof dev.rx,
        .scratch = dev.scratch,
        .scratch_size = sizeof dev.scratch,
    };
    assert_int_equal(fp_agent_init(&dev.agent, &dev.cfg, 0), FP_OK);
}

static bool has_power(void)
{
    return !fp_bdev_fault_is_off(&dev.fault);
}

/* The file's first byte, -1: there is none. */
static int look(const char *path)
{
    struct fp_file file;
    uint8_t first = 0;

    if (fp_vfs_open(&dev.vfs, &file, path, FP_O_READ) != FP_OK)
        return -1;
    assert_int_equal(fp_fs_read(&file, &first, 1), 1);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    return first;
}

static void keep(const char *path, uint8_t first)
{
    uint8_t buf[40] = { first };
    struct fp_file file;

    assert_int_equal(fp_vfs_open(&dev.vfs, &file, path,
                                 FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
                     FP_OK);
    assert_int_equal(fp_fs_write(&file, buf, sizeof buf), (int)sizeof buf);
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

static void stop(void)
{
    fp_agent_deinit(&dev.agent);
}

static bool is_empty(void)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    int more;

    assert_int_equal(fp_fs_opendir(&dev.volume.vm.mnt, &dir, "/"), FP_OK);
    more = fp_fs_readdir(&dir, &entry);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    return more == 0;
}

/* There is an empty volume, which works. */
static void assert_begins(uint32_t nth, enum fp_fault_tear tear)
{
    start(0, FP_FAULT_TEAR_NONE, 7);
    if (!dev.volume.mounted || !is_empty())
        fail_msg("%s: write %u cut, %d: %s", dev.kind->name, nth, (int)tear,
                 fp_strerror(dev.volume.mount_err));
    keep("/v/a", 'a');
    stop();
    start(0, FP_FAULT_TEAR_NONE, 9);
    assert_true(dev.volume.mounted);
    assert_int_equal(look("/v/a"), 'a');
    stop();
}

static void try_cut(const struct kind *kind, uint32_t nth,
                    enum fp_fault_tear tear, uint64_t seed)
{
    new_medium(kind);
    start(nth, tear, seed);
    assert_false(has_power());
    assert_begins(nth, tear);
}

/* The next start is cut, too. */
static void try_again(const struct kind *kind, uint32_t nth,
                      enum fp_fault_tear tear, uint64_t seed)
{
    new_medium(kind);
    start(nth, tear, seed);
    start((uint32_t)(seed * 2654435761u >> 8) % nth + 1, tear, seed + 1);
    assert_begins(nth, tear);
}

/* The cut behind the nth: of the last ones none is left out. */
static uint32_t behind(const struct kind *kind, uint32_t nth, uint32_t count)
{
    return kind->every != 0 && count - nth > 4 ? nth + kind->every : nth + 1;
}

static void a_cut_first_start_is_made_up_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *kind = &kinds[i];
        uint64_t seed = 1;
        uint32_t count;

        new_medium(kind);
        start(0, FP_FAULT_TEAR_NONE, seed);
        stop();
        count = dev.fault.writes;
        assert_true(count > 3);
        for (uint32_t nth = 1; nth <= count; nth = behind(kind, nth, count)) {
            for (int tear = 0; tear <= FP_FAULT_TEAR_ALL; tear++)
                try_cut(kind, nth, (enum fp_fault_tear)tear, seed++);
            for (int turn = 0; turn < 3; turn++)
                try_cut(kind, nth, FP_FAULT_TEAR_BITS, seed++);
            try_again(kind, nth, FP_FAULT_TEAR_BITS, seed++);
        }
    }
}

/* ---- formatted over what was there ---- */

#define FILES 5

static const char *file_name(uint32_t number)
{
    static char name[] = "/v/f0";

    name[4] = (char)('0' + number);
    return name;
}

/* A volume that has been written to for a while. */
static void with_files(const struct kind *kind)
{
    new_medium(kind);
    start(0, FP_FAULT_TEAR_NONE, 1);
    assert_true(dev.volume.mounted);
    for (uint32_t i = 0; i < 3 * FILES; i++)
        keep(file_name(i % FILES), (uint8_t)('a' + i));
    stop();
}

/* None of them, or all as they were. */
static bool is_old_or_empty(void)
{
    uint32_t there = 0;

    if (is_empty())
        return true;
    for (uint32_t i = 0; i < FILES; i++)
        there += look(file_name(i)) == (int)('a' + 2 * FILES + i);
    return there == FILES;
}

/* False: it has no nth write. */
static bool try_format(const struct kind *kind, uint32_t nth,
                       enum fp_fault_tear tear, uint64_t seed)
{
    with_files(kind);
    start(0, FP_FAULT_TEAR_NONE, 1);
    fp_bdev_fault_cut(&dev.fault, nth, tear);
    (void)fp_agent_format(&dev.agent, &dev.volume, kind->ops->name);
    if (has_power())
        return false;
    start(0, FP_FAULT_TEAR_NONE, seed);
    if (dev.volume.mounted && !is_old_or_empty())
        fail_msg("%s: write %u cut, %d", kind->name, nth, (int)tear);
    stop();
    return true;
}

/* Of SPIFFS the first two blocks lose their magic one after the other: with one
 * of them gone the files of the others are there. */
static void a_format_that_is_cut_leaves_no_half_volume(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *kind = &kinds[i];
        uint32_t nth = kind->ops == &fp_fs_spiffs ? 3 : 1;
        bool more = kind->every == 0 && !kind->unmarked;

        for (; more; nth++)
            for (int tear = 0; tear <= FP_FAULT_TEAR_ALL && more; tear++)
                more = try_format(kind, nth, (enum fp_fault_tear)tear, nth);
    }
}

/* ---- what is damaged ---- */

/* A volume with a file, at rest. */
static void with_file(size_t which)
{
    new_medium(&kinds[which]);
    start(0, FP_FAULT_TEAR_NONE, 1);
    assert_true(dev.volume.mounted);
    keep("/v/a", 'a');
    stop();
}

static void erase(size_t off, size_t size)
{
    memset(dev.mem + off, 0xff, size);
}

/* Which does not mount, and stays as it is. */
static void assert_left_alone(void)
{
    uint8_t *was = malloc(dev.size);

    assert_non_null(was);
    memcpy(was, dev.mem, dev.size);
    start(0, FP_FAULT_TEAR_NONE, 3);
    if (dev.volume.mounted || memcmp(was, dev.mem, dev.size) != 0)
        fail_msg("%s: formatted", dev.kind->name);
    stop();
    free(was);
}

/* In each case the flash begins as if it were erased. */
static void what_is_damaged_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *kind = &kinds[i];

        if (kind->unmarked)
            continue;
        with_file(i);
        if (kind->ops == &fp_fs_littlefs) {
            /* The file lies in the pair, in a log that no longer is good. */
            memcpy(dev.mem + kind->block_size, dev.mem, kind->block_size);
            erase(0, kind->block_size);
            dev.mem[kind->block_size + 20] ^= 1;
        } else if (kind->ops == &fp_fs_minifs) {
            for (size_t block = 0; block < dev.size; block += kind->block_size)
                if (dev.mem[block] == 'S')
                    dev.mem[block] = 'T';
            erase(0, kind->block_size);
        } else if (kind->ops == &fp_fs_spiffs) {
            /* The file lies in the first block: two others lose their magic. */
            for (size_t block = 1; block < 3; block++)
                memset(dev.mem + block * 4096 + 252, 0, 4);
            memset(dev.mem + 252, 0xff, 4);
        } else if (kind->ops == &fp_fs_bonsai) {
            erase(0, 256);
        } else {
            erase(0, 512);
        }
        assert_left_alone();
    }
}

/* Nor what others have written somewhere: a name at its start, a byte. */
static void what_is_not_all_erased_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].unmarked)
            continue;
        new_medium(&kinds[i]);
        dev.mem[dev.size / 2] = 0x5a;
        assert_left_alone();
        new_medium(&kinds[i]);
        memcpy(dev.mem, "serial number 12", 16);
        assert_left_alone();
    }
}

static int begin(void **state)
{
    (void)state;
    dev.mem = malloc(SIZE);
    return dev.mem == NULL;
}

static int end(void **state)
{
    (void)state;
    free(dev.mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_first_start_is_made_up_for),
        cmocka_unit_test(a_format_that_is_cut_leaves_no_half_volume),
        cmocka_unit_test(what_is_damaged_is_left_alone),
        cmocka_unit_test(what_is_not_all_erased_is_left_alone),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
