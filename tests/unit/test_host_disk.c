/* SPDX-License-Identifier: MIT
 *
 * Raw disks and partitions: a loop device of the kernel's, with partitions,
 * mounts and swap as people have them. It takes root and loop devices; without
 * them the tests are skipped.
 */
#include "core/host/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SECTOR      512
#define PART1_START 2048
#define PART1_COUNT 8192
#define PART2_START 12288
#define PART2_COUNT 12288
#define DISK_SIZE   (16 << 20)

static char dir[] = "/tmp/fp-disk-XXXXXX";
static char image[64], disk[32], part1[48], part2[48], mountpoint[64];

static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool run(const char *format, ...)
{
    char command[512];
    va_list args;
    int status;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    status = system(command);
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* They outlive what is attached, even of a test that was killed. */
static void drop_partitions(void)
{
    if (disk[0])
        run("{ delpart %s 1; delpart %s 2; } 2>/dev/null", disk, disk);
}

static void attach(void)
{
    char command[128];
    FILE *out;

    snprintf(command, sizeof command, "losetup -f --show %s 2>/dev/null",
             image);
    out = popen(command, "r");
    if (!out || !fgets(disk, sizeof disk, out))
        disk[0] = 0;
    if (out)
        pclose(out);
    disk[strcspn(disk, "\n")] = 0;
    snprintf(part1, sizeof part1, "%sp1", disk);
    snprintf(part2, sizeof part2, "%sp2", disk);
    /* As a kernel does that reads partition tables. */
    drop_partitions();
    if (disk[0] &&
        (!run("addpart %s 1 %d %d", disk, PART1_START, PART1_COUNT) ||
         !run("addpart %s 2 %d %d", disk, PART2_START, PART2_COUNT)))
        part1[0] = part2[0] = 0;
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(image, sizeof image, "%s/image", dir);
    snprintf(mountpoint, sizeof mountpoint, "%s/with blank", dir);
    if (mkdir(mountpoint, 0700) != 0 || !run("truncate -s 16M %s", image))
        return -1;
    if (getuid() == 0)
        attach();
    if (!disk[0] || !part1[0])
        print_message("it takes root, loop devices and addpart\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    /* What a test that failed left. */
    while (umount(mountpoint) == 0)
        ;
    if (disk[0])
        run("swapoff %s 2>/dev/null", part2);
    drop_partitions();
    if (disk[0])
        run("losetup -d %s", disk);
    return run("rm -r %s", dir) ? 0 : -1;
}

/* Every test starts with it. */
static void need_disk(void)
{
    if (!disk[0] || !part1[0])
        skip();
}

static void assert_opens(const char *path, uint32_t flags)
{
    const struct fp_host_file_config cfg = { .flags = flags };
    struct fp_host_file file;

    assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_OK);
    fp_host_file_close(&file);
}

/* Neither read nor written, with these words. */
static void assert_busy(const char *path, const char *why)
{
    const uint32_t modes[] = { 0, FP_HOST_FILE_WRITE };

    for (int i = 0; i < 2; i++) {
        const struct fp_host_file_config cfg = { .flags = modes[i] };
        struct fp_host_file file;

        assert_int_equal(fp_host_file_open(&file, path, &cfg), FP_ERR_BUSY);
        assert_string_equal(fp_host_file_why(&file, FP_ERR_BUSY), why);
    }
    assert_opens(path, FP_HOST_FILE_NOLOCK);
}

static int byte_of_image(long off)
{
    FILE *file = fopen(image, "rb");
    int c;

    assert_non_null(file);
    assert_int_equal(fseek(file, off, SEEK_SET), 0);
    c = fgetc(file);
    fclose(file);
    return c;
}

static void a_disk_is_read_programmed_and_erased_to_ff(void **state)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE };
    const long start = PART1_START * SECTOR;
    struct fp_host_file file;
    uint8_t buf[4096];

    (void)state;
    need_disk();
    assert_int_equal(fp_host_file_open(&file, part1, &cfg), FP_OK);
    assert_int_equal(file.kind, FP_HOST_DISK);
    assert_int_equal(file.size, PART1_COUNT * SECTOR);
    assert_int_equal(file.bdev.flags, FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG |
                                          FP_BDEV_ERASED_FF);
    assert_int_equal(fp_bdev_prog(&file.bdev, 4095, "\x01\x02", 2), FP_OK);
    assert_int_equal(fp_bdev_erase(&file.bdev, 2, 1), FP_OK);
    assert_int_equal(fp_bdev_sync(&file.bdev), FP_OK);
    assert_int_equal(byte_of_image(start + 4094), 0);
    assert_int_equal(byte_of_image(start + 4095), 1);
    assert_int_equal(byte_of_image(start + 4096), 2);
    assert_int_equal(byte_of_image(start + 8191), 0);
    assert_int_equal(byte_of_image(start + 8192), 0xff);
    assert_int_equal(byte_of_image(start + 12287), 0xff);
    assert_int_equal(byte_of_image(start + 12288), 0);
    assert_int_equal(fp_bdev_read(&file.bdev, 8192, buf, 4096), FP_OK);
    assert_int_equal(buf[0], 0xff);
    fp_host_file_close(&file);

    assert_int_equal(fp_host_file_open(&file, disk, NULL), FP_OK);
    assert_int_equal(file.size, DISK_SIZE);
    assert_int_equal(fp_bdev_read(&file.bdev, (fp_addr)start + 4095, buf, 2),
                     FP_OK);
    assert_memory_equal(buf, "\x01\x02", 2);
    fp_host_file_close(&file);
}

static void what_is_mounted_is_refused_by_its_name_and_place(void **state)
{
    char why[200];

    (void)state;
    need_disk();
    assert_true(run("mkfs.ext4 -q -F %s", part1));
    assert_int_equal(mount(part1, mountpoint, "ext4", 0, NULL), 0);
    snprintf(why, sizeof why, "%s is mounted on %s: unmount it first", part1,
             mountpoint);
    assert_busy(part1, why);
    assert_busy(disk, why);
    assert_opens(part2, FP_HOST_FILE_WRITE);
    assert_int_equal(umount(mountpoint), 0);
    assert_opens(part1, FP_HOST_FILE_WRITE);
    assert_opens(disk, FP_HOST_FILE_WRITE);
}

static void a_partition_of_a_disk_that_is_mounted_whole_is_refused(void **state)
{
    char why[200];

    (void)state;
    need_disk();
    assert_true(run("mkfs.ext4 -q -F %s", disk));
    assert_int_equal(mount(disk, mountpoint, "ext4", 0, NULL), 0);
    snprintf(why, sizeof why, "%s is mounted on %s: unmount it first", disk,
             mountpoint);
    assert_busy(part2, why);
    assert_int_equal(umount(mountpoint), 0);
}

static void swap_is_refused(void **state)
{
    char why[200];

    (void)state;
    need_disk();
    assert_true(run("mkswap -q %s", part2));
    if (!run("swapon %s", part2))
        skip();
    snprintf(why, sizeof why,
             "the system swaps to %s: end that first (swapoff)", part2);
    assert_busy(part2, why);
    assert_busy(disk, why);
    assert_opens(part1, FP_HOST_FILE_WRITE);
    assert_true(run("swapoff %s", part2));
}

static void nobody_mounts_what_is_open_for_writing(void **state)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE };
    struct fp_host_file file;

    (void)state;
    need_disk();
    assert_true(run("mkfs.ext4 -q -F %s", part1));
    assert_int_equal(fp_host_file_open(&file, disk, &cfg), FP_OK);
    assert_int_equal(mount(part1, mountpoint, "ext4", 0, NULL), -1);
    fp_host_file_close(&file);
    assert_int_equal(mount(part1, mountpoint, "ext4", 0, NULL), 0);
    assert_int_equal(umount(mountpoint), 0);
}

static void who_holds_a_disk_without_mounting_it_is_guessed_at(void **state)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE };
    struct fp_host_file file;
    int fd;

    (void)state;
    need_disk();
    fd = open(disk, O_RDWR | O_EXCL); /* as LVM does */
    assert_true(fd >= 0);
    assert_int_equal(fp_host_file_open(&file, part1, &cfg), FP_ERR_BUSY);
    assert_non_null(strstr(fp_host_file_why(&file, FP_ERR_BUSY), "RAID, LVM"));
    close(fd);
    assert_opens(part1, FP_HOST_FILE_WRITE);
}

static void an_image_file_that_is_mounted_is_not_written(void **state)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE };
    struct fp_host_file file;
    char why[200];

    (void)state;
    need_disk();
    assert_opens(image, FP_HOST_FILE_WRITE);
    assert_true(run("mkfs.ext4 -q -F %s", part1));
    assert_int_equal(mount(part1, mountpoint, "ext4", 0, NULL), 0);
    snprintf(why, sizeof why, "%s is mounted on %s: unmount it first", part1,
             mountpoint);
    assert_int_equal(fp_host_file_open(&file, image, &cfg), FP_ERR_BUSY);
    assert_string_equal(fp_host_file_why(&file, FP_ERR_BUSY), why);
    assert_opens(image, 0);
    assert_int_equal(umount(mountpoint), 0);
}

/* Needs neither root nor disks. */
static void a_lock_names_its_holder(void **state)
{
    struct fp_host_file file;
    char why[200];
    int fd = open(image, O_RDWR);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(fp_host_file_open(&file, image, NULL), FP_ERR_BUSY);
    snprintf(why, sizeof why, "in use by test_host_disk (process %ld)",
             (long)getpid());
    assert_string_equal(fp_host_file_why(&file, FP_ERR_BUSY), why);
    close(fd);
    assert_opens(image, 0);
}

static void what_needs_no_sentence_has_the_words_of_its_error(void **state)
{
    struct fp_host_file file;

    (void)state;
    assert_int_equal(fp_host_file_open(&file, "/nonexistent", NULL),
                     FP_ERR_NOENT);
    assert_string_equal(fp_host_file_why(&file, FP_ERR_NOENT),
                        fp_strerror(FP_ERR_NOENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_is_read_programmed_and_erased_to_ff),
        cmocka_unit_test(what_is_mounted_is_refused_by_its_name_and_place),
        cmocka_unit_test(
            a_partition_of_a_disk_that_is_mounted_whole_is_refused),
        cmocka_unit_test(swap_is_refused),
        cmocka_unit_test(nobody_mounts_what_is_open_for_writing),
        cmocka_unit_test(who_holds_a_disk_without_mounting_it_is_guessed_at),
        cmocka_unit_test(an_image_file_that_is_mounted_is_not_written),
        cmocka_unit_test(a_lock_names_its_holder),
        cmocka_unit_test(what_needs_no_sentence_has_the_words_of_its_error),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
