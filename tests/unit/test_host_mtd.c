/* SPDX-License-Identifier: MIT
 *
 * MTD devices, against a driver of the test's own: the linker puts its open,
 * fstat, ioctl and pwrite where core/host calls the kernel's (--wrap), so what
 * is tested is what core/host asks of MTD, and not MTD. Its rules are those of
 * mtd/mtd-abi.h: NOR programs clear bits, erases take whole blocks, what a
 * NAND's check code could not put right is only counted.
 */
#include "core/host/drivers.h"
#include "core/host/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>
#include <mtd/mtd-user.h>

#define BLOCK 8192
#define COUNT 16

static char path[] = "/tmp/fp-mtd-XXXXXX";

/* The driver: what it says, and what it was asked. */
static struct {
    struct mtd_info_user info;
    long long bad; /* a block, -1: none */
    bool flips_bits, refuses_erase, is_ubi;
    uint32_t failed; /* reads that the check code could not put right */
    uint64_t erased; /* bytes */
} chip;

static int chip_fd = -1;

int __real_ioctl(int fd, unsigned long request, ...);
int __real_fstat64(int fd, struct stat64 *st);
int __real_stat64(const char *name, struct stat64 *st);
ssize_t __real_pread64(int fd, void *buf, size_t size, off64_t off);
ssize_t __real_pwrite64(int fd, const void *buf, size_t size, off64_t off);
FILE *__real_fopen(const char *name, const char *mode);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_fstat64(int fd, struct stat64 *st);
int __wrap_stat64(const char *name, struct stat64 *st);
ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size, off64_t off);
FILE *__wrap_fopen(const char *name, const char *mode);

static void become_chip(struct stat64 *st)
{
    st->st_mode = S_IFCHR | 0600;
    st->st_rdev = makedev(90, 6); /* /dev/mtd3 */
}

int __wrap_fstat64(int fd, struct stat64 *st)
{
    struct stat64 chip_st;

    if (__real_fstat64(fd, st) != 0)
        return -1;
    if (__real_stat64(path, &chip_st) == 0 && chip_st.st_ino == st->st_ino) {
        chip_fd = fd;
        become_chip(st);
    }
    return 0;
}

int __wrap_stat64(const char *name, struct stat64 *st)
{
    if (__real_stat64(name, st) != 0)
        return -1;
    if (strcmp(name, path) == 0)
        become_chip(st);
    return 0;
}

/* What UBI tells of itself. */
FILE *__wrap_fopen(const char *name, const char *mode)
{
    if (!chip.is_ubi || strcmp(name, "/sys/class/ubi/ubi1/mtd_num") != 0)
        return __real_fopen(name, mode);
    return fmemopen("3\n", 2, "r");
}

ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t off)
{
    chip.failed += fd == chip_fd && chip.flips_bits;
    return __real_pread64(fd, buf, size, off);
}

static int chip_erase(int fd, const struct erase_info_user64 *range)
{
    uint8_t buf[BLOCK];

    if (range->start % BLOCK || range->length % BLOCK ||
        range->start + range->length > BLOCK * COUNT) {
        errno = EINVAL;
        return -1;
    }
    if (chip.refuses_erase) {
        errno = EIO;
        return -1;
    }
    memset(buf, 0xff, sizeof buf);
    for (uint64_t at = 0; at < range->length; at += BLOCK)
        assert_int_equal(
            __real_pwrite64(fd, buf, BLOCK, (off64_t)(range->start + at)),
            BLOCK);
    chip.erased += range->length;
    return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    struct mtd_ecc_stats stats = { .failed = chip.failed };
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (fd != chip_fd)
        return __real_ioctl(fd, request, arg);
    switch (request) {
    case MEMGETINFO:
        memcpy(arg, &chip.info, sizeof chip.info);
        return 0;
    case MEMERASE64:
        return chip_erase(fd, arg);
    case MEMGETBADBLOCK:
        return *(long long *)arg == chip.bad * BLOCK;
    case ECCGETSTATS:
        memcpy(arg, &stats, sizeof stats);
        return 0;
    default:
        errno = ENOTTY;
        return -1;
    }
}

/* Bits are cleared, in whole pages. */
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size, off64_t off)
{
    const uint8_t *src = buf;
    uint8_t *old;

    if (fd != chip_fd || chip.info.flags & MTD_NO_ERASE)
        return __real_pwrite64(fd, buf, size, off);
    if (size % chip.info.writesize || off % chip.info.writesize) {
        errno = EINVAL;
        return -1;
    }
    old = malloc(size);
    assert_non_null(old);
    assert_int_equal(__real_pread64(fd, old, size, off), size);
    for (size_t i = 0; i < size; i++)
        old[i] &= src[i];
    assert_int_equal(__real_pwrite64(fd, old, size, off), size);
    free(old);
    return (ssize_t)size;
}

static void make_chip(uint8_t type, uint32_t flags, uint32_t page)
{
    uint8_t block[BLOCK] = { 0 };
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(fwrite(block, BLOCK, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    memset(&chip, 0, sizeof chip);
    chip.info = (struct mtd_info_user){ .type = type,
                                        .flags = flags,
                                        .size = BLOCK * COUNT,
                                        .erasesize = BLOCK,
                                        .writesize = page };
    chip.bad = -1;
}

static const struct fp_host_file_config writing = {
    .flags = FP_HOST_FILE_WRITE,
};

static void nor_has_the_geometry_of_the_chip(void **state)
{
    struct fp_host_file file;
    uint8_t buf[4];

    (void)state;
    make_chip(MTD_NORFLASH, MTD_CAP_NORFLASH, 1);
    assert_int_equal(fp_host_file_open(&file, path, &writing), FP_OK);
    assert_int_equal(file.kind, FP_HOST_MTD);
    assert_int_equal(file.bdev.block_size, BLOCK);
    assert_int_equal(file.bdev.block_count, COUNT);
    assert_int_equal(file.bdev.prog_size, 1);
    assert_int_equal(file.bdev.flags, FP_BDEV_REPROG | FP_BDEV_ERASED_FF);

    assert_int_equal(fp_bdev_erase(&file.bdev, 3, 2), FP_OK);
    assert_int_equal(chip.erased, 2 * BLOCK);
    assert_int_equal(fp_bdev_prog(&file.bdev, 3 * BLOCK + 1, "\xf0", 1), FP_OK);
    assert_int_equal(fp_bdev_prog(&file.bdev, 3 * BLOCK + 1, "\x3c", 1), FP_OK);
    assert_int_equal(fp_bdev_read(&file.bdev, 3 * BLOCK - 1, buf, 4), FP_OK);
    assert_memory_equal(buf, "\x00\xff\x30\xff", 4);
    assert_int_equal(fp_bdev_sync(&file.bdev), FP_OK);
    chip.refuses_erase = true;
    assert_int_equal(fp_bdev_erase(&file.bdev, 3, 1), FP_ERR_IO);
    fp_host_file_close(&file);
}

static void nand_is_programmed_by_the_page(void **state)
{
    struct fp_host_file_config cfg = writing;
    struct fp_host_file file;

    (void)state;
    make_chip(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 2048);
    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_OK);
    assert_int_equal(file.bdev.prog_size, 2048);
    assert_int_equal(file.bdev.flags, FP_BDEV_ERASED_FF);
    fp_host_file_close(&file);

    cfg.prog_size = 512;
    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_ERR_INVAL);
    assert_string_equal(fp_host_file_why(&file, FP_ERR_INVAL),
                        "this flash is programmed in pages of 2048 bytes");
}

static void what_is_written_counts_in_blocks_of_the_chip(void **state)
{
    struct fp_host_file_config cfg = { .block_size = BLOCK / 2 };
    struct fp_host_file file;

    (void)state;
    make_chip(MTD_NORFLASH, MTD_CAP_NORFLASH, 1);
    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_OK);
    fp_host_file_close(&file);
    cfg.flags = FP_HOST_FILE_WRITE;
    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_ERR_INVAL);
    assert_non_null(
        strstr(fp_host_file_why(&file, FP_ERR_INVAL), "blocks of 8192"));
    cfg.block_size = BLOCK * 2;
    cfg.offset = BLOCK / 2;
    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_ERR_INVAL);
    cfg.offset = BLOCK;
    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_OK);
    assert_int_equal(fp_bdev_erase(&file.bdev, 1, 1), FP_OK);
    assert_int_equal(chip.erased, 2 * BLOCK);
    fp_host_file_close(&file);
}

static void a_nand_with_a_bad_block_is_refused(void **state)
{
    struct fp_host_file file;

    (void)state;
    make_chip(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 2048);
    chip.bad = 7;
    assert_int_equal(fp_host_file_open(&file, path, NULL), FP_ERR_NOTSUP);
    assert_memory_equal(fp_host_file_why(&file, FP_ERR_NOTSUP),
                        "block 7 of this NAND is bad", 27);
}

static void what_the_check_code_cannot_put_right_is_corrupt(void **state)
{
    struct fp_host_file file;
    uint8_t buf[16];

    (void)state;
    make_chip(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 2048);
    chip.failed = 3; /* long ago */
    assert_int_equal(fp_host_file_open(&file, path, NULL), FP_OK);
    assert_int_equal(fp_bdev_read(&file.bdev, 0, buf, 16), FP_OK);
    chip.flips_bits = true;
    assert_int_equal(fp_bdev_read(&file.bdev, 0, buf, 16), FP_ERR_CORRUPT);
    chip.flips_bits = false;
    assert_int_equal(fp_bdev_read(&file.bdev, 0, buf, 16), FP_OK);
    fp_host_file_close(&file);
}

static void what_ubi_has_is_refused(void **state)
{
    struct fp_host_file file;

    (void)state;
    make_chip(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 2048);
    chip.is_ubi = true;
    assert_int_equal(fp_host_file_open(&file, path, NULL), FP_ERR_BUSY);
    assert_string_equal(fp_host_file_why(&file, FP_ERR_BUSY),
                        "UBI uses it as ubi1: detach it first (ubidetach)");
}

static void ram_behind_the_driver_is_overwritten(void **state)
{
    struct fp_host_file file;

    (void)state;
    make_chip(MTD_RAM, MTD_CAP_RAM, 1);
    assert_int_equal(fp_host_file_open(&file, path, &writing), FP_OK);
    assert_int_equal(file.bdev.flags, FP_BDEV_OVERWRITE | FP_BDEV_ERASED_FF);
    assert_int_equal(fp_bdev_erase(&file.bdev, 0, 1), FP_OK);
    assert_int_equal(chip.erased, 0);
    assert_int_equal(fp_bdev_sync(&file.bdev), FP_OK);
    fp_host_file_close(&file);
}

static void a_filesystem_lives_on_it(void **state)
{
    const struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                               .fs = "littlefs" };
    struct fp_host_image image;
    struct fp_host_file file;
    struct fp_stat st;

    (void)state;
    make_chip(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 2048);
    assert_int_equal(fp_host_file_open(&file, path, &writing), FP_OK);
    assert_int_equal(fp_host_volume_format(&file.bdev, &cfg), FP_OK);
    fp_host_file_close(&file);
    assert_int_equal(fp_host_image_open(&image, path, &writing, &cfg), FP_OK);
    assert_int_equal(fp_fs_mkdir(&image.vol.mnt, "/made"), FP_OK);
    assert_int_equal(fp_host_image_close(&image), FP_OK);
    assert_int_equal(fp_host_image_open(&image, path, NULL, &cfg), FP_OK);
    assert_int_equal(fp_fs_stat(&image.vol.mnt, "/made", &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_DIR);
    assert_int_equal(fp_host_image_close(&image), FP_OK);
}

static int make_path(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nor_has_the_geometry_of_the_chip),
        cmocka_unit_test(nand_is_programmed_by_the_page),
        cmocka_unit_test(what_is_written_counts_in_blocks_of_the_chip),
        cmocka_unit_test(a_nand_with_a_bad_block_is_refused),
        cmocka_unit_test(what_the_check_code_cannot_put_right_is_corrupt),
        cmocka_unit_test(what_ubi_has_is_refused),
        cmocka_unit_test(ram_behind_the_driver_is_overwritten),
        cmocka_unit_test(a_filesystem_lives_on_it),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
