/* SPDX-License-Identifier: MIT
 *
 * FAT with the tools of others: what we wrote dosfstools finds in order and
 * mtools reads as we do; what they made we read and write. And a card of
 * 128 GiB, a sparse file.
 */
#include "core/host/file.h"
#include "tests/unit/fat_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/fat-XXXXXX";
static char image[64];

static int run(const char *format, const char *arg)
{
    char command[1000];

    snprintf(command, sizeof command, format, image, arg);
    return system(command);
}

static void must_run(const char *format, const char *arg)
{
    if (run(format, arg))
        fail_msg("%s, %s", format, arg);
}

/* An image file of that size, without a byte in it. */
static void make_file(uint64_t size)
{
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

struct vol {
    struct fp_host_file file;
    struct fp_mount mnt;
};

static void vol_open(struct vol *v, uint32_t sector)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE,
                                             .prog_size = sector,
                                             .block_size = sector };

    fat_ok(fp_host_file_open(&v->file, image, &cfg), image);
    fat_ok(fat_mount(&v->mnt, &v->file.bdev, NULL), "mount");
}

static void vol_close(struct vol *v)
{
    fat_unmount(&v->mnt);
    fp_host_file_close(&v->file);
}

static void vol_format(uint64_t size, uint32_t sector, const char *options)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE,
                                             .prog_size = sector,
                                             .block_size = sector };
    const struct fp_fs_config fs = { .options = options };
    struct fp_host_file file;
    size_t ws_size;
    void *ws;

    make_file(size);
    fat_ok(fp_host_file_open(&file, image, &cfg), image);
    ws_size = fp_fs_fat.workspace(&file.bdev, &fs);
    ws = malloc(ws_size);
    assert_non_null(ws);
    fat_ok(fp_fs_format(&fp_fs_fat, &file.bdev, &fs, ws, ws_size), options);
    free(ws);
    fp_host_file_close(&file);
}

static void fsck(const char *when)
{
    must_run("/usr/sbin/fsck.fat -n %s >&2 # %s", when);
}

static uint32_t next_random(void)
{
    static uint32_t x = 20250101;

    x = x * 1664525 + 1013904223;
    return x >> 8;
}

/* mcopy's idea of the whole volume, as a tree of ours. */
static void add_copied(json_t *tree, const char *host, const char *path)
{
    char line[2000], command[2048];
    FILE *list;

    snprintf(command, sizeof command,
             "cd %s && find . -mindepth 1 -type d -printf '%%P\\n'", host);
    list = popen(command, "r");
    while (fgets(line, sizeof line, list)) {
        char name[2100];

        line[strcspn(line, "\n")] = '\0';
        snprintf(name, sizeof name, "%s/%s", path, line);
        json_object_set_new(tree, name, json_pack("{s:s}", "type", "dir"));
    }
    pclose(list);
    snprintf(command, sizeof command,
             "cd %s && find . -type f -printf '%%s %%P\\n' | while read s f; "
             "do echo \"$s $(sha256sum \"$f\" | cut -c1-64) $f\"; done",
             host);
    list = popen(command, "r");
    while (fgets(line, sizeof line, list)) {
        char name[2100], sha[65];
        int size, at;

        line[strcspn(line, "\n")] = '\0';
        assert_int_equal(sscanf(line, "%d %64s %n", &size, sha, &at), 2);
        snprintf(name, sizeof name, "%s/%s", path, line + at);
        json_object_set_new(tree, name,
                            json_pack("{s:s,s:i,s:s}", "type", "file", "size",
                                      size, "sha256", sha));
    }
    pclose(list);
}

/* mtools and we find the same. */
static void compare_with_mtools(struct fp_mount *mnt)
{
    json_t *got = fat_tree(mnt), *want = json_object();
    char host[100];

    snprintf(host, sizeof host, "%s/copy", dir);
    must_run(": %s; rm -rf %s", host);
    assert_int_equal(mkdir(host, 0700), 0);
    if (json_object_size(got))
        must_run("LC_ALL=C.UTF-8 mcopy -snmi %s :: %s", host);
    add_copied(want, host, "");
    fat_assert_same("mtools", got, want);
    json_decref(got);
    json_decref(want);
}

/* None beyond 16 bits: mtools has no surrogate pairs. */
static const char *const names[] = {
    "README.TXT",
    "lower.txt",
    "Mixed Case.Text",
    "no extension at all",
    "a.b.c.d",
    ".profile",
    "UPPER.low",
    "\xc3\xa9t\xc3\xa9.txt",
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
    "x+y=z;[1].tar.gz",
    "LONGFILENAME1.TXT",
    "longfilename2.txt",
    "longfilename3.txt",
    "A name so long that it takes more than one sector of "
    "sixteen entries to hold all of its parts, because each part has only "
    "thirteen characters and there are so very many of them here, in this name "
    "as it stands now.xyz",
};

#define NAME_COUNT (sizeof names / sizeof names[0])

static void random_path(char *path)
{
    uint32_t depth = next_random() % 3;

    path[0] = '\0';
    for (uint32_t i = 0; i < depth; i++)
        sprintf(path + strlen(path), "/dir %u", next_random() % 3);
    if (next_random() % 3)
        sprintf(path + strlen(path), "/%s", names[next_random() % NAME_COUNT]);
    else
        sprintf(path + strlen(path), "/file number %u", next_random() % 40);
}

static void random_write(struct fp_mount *mnt, const char *path)
{
    static uint8_t buf[9000];
    uint32_t kind = next_random() % 5, size = next_random() % sizeof buf;
    uint32_t flags = FP_O_WRITE | FP_O_CREATE;
    struct fp_file file;

    if (kind == 0)
        flags |= FP_O_APPEND;
    if (kind > 2)
        flags |= FP_O_TRUNC;
    if (kind == 4)
        flags |= FP_O_STAGE;
    for (uint32_t i = 0; i < size; i++)
        buf[i] = (uint8_t)next_random();
    if (fp_fs_open(mnt, &file, path, flags))
        return;
    if (kind == 1)
        fp_fs_seek(&file, next_random() % 20000, FP_SEEK_SET);
    if (kind == 2)
        fp_fs_truncate(&file, next_random() % 20000);
    fp_fs_write(&file, buf, size);
    if (kind == 4)
        fp_fs_commit(&file, NULL);
    fp_fs_close(&file);
}

static void random_change(struct fp_mount *mnt)
{
    char path[400], to[400];

    random_path(path);
    switch (next_random() % 8) {
    case 0:
    case 1:
        sprintf(path, "/dir %u", next_random() % 3);
        if (next_random() % 2)
            sprintf(path + strlen(path), "/dir %u", next_random() % 3);
        fp_fs_mkdir(mnt, path);
        break;
    case 2:
        fp_fs_remove(mnt, path);
        break;
    case 3:
        random_path(to);
        fp_fs_rename(mnt, path, to, 0);
        break;
    default:
        random_write(mnt, path);
    }
}

static void print_finding(void *ctx, enum fp_finding_level level,
                          uint32_t block, const char *text)
{
    (void)ctx;
    print_error("level %d, sector %u: %s\n", (int)level, block, text);
}

static void what_we_write_is_in_order(void **state)
{
    static const struct {
        uint64_t size;
        uint32_t sector;
        const char *options;
    } cards[] = {
        { 256 << 10, 512, "label=TINY" },
        { 1440 << 10, 512, "fats=1,root=112" },
        { 2 << 20, 4096, NULL },
        { 1 << 20, 1024, "cluster=4096" },
        { 2200000, 512, "bits=16,cluster=512,label=middle" },
        { 300 << 20, 512, NULL },
        { 34 << 20, 512, "bits=32,cluster=512,label=large" },
        { 5ll << 30, 2048, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        struct fp_step step;
        struct vol v;

        vol_format(cards[i].size, cards[i].sector, cards[i].options);
        fsck("formatted");
        for (int round = 0; round < 3; round++) {
            vol_open(&v, cards[i].sector);
            for (int n = 0; n < 120; n++)
                random_change(&v.mnt);
            fat_ok(fp_fs_sync(&v.mnt), "sync");
            compare_with_mtools(&v.mnt);
            step = (struct fp_step){ .kind = FP_STEP_CHECK,
                                     .on_finding = print_finding };
            while (cards[i].size < 1 << 30 && !step.done)
                fat_ok(fp_fs_step(&v.mnt, &step), "check");
            assert_int_equal(step.errors + step.warnings + step.pending, 0);
            vol_close(&v);
            fsck("written");
        }
    }
}

static void what_others_made_is_read_and_written(void **state)
{
    static const char *const makes[] = {
        "-F 12 -n FLOPPY -C %s 1440",  "-F 16 -s 1 -C %s 4500",
        "-F 32 -s 1 -C %s 34000",      "-F 12 -S 4096 -C %s 1024",
        "-F 16 -f 1 -r 64 -C %s 9000",
    };

    (void)state;
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) {
        char format[200], host[100];
        struct vol v;

        unlink(image);
        snprintf(format, sizeof format,
                 "/usr/sbin/mkfs.fat %s >/dev/null # %%s", makes[i]);
        must_run(format, "");
        snprintf(host, sizeof host, "%s/made", dir);
        must_run(": %s; rm -rf %s", host);
        must_run(": %s; mkdir -p %s", host);
        must_run(
            ": %s; cd %s && mkdir -p 'Long directory/SUB' && "
            "seq 3000 >'Long directory/SUB/numbers' && "
            "seq 500 >A.TXT && seq 7 >'\xc3\xa4 \xce\xb2.text' && : >empty",
            host);
        must_run("LC_ALL=C.UTF-8 mcopy -snmi %s %s/* ::", host);
        vol_open(&v, i == 3 ? 4096 : 512);
        compare_with_mtools(&v.mnt);
        for (int n = 0; n < 60; n++)
            random_change(&v.mnt);
        fat_ok(fp_fs_sync(&v.mnt), "sync");
        compare_with_mtools(&v.mnt);
        vol_close(&v);
        fsck("written");
    }
}

/* A card of 128 GiB: formatted, mounted, filled and listed with what a small
 * one takes. */
static void a_card_of_128_gib_takes_little(void **state)
{
    const uint64_t size = 128ull << 30;
    static uint8_t buf[1 << 16];
    struct fp_step gc = { .kind = FP_STEP_GC };
    struct fp_statfs st;
    struct fp_file file;
    struct fp_dirent entry;
    struct fp_dir list;
    struct vol v;
    char path[64];
    int got, count = 0;

    (void)state;
    vol_format(size, 512, "label=BIG");
    vol_open(&v, 512);
    assert_in_range(v.mnt.ws_size, 1, 8192);
    fat_ok(fp_fs_statfs(&v.mnt, &st), "statfs");
    assert_string_equal(st.version, "32");
    assert_int_equal(st.size, size);
    assert_true(st.free > size - (64 << 20));
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "/picture number %d.jpg", i);
        fat_ok(fp_fs_open(&v.mnt, &file, path,
                          FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
               path);
        fat_ok(fp_fs_write(&file, buf, sizeof buf), path);
        fat_ok(fp_fs_close(&file), path);
    }
    fat_ok(fp_fs_open(&v.mnt, &file, "/last", FP_O_WRITE | FP_O_CREATE),
           "last");
    assert_int_equal(fp_fs_reserve(&file, UINT32_MAX), FP_OK);
    fat_ok(fp_fs_write(&file, "x", 1), "last");
    fat_ok(fp_fs_close(&file), "last");
    fat_ok(fp_fs_opendir(&v.mnt, &list, "/"), "/");
    while ((got = fp_fs_readdir(&list, &entry)) == 1)
        count++;
    fat_ok(got, "/");
    fat_ok(fp_fs_closedir(&list), "/");
    assert_int_equal(count, 301);
    vol_close(&v);

    /* Without the hint the free space is counted, in slices. */
    must_run("printf '\\377\\377\\377\\377' | "
             "dd of=%s bs=1 seek=1000 conv=notrunc status=none # %s",
             "");
    vol_open(&v, 512);
    fat_ok(fp_fs_statfs(&v.mnt, &st), "statfs");
    assert_true(st.free < size / 2);
    while (!gc.done)
        fat_ok(fp_fs_step(&v.mnt, &gc), "gc");
    fat_ok(fp_fs_statfs(&v.mnt, &st), "statfs");
    assert_true(st.free > size - (84 << 20));
    vol_close(&v);
    fsck("big");
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(image, sizeof image, "%s/image", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return run(": %s; rm -rf %s", dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_write_is_in_order),
        cmocka_unit_test(what_others_made_is_read_and_written),
        cmocka_unit_test(a_card_of_128_gib_takes_little),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
