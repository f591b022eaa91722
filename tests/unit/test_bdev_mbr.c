/* SPDX-License-Identifier: MIT
 *
 * Partition tables: those of the reference images, those that sfdisk makes and
 * reads, and those that nobody should have made.
 */
#include "core/bdev/mbr.h"
#include "core/bdev/ram.h"
#include "core/bytes.h"
#include "core/host/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <zlib.h>

#define SECTOR  512
#define SECTORS 8192

static uint8_t buf[4096];

/* --- a card in memory ----------------------------------------------------- */

static uint8_t mem[SECTORS * SECTOR];
static struct fp_bdev_ram ram;
static struct fp_bdev_mbr mbr;

static void blank_card(void)
{
    memset(mem, 0, sizeof mem);
    fp_bdev_ram_init(&ram, 1, SECTOR, SECTORS, mem);
}

static void put_entry(uint32_t sector, uint32_t slot, uint8_t type,
                      uint32_t first, uint32_t count)
{
    uint8_t *table = mem + (size_t)sector * SECTOR;
    uint8_t *entry = table + 446 + 16 * slot;

    entry[4] = type;
    fp_put_le32(entry + 8, first);
    fp_put_le32(entry + 12, count);
    table[510] = 0x55;
    table[511] = 0xaa;
}

static int read_table(void)
{
    int err = fp_bdev_mbr_read(&mbr, &ram.bdev, buf, SECTOR);

    if (!err)
        fp_bdev_mbr_read_logical(&mbr, &ram.bdev, buf);
    return err;
}

static void assert_part(uint32_t i, uint8_t number, uint8_t type,
                        uint32_t first, uint32_t count, enum fp_mbr_why why)
{
    assert_true(i < mbr.count);
    assert_int_equal(mbr.parts[i].number, number);
    assert_int_equal(mbr.parts[i].type, type);
    assert_int_equal(mbr.parts[i].first, first);
    assert_int_equal(mbr.parts[i].count, count);
    assert_int_equal(mbr.parts[i].why, why);
}

/* --- what others made ----------------------------------------------------- */

static uint8_t *load(const char *name, uint32_t *size)
{
    char path[512];
    uint8_t *image;
    gzFile file;
    int n;

    snprintf(path, sizeof path, "%s/fat/%s.img.gz", FP_TEST_IMAGES, name);
    file = gzopen(path, "rb");
    assert_non_null(file);
    image = malloc(64 << 20);
    assert_non_null(image);
    n = gzread(file, image, 64 << 20);
    assert_true(n > 0);
    *size = (uint32_t)n;
    gzclose(file);
    return image;
}

static void reference_images_have_the_partitions_of_their_manifests(void **s)
{
    static const char *const names[] = { "mbr_fat12_fat12", "mbr_fat16_fat32" };

    (void)s;
    for (size_t n = 0; n < 2; n++) {
        struct fp_bdev_slice slice;
        json_t *manifest, *entry;
        uint32_t size;
        size_t i;
        char path[512];
        uint8_t *image = load(names[n], &size), *boot;

        snprintf(path, sizeof path, "%s/fat/%s.json", FP_TEST_IMAGES, names[n]);
        manifest = json_load_file(path, 0, NULL);
        assert_non_null(manifest);
        /* Blocks that no partition of these starts with: a card all the same.
         */
        fp_bdev_ram_init(&ram, SECTOR, 2048, size / 2048, image);
        ram.bdev.flags = FP_BDEV_OVERWRITE;
        assert_int_equal(read_table(), FP_OK);
        assert_int_equal(mbr.count,
                         json_array_size(json_object_get(manifest, "mbr")));
        json_array_foreach(json_object_get(manifest, "mbr"), i, entry)
        {
            json_t *volume =
                json_array_get(json_object_get(manifest, "volumes"), i);
            uint32_t off =
                (uint32_t)json_integer_value(json_object_get(volume, "offset"));

            assert_part(
                (uint32_t)i, (uint8_t)(i + 1),
                (uint8_t)strtoul(
                    json_string_value(json_object_get(entry, "type")), NULL,
                    16),
                (uint32_t)json_integer_value(
                    json_object_get(entry, "lba_start")),
                (uint32_t)json_integer_value(json_object_get(entry, "sectors")),
                FP_MBR_FINE);
            assert_int_equal(
                fp_bdev_mbr_slice(&mbr, (uint32_t)i, &ram.bdev, &slice), FP_OK);
            assert_int_equal(
                fp_bdev_size(&slice.bdev),
                json_integer_value(json_object_get(entry, "sectors")) * SECTOR);
            boot = image + off;
            assert_int_equal(fp_bdev_read(&slice.bdev, 0, buf, SECTOR), FP_OK);
            assert_memory_equal(buf, boot, SECTOR);
            assert_int_equal(buf[510], 0x55);
        }
        json_decref(manifest);
        free(image);
    }
}

static int run(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

/* An empty file of 4 MiB, open as a card. */
static void new_card(struct fp_host_file *file, char *path)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE,
                                             .read_size = SECTOR,
                                             .prog_size = SECTOR,
                                             .block_size = SECTOR };
    int fd;

    strcpy(path, "/tmp/flashport_mbr_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof mem), 0);
    close(fd);
    assert_int_equal(fp_host_file_open(file, path, &cfg), FP_OK);
}

static void drop_card(struct fp_host_file *file, const char *path)
{
    fp_host_file_close(file);
    unlink(path);
}

/* sfdisk's own script says what it is to make. */
static void sfdisk_partitions(const char *script, const char *path)
{
    assert_int_equal(run("printf '%s' | /usr/sbin/sfdisk -q --no-reread "
                         "--no-tell-kernel --wipe never '%s' >/dev/null",
                         script, path),
                     0);
}

static void tables_of_sfdisk_are_read(void **state)
{
    struct fp_host_file file;
    char path[64];

    (void)state;
    new_card(&file, path);
    sfdisk_partitions("label: dos\n"
                      "1 : start=2048,size=1000,type=c\n"
                      "3 : start=4000,size=3000,type=f\n"
                      "4 : start=3100,size=500,type=6\n"
                      "5 : start=4100,size=500,type=1\n"
                      "6 : start=4700,size=600,type=e\n"
                      "7 : start=5400,size=700,type=83\n",
                      path);
    assert_int_equal(fp_bdev_mbr_read(&mbr, &file.bdev, buf, SECTOR), FP_OK);
    assert_int_equal(mbr.count, 2);
    fp_bdev_mbr_read_logical(&mbr, &file.bdev, buf);
    assert_int_equal(mbr.count, 5);
    assert_part(0, 1, 0x0c, 2048, 1000, FP_MBR_FINE);
    assert_part(1, 4, 0x06, 3100, 500, FP_MBR_FINE);
    assert_part(2, 5, 0x01, 4100, 500, FP_MBR_FINE);
    assert_part(3, 6, 0x0e, 4700, 600, FP_MBR_FINE);
    assert_part(4, 7, 0x83, 5400, 700, FP_MBR_FINE);
    drop_card(&file, path);

    new_card(&file, path);
    sfdisk_partitions("label: gpt\n2048,1000\n", path);
    assert_int_equal(fp_bdev_mbr_read(&mbr, &file.bdev, buf, SECTOR),
                     FP_ERR_NOTSUP);
    assert_int_equal(mbr.why, FP_MBR_GPT);
    assert_int_equal(mbr.count, 0);
    assert_non_null(strstr(fp_bdev_mbr_text(mbr.why), "GPT"));
    drop_card(&file, path);
}

static void sfdisk_reads_tables_of_ours(void **state)
{
    static const struct fp_bdev_part parts[] = {
        { .first = 2048, .count = 1000, .type = 0x0c },
        { .first = 63, .count = 1000, .type = 0x01 },
        { .first = 3048, .count = SECTORS - 3048, .type = 0x0b },
    };
    struct fp_host_file file;
    char path[64], line[256];
    unsigned found = 0;
    FILE *out;

    (void)state;
    new_card(&file, path);
    assert_int_equal(fp_bdev_mbr_write(&file.bdev, buf, SECTOR, parts, 3),
                     FP_OK);
    snprintf(line, sizeof line, "/usr/sbin/sfdisk -d '%s' 2>&1", path);
    out = popen(line, "r");
    assert_non_null(out);
    while (fgets(line, sizeof line, out)) {
        const char *at = strstr(line, "start=");
        unsigned first, count, type;

        if (at == NULL)
            continue;
        assert_int_equal(
            sscanf(at, "start= %u, size= %u, type=%x", &first, &count, &type),
            3);
        assert_true(found < 3);
        assert_int_equal(first, parts[found].first);
        assert_int_equal(count, parts[found].count);
        assert_int_equal(type, parts[found].type);
        found++;
    }
    assert_int_equal(pclose(out), 0);
    assert_int_equal(found, 3);
    /* And sfdisk has nothing to complain of. */
    assert_int_equal(run("/usr/sbin/sfdisk -V '%s' >/dev/null 2>&1", path), 0);

    assert_int_equal(fp_bdev_mbr_read(&mbr, &file.bdev, buf, SECTOR), FP_OK);
    assert_int_equal(mbr.count, 3);
    assert_part(2, 3, 0x0b, 3048, SECTORS - 3048, FP_MBR_FINE);
    drop_card(&file, path);
}

static void a_volume_without_a_table_is_told_from_one(void **state)
{
    struct fp_host_file file;
    char path[64];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        new_card(&file, path);
        assert_int_equal(run("/usr/sbin/mkfs.fat %s '%s' >/dev/null",
                             i == 0 ? "-F 12" : "-F 16 -s 1", path),
                         0);
        assert_int_equal(fp_bdev_mbr_read(&mbr, &file.bdev, buf, SECTOR),
                         FP_ERR_NOENT);
        assert_int_equal(mbr.why, FP_MBR_BARE);
        drop_card(&file, path);
    }
    blank_card();
    assert_int_equal(read_table(), FP_ERR_NOENT);
    assert_int_equal(mbr.why, FP_MBR_NO_TABLE);
    memset(mem, 0xff, sizeof mem);
    assert_int_equal(read_table(), FP_ERR_NOENT);
    assert_int_equal(mbr.why, FP_MBR_NO_TABLE);
    /* Signed, but full of code: no table. */
    mem[510] = 0x55;
    mem[511] = 0xaa;
    memset(mem, 0x90, 510);
    assert_int_equal(read_table(), FP_ERR_NOENT);
    assert_int_equal(mbr.why, FP_MBR_NO_TABLE);
}

/* The view over USB that firmware derived from MicroPython gives of internal
 * flash: a table that is made up, and the flash from sector 0x100 on. Source:
 * MicroPython documentation, class Flash, "the actual flash starts at block
 * 0x100". */
static void the_usb_view_of_internal_flash_is_one_partition(void **state)
{
    struct fp_bdev_slice slice;

    (void)state;
    blank_card();
    put_entry(0, 0, 0x01, 0x100, 240);
    memcpy(mem + 0x100 * SECTOR, "\xeb\xfe\x90MSDOS5.0", 11);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, 1);
    assert_part(0, 1, 0x01, 0x100, 240, FP_MBR_FINE);
    assert_int_equal(fp_bdev_mbr_slice(&mbr, 0, &ram.bdev, &slice), FP_OK);
    assert_int_equal(fp_bdev_read(&slice.bdev, 0, buf, 11), FP_OK);
    assert_memory_equal(buf + 3, "MSDOS5.0", 8);
}

/* Boot sector: Microsoft, exFAT file system specification, 3.1. */
static void put_exfat(uint32_t sector)
{
    memcpy(mem + (size_t)sector * SECTOR,
           "\xeb\x76\x90"
           "EXFAT   ",
           11);
    mem[(size_t)sector * SECTOR + 510] = 0x55;
    mem[(size_t)sector * SECTOR + 511] = 0xaa;
}

static void exfat_is_refused_by_name(void **state)
{
    struct fp_bdev_slice slice;

    (void)state;
    blank_card();
    put_exfat(0);
    assert_int_equal(read_table(), FP_ERR_NOTSUP);
    assert_int_equal(mbr.why, FP_MBR_EXFAT);
    assert_non_null(strstr(fp_bdev_mbr_text(mbr.why), "exFAT"));

    blank_card();
    put_entry(0, 0, 0x07, 2048, 1000);
    put_entry(0, 1, 0x0c, 4096, 1000);
    put_exfat(2048);
    assert_int_equal(read_table(), FP_OK);
    assert_part(0, 1, 0x07, 2048, 1000, FP_MBR_EXFAT);
    assert_part(1, 2, 0x0c, 4096, 1000, FP_MBR_FINE);
    assert_int_equal(fp_bdev_mbr_slice(&mbr, 0, &ram.bdev, &slice),
                     FP_ERR_NOTSUP);
    assert_int_equal(fp_bdev_mbr_slice(&mbr, 1, &ram.bdev, &slice), FP_OK);
}

/* --- what nobody should have made ----------------------------------------- */

static void partitions_in_impossible_places_are_refused(void **state)
{
    struct fp_bdev_slice slice;

    (void)state;
    blank_card();
    put_entry(0, 0, 0x0c, SECTORS - 10, 11);
    put_entry(0, 1, 0x0c, SECTORS + 1, 1);
    put_entry(0, 2, 0x0c, 100, 0xffffffff);
    put_entry(0, 3, 0x0c, 0xffffffff, 0xffffffff);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_not_equal(mbr.parts[i].why, FP_MBR_FINE);
        assert_int_equal(fp_bdev_mbr_slice(&mbr, i, &ram.bdev, &slice),
                         FP_ERR_CORRUPT);
    }
    assert_int_equal(mbr.parts[0].why, FP_MBR_OVERLAPS); /* with the third */

    blank_card();
    put_entry(0, 0, 0x0c, SECTORS - 10, 10);
    put_entry(0, 1, 0x0c, SECTORS, 1);
    put_entry(0, 2, 0x0c, 0, 5);   /* where the table is */
    put_entry(0, 3, 0x0c, 500, 0); /* nothing */
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, 3);
    assert_part(0, 1, 0x0c, SECTORS - 10, 10, FP_MBR_FINE);
    assert_part(1, 2, 0x0c, SECTORS, 1, FP_MBR_BEYOND_END);
    assert_part(2, 3, 0x0c, 0, 5, FP_MBR_OVERLAPS);
}

static void partitions_that_overlap_are_refused_both(void **state)
{
    (void)state;
    blank_card();
    put_entry(0, 0, 0x0c, 100, 100);
    put_entry(0, 1, 0x0c, 199, 10);
    put_entry(0, 2, 0x0c, 209, 10);
    put_entry(0, 3, 0x0c, 90, 10);
    assert_int_equal(read_table(), FP_OK);
    assert_part(0, 1, 0x0c, 100, 100, FP_MBR_OVERLAPS);
    assert_part(1, 2, 0x0c, 199, 10, FP_MBR_OVERLAPS);
    assert_part(2, 3, 0x0c, 209, 10, FP_MBR_FINE);
    assert_part(3, 4, 0x0c, 90, 10, FP_MBR_FINE);
}

static void a_chain_of_tables_that_leads_round_ends(void **state)
{
    (void)state;
    /* To itself. */
    blank_card();
    put_entry(0, 0, 0x0c, 1000, 10);
    put_entry(0, 1, 0x05, 2000, 1000);
    put_entry(2000, 0, 0x01, 10, 20);
    put_entry(2000, 1, 0x05, 0, 1000);
    assert_int_equal(read_table(), FP_OK);
    assert_part(0, 1, 0x0c, 1000, 10, FP_MBR_FINE);
    assert_part(1, 5, 0x01, 2010, 20, FP_MBR_FINE);
    assert_int_equal(mbr.count, 2);

    /* Two, each to the other. */
    put_entry(2000, 1, 0x05, 100, 1000);
    put_entry(2100, 0, 0x01, 10, 20);
    put_entry(2100, 1, 0x85, 0xfffffffe, 1000);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, 3);
    put_entry(2100, 1, 0x0f, 100, 1000);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, FP_BDEV_MBR_MAX);
    assert_part(0, 1, 0x0c, 1000, 10, FP_MBR_FINE);
    assert_part(1, 5, 0x01, 2010, 20, FP_MBR_FINE);
    /* What is listed again and again overlaps itself. */
    assert_part(2, 6, 0x01, 2110, 20, FP_MBR_OVERLAPS);
    assert_part(7, 11, 0x01, 2110, 20, FP_MBR_OVERLAPS);

    /* Behind the end, and a place that wraps. */
    put_entry(2100, 1, 0x05, SECTORS, 1000);
    put_entry(2100, 0, 0x01, 0xffffff00, 1000);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, 3);
    assert_int_equal(mbr.parts[2].why, FP_MBR_BEYOND_END);

    /* A table in the chain that says it is a GPT, or is none. */
    put_entry(2100, 2, 0xee, 1, 1000);
    mem[2100 * SECTOR + 446] = 1;
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.why, FP_MBR_FINE);
}

static void tables_that_could_not_be_used_are_not_written(void **state)
{
    static const struct fp_bdev_part good[] = {
        { .first = 1, .count = 10, .type = 1 },
        { .first = 11, .count = 10, .type = 1 },
        { .first = 21, .count = 10, .type = 1 },
        { .first = 31, .count = 10, .type = 1 },
        { .first = 41, .count = 10, .type = 1 },
    };
    struct fp_bdev_part bad[2];
    uint8_t before[SECTOR];

    (void)state;
    blank_card();
    memset(mem, 0xff, sizeof mem);
    memcpy(before, mem, SECTOR);
    assert_int_equal(fp_bdev_mbr_write(&ram.bdev, buf, SECTOR, good, 5),
                     FP_ERR_INVAL);
    for (int i = 0; i < 5; i++) {
        memcpy(bad, good, sizeof bad);
        if (i == 0)
            bad[1].first = 10; /* overlaps */
        else if (i == 1)
            bad[1].count = SECTORS - 10; /* one too many */
        else if (i == 2)
            bad[1].count = 0;
        else if (i == 3)
            bad[0].first = 0;
        else
            bad[1].type = 0;
        assert_int_equal(fp_bdev_mbr_write(&ram.bdev, buf, SECTOR, bad, 2),
                         FP_ERR_INVAL);
        assert_memory_equal(mem, before, SECTOR);
    }
    /* Flash is erased first. */
    memset(mem, 0, SECTOR);
    assert_int_equal(fp_bdev_mbr_write(&ram.bdev, buf, SECTOR, good, 4), FP_OK);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(mbr.count, 4);
}

static void a_partition_of_flash_has_whole_blocks(void **state)
{
    struct fp_bdev_slice slice;

    (void)state;
    blank_card();
    fp_bdev_ram_init(&ram, 1, 4096, sizeof mem / 4096, mem);
    put_entry(0, 0, 0x0c, 8, 16);
    put_entry(0, 1, 0x0c, 63, 17);
    assert_int_equal(read_table(), FP_OK);
    assert_int_equal(fp_bdev_mbr_slice(&mbr, 0, &ram.bdev, &slice), FP_OK);
    assert_int_equal(slice.bdev.block_count, 2);
    assert_int_equal(fp_bdev_mbr_slice(&mbr, 1, &ram.bdev, &slice),
                     FP_ERR_INVAL);
    /* On a card it may lie anywhere. */
    ram.bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ERASED_FF;
    memset(mem + 32256, 0x5a, 8704);
    assert_int_equal(fp_bdev_mbr_slice(&mbr, 1, &ram.bdev, &slice), FP_OK);
    assert_int_equal(slice.bdev.block_size, 512);
    assert_int_equal(slice.bdev.block_count, 17);
    assert_int_equal(slice.bdev.flags, FP_BDEV_OVERWRITE);
    assert_int_equal(fp_bdev_erase(&slice.bdev, 0, 17), FP_OK);
    assert_int_equal(mem[32256], 0x5a);
}

static void a_sector_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    blank_card();
    fp_bdev_ram_init(&ram, 1, 256, 1, mem); /* shorter than a sector */
    assert_int_equal(read_table(), FP_ERR_INVAL);
    assert_int_equal(mbr.count, 0);
    assert_string_equal(fp_bdev_mbr_text(200),
                        fp_bdev_mbr_text(FP_MBR_NO_TABLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            reference_images_have_the_partitions_of_their_manifests),
        cmocka_unit_test(tables_of_sfdisk_are_read),
        cmocka_unit_test(sfdisk_reads_tables_of_ours),
        cmocka_unit_test(a_volume_without_a_table_is_told_from_one),
        cmocka_unit_test(the_usb_view_of_internal_flash_is_one_partition),
        cmocka_unit_test(exfat_is_refused_by_name),
        cmocka_unit_test(partitions_in_impossible_places_are_refused),
        cmocka_unit_test(partitions_that_overlap_are_refused_both),
        cmocka_unit_test(a_chain_of_tables_that_leads_round_ends),
        cmocka_unit_test(tables_that_could_not_be_used_are_not_written),
        cmocka_unit_test(a_partition_of_flash_has_whole_blocks),
        cmocka_unit_test(a_sector_that_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
