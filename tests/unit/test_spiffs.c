/* SPDX-License-Identifier: MIT
 *
 * What is particular to the SPIFFS driver: names that become paths, media it
 * refuses, several handles of a file, and that every image of the reference
 * can be gone on with: random changes agree with a model, and the checker that
 * knows nothing of the driver lists just that and finds no fault.
 */
#include "core/bytes.h"
#include "tests/unit/spiffs_support.h"

static const uint32_t CREATE = FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;

/* An empty volume of 24 blocks, mounted. */
static void start(struct spf_image *image, const char *options)
{
    struct fp_fs_config cfg = { .block_size = 4096, .options = options };
    size_t size;

    memset(image, 0, sizeof *image);
    image->size = 24 * 4096;
    image->block_size = 4096;
    image->page_size = 256;
    snprintf(image->options, sizeof image->options, "%s", options);
    image->mem = malloc(image->size);
    assert_non_null(image->mem);
    memset(image->mem, 0xff, image->size);
    fp_bdev_ram_init(&image->ram, 1, 4096, 24, image->mem);
    size = fp_fs_spiffs.workspace(&image->ram.bdev, &cfg);
    image->ws = malloc(size);
    assert_int_equal(
        fp_fs_format(&fp_fs_spiffs, &image->ram.bdev, &cfg, image->ws, size),
        FP_OK);
    assert_int_equal(spf_mount(image, &fp_fs_spiffs, 0), FP_OK);
}

static void remount(struct spf_image *image, uint32_t flags)
{
    if (image->mnt.mounted)
        assert_int_equal(fp_fs_unmount(&image->mnt), FP_OK);
    assert_int_equal(spf_mount(image, &fp_fs_spiffs, flags), FP_OK);
}

static int put(struct fp_mount *mnt, const char *path, const void *data,
               uint32_t size)
{
    struct fp_file file;
    int err = fp_fs_open(mnt, &file, path, CREATE), err2;
    int32_t n;

    if (err)
        return err;
    n = fp_fs_write(&file, data, size);
    err2 = fp_fs_close(&file);
    return n < 0 ? n : err2;
}

/* The names of a directory in order, with a space behind each, and a slash
 * first where it is a directory. */
static void list(struct fp_mount *mnt, const char *path, char *out)
{
    struct fp_dirent entry;
    struct fp_dir dir;

    out[0] = '\0';
    assert_int_equal(fp_fs_opendir(mnt, &dir, path), FP_OK);
    while (fp_fs_readdir(&dir, &entry) == 1)
        sprintf(out + strlen(out), "%s%s ",
                entry.st.type == FP_TYPE_DIR ? "/" : "", entry.name);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);
}

/* Another name of the same length, as another writer might have stored it. */
static void store_name(struct spf_image *image, const char *from,
                       const char *to)
{
    size_t size = strlen(from) + 1;

    assert_int_equal(strlen(to) + 1, size);
    for (uint32_t i = 0; i + size <= image->size; i++)
        if (memcmp(image->mem + i, from, size) == 0) {
            memcpy(image->mem + i, to, size);
            return;
        }
    fail_msg("no %s is stored", from);
}

static void slashes_are_directories(void **state)
{
    struct spf_image v;
    struct fp_file file;
    struct fp_stat st;
    char got[200];

    (void)state;
    start(&v, "meta_len=4");
    assert_int_equal(put(&v.mnt, "/d/e/one", "1", 1), FP_OK);
    assert_int_equal(put(&v.mnt, "/d/two", "22", 2), FP_OK);
    assert_int_equal(put(&v.mnt, "/d/e/three", "333", 3), FP_OK);
    assert_int_equal(put(&v.mnt, "/four", "4444", 4), FP_OK);
    list(&v.mnt, "/", got);
    assert_string_equal(got, "/d four ");
    list(&v.mnt, "/d", got);
    assert_string_equal(got, "/e two ");
    list(&v.mnt, "/d/e", got);
    assert_string_equal(got, "one three ");
    assert_int_equal(fp_fs_stat(&v.mnt, "/d/e", &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_DIR);
    assert_int_equal(fp_fs_stat(&v.mnt, "/d/x", &st), FP_ERR_NOENT);
    assert_int_equal(fp_fs_stat(&v.mnt, "/four/x", &st), FP_ERR_NOTDIR);

    assert_int_equal(fp_fs_mkdir(&v.mnt, "/m"), FP_ERR_NOTSUP);
    assert_int_equal(put(&v.mnt, "/d/e", "", 0), FP_ERR_ISDIR);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/four/x", CREATE),
                     FP_ERR_NOTDIR);
    assert_int_equal(fp_fs_remove(&v.mnt, "/d/e"), FP_ERR_NOTEMPTY);
    assert_int_equal(fp_fs_rename(&v.mnt, "/d", "/g", 0), FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_rename(&v.mnt, "/four", "/d", 0), FP_ERR_ISDIR);
    assert_int_equal(fp_fs_rename(&v.mnt, "/d/e/one", "/h/i", 0), FP_OK);
    assert_int_equal(fp_fs_remove(&v.mnt, "/d/e/three"), FP_OK);
    list(&v.mnt, "/d", got);
    assert_string_equal(got, "two ");
    remount(&v, 0);
    list(&v.mnt, "/h", got);
    assert_string_equal(got, "i ");

    /* With the slash that every name has. */
    remount(&v, FP_MOUNT_STORED);
    list(&v.mnt, "/", got);
    assert_string_equal(got, "/d/two /four /h/i ");
    spf_free(&v);
}

static void every_stored_name_is_a_path(void **state)
{
    static const struct {
        const char *stored, *dir, *shown;
    } names[] = {
        { "/abc.e", "/%", "abc.e" },    { "plain.", "/", "plain." },
        { "a//b.c", "/a/%", "b.c" },    { "./abc.", "/%2E", "abc." },
        { "../abc", "/%2E%2E", "abc" }, { "100.5%", "/", "100.5%25" },
        { "5%25.c", "/", "5%2525.c" },  { "5%2E.c", "/", "5%252E.c" },
        { "5%2F.c", "/", "5%2F.c" },    { "%%%%25", "/", "%%%%2525" },
        { "ends./", "/ends.", "%" },
    };
    const uint32_t count = sizeof names / sizeof *names;
    struct spf_image v;
    char path[100], got[500], want[20];

    (void)state;
    start(&v, "meta_len=4");
    assert_int_equal(put(&v.mnt, "/keep", "x", 1), FP_OK);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/name%u%u", i / 10, i % 10);
        assert_int_equal(put(&v.mnt, path, path, i + 1), FP_OK);
    }
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    for (uint32_t i = 0; i < count; i++) {
        char stored[20];

        snprintf(path, sizeof path, "/name%u%u", i / 10, i % 10);
        snprintf(stored, sizeof stored, "%s%c", names[i].stored, 0);
        /* One byte shorter: what follows its end does not count. */
        for (uint32_t at = 0; at + 8 <= v.size; at++)
            if (memcmp(v.mem + at, path, 8) == 0)
                memcpy(v.mem + at, stored, 7);
    }
    remount(&v, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct fp_stat st;

        list(&v.mnt, names[i].dir, got);
        snprintf(want, sizeof want, "%s ", names[i].shown);
        if (!strstr(got, want))
            fail_msg("%s is not in %s: %s", names[i].stored, names[i].dir, got);
        snprintf(path, sizeof path, "%s/%s",
                 strcmp(names[i].dir, "/") ? names[i].dir : "", names[i].shown);
        assert_int_equal(fp_fs_stat(&v.mnt, path, &st), FP_OK);
        assert_int_equal(st.size, i + 1);
    }
    /* A path that no name is shown as names nothing, and cannot be made. */
    assert_int_equal(put(&v.mnt, "/a%2Eb", "", 0), FP_ERR_INVAL);
    assert_int_equal(put(&v.mnt, "/ab%", "", 0), FP_ERR_INVAL);
    assert_int_equal(fp_fs_stat(&v.mnt, "/ab%", &(struct fp_stat){ 0 }),
                     FP_ERR_NOENT);
    assert_int_equal(put(&v.mnt, "/a/%2E%2E/%2E", "", 0), FP_OK);
    list(&v.mnt, "/a", got);
    assert_non_null(strstr(got, "/%2E%2E "));
    spf_free(&v);
}

static void a_file_that_is_a_directory_too_is_marked(void **state)
{
    struct spf_image v;
    struct fp_stat st;
    char got[100];

    (void)state;
    start(&v, "meta_len=4");
    assert_int_equal(put(&v.mnt, "/ab", "file", 4), FP_OK);
    assert_int_equal(put(&v.mnt, "/xy/c", "in", 2), FP_OK);
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    store_name(&v, "/xy/c", "/ab/c");
    remount(&v, 0);
    list(&v.mnt, "/", got);
    assert_string_equal(got, "ab% /ab ");
    assert_int_equal(fp_fs_stat(&v.mnt, "/ab", &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_DIR);
    assert_int_equal(fp_fs_stat(&v.mnt, "/ab%", &st), FP_OK);
    assert_int_equal(st.size, 4);
    assert_int_equal(put(&v.mnt, "/ab%", "longer", 6), FP_OK);
    assert_int_equal(fp_fs_stat(&v.mnt, "/ab%", &st), FP_OK);
    assert_int_equal(st.size, 6);
    assert_int_equal(fp_fs_remove(&v.mnt, "/ab/c"), FP_OK);
    list(&v.mnt, "/", got);
    assert_string_equal(got, "ab ");
    spf_free(&v);
}

static void media_that_cannot_be_reprogrammed_are_read_only(void **state)
{
    struct spf_image v;
    struct fp_fs_config cfg = { .block_size = 4096, .options = "meta_len=4" };
    struct fp_mount mnt;

    (void)state;
    start(&v, "meta_len=4");
    assert_int_equal(put(&v.mnt, "/f", "x", 1), FP_OK);
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    v.ram.bdev.flags &= ~(uint32_t)FP_BDEV_REPROG;
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_spiffs, &v.ram.bdev, &cfg, v.ws, 1 << 20),
        FP_ERR_NOTSUP);
    cfg.flags = FP_MOUNT_RDONLY;
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_spiffs, &v.ram.bdev, &cfg, v.ws, 1 << 20),
        FP_OK);
    assert_int_equal(fp_fs_unmount(&mnt), FP_OK);
    spf_free(&v);
}

static void handles_of_one_file_keep_to_their_rules(void **state)
{
    struct spf_image v;
    struct fp_file a, b;
    char buf[4];

    (void)state;
    start(&v, "meta_len=4");
    assert_int_equal(put(&v.mnt, "/f", "old", 3), FP_OK);
    assert_int_equal(fp_fs_open(&v.mnt, &a, "/f", FP_O_READ | FP_O_WRITE), 0);
    assert_int_equal(fp_fs_open(&v.mnt, &b, "/f", FP_O_READ | FP_O_WRITE), 0);
    assert_int_equal(fp_fs_write(&a, "new", 3), 3);
    assert_int_equal(fp_fs_read(&b, buf, 3), 3);
    assert_memory_equal(buf, "old", 3);
    assert_int_equal(fp_fs_write(&b, "x", 1), FP_ERR_BUSY);
    assert_int_equal(fp_fs_rename(&v.mnt, "/f", "/g", 0), FP_ERR_BUSY);
    assert_int_equal(fp_fs_fsync(&a), FP_OK);
    assert_int_equal(fp_fs_seek(&b, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_read(&b, buf, 3), 3);
    assert_memory_equal(buf, "new", 3);
    assert_int_equal(fp_fs_rename(&v.mnt, "/f", "/g", 0), FP_OK);
    assert_int_equal(fp_fs_seek(&b, 0, FP_SEEK_SET), 0);
    assert_int_equal(fp_fs_write(&b, "N", 1), 1);
    assert_int_equal(fp_fs_close(&b), FP_OK);
    assert_int_equal(fp_fs_remove(&v.mnt, "/g"), FP_OK);
    assert_int_equal(fp_fs_read(&a, buf, 1), FP_ERR_STALE);
    assert_int_equal(fp_fs_write(&a, buf, 1), FP_ERR_STALE);
    assert_int_equal(fp_fs_close(&a), FP_OK);
    spf_free(&v);
}

/* Its one file, of id 1, gets another id, as a writer that counts on might have
 * given it. */
static void store_id(struct spf_image *image, uint32_t to)
{
    for (uint32_t page = 0; page < image->size; page += image->page_size) {
        bool is_table = page % image->block_size == 0;
        uint32_t size = is_table ? image->page_size : 4;

        for (uint8_t *at = image->mem + page; size > 0; at += 4, size -= 4)
            if ((fp_get_le32(at) & INT32_MAX) == 1)
                fp_put_le32(at, fp_get_le32(at) - 1 + to);
    }
}

static void an_id_of_any_size_can_be_written_to(void **state)
{
    struct spf_image v;
    static const uint8_t some[3000];
    struct fp_file file, staged;
    char buf[7];

    (void)state;
    start(&v, "id_bytes=4");
    assert_int_equal(put(&v.mnt, "/f", "before", 6), FP_OK);
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    store_id(&v, INT32_MAX - 1);
    remount(&v, 0);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/f", FP_O_READ | FP_O_WRITE),
                     FP_OK);
    assert_int_equal(fp_fs_write(&file, "af", 2), 2);
    /* What is left of a staged file is looked for while the other is open. */
    assert_int_equal(fp_fs_open(&v.mnt, &staged, "/g", CREATE | FP_O_STAGE), 0);
    assert_int_equal(fp_fs_write(&staged, some, sizeof some), sizeof some);
    assert_int_equal(fp_fs_close(&staged), FP_OK);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    remount(&v, 0);
    assert_int_equal(fp_fs_open(&v.mnt, &file, "/f", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, buf, sizeof buf), 6);
    assert_memory_equal(buf, "affore", 6);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_remove(&v.mnt, "/f"), FP_OK);
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    spf_free(&v);
}

/* --- a model --- */

#define FILES 40

static struct {
    char path[40];
    uint8_t *data;
    uint32_t size;
} files[FILES];
static uint32_t file_count;

static uint32_t random_below(uint32_t n)
{
    static uint32_t x = 2463534242u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x % n;
}

static void forget(uint32_t i)
{
    free(files[i].data);
    files[i] = files[--file_count];
}

static void grow(uint32_t i, uint32_t size)
{
    files[i].data = realloc(files[i].data, size + 1);
    assert_non_null(files[i].data);
    if (size > files[i].size)
        memset(files[i].data + files[i].size, 0, size - files[i].size);
    files[i].size = size;
}

static void collect(struct fp_mount *mnt, const char *dir)
{
    struct fp_dirent entry;
    struct fp_dir d;

    assert_int_equal(fp_fs_opendir(mnt, &d, dir), FP_OK);
    while (fp_fs_readdir(&d, &entry) == 1) {
        struct fp_file file;
        char path[300];

        snprintf(path, sizeof path, "%s/%s", strcmp(dir, "/") ? dir : "",
                 entry.name);
        if (entry.st.type == FP_TYPE_DIR) {
            /* Nowhere in the images does one lie deeper. */
            if (strlen(path) < 20)
                collect(mnt, path);
            continue;
        }
        if (fp_fs_open(mnt, &file, path, FP_O_READ) != FP_OK)
            continue;
        if (file_count < FILES && strlen(path) < sizeof files[0].path) {
            uint32_t i = file_count++;

            strcpy(files[i].path, path);
            files[i].data = NULL;
            files[i].size = 0;
            grow(i, (uint32_t)entry.st.size);
            /* What a cut spoilt stays as the reference left it. */
            if (fp_fs_read(&file, files[i].data, files[i].size) !=
                (int32_t)files[i].size)
                forget(i);
        }
        fp_fs_close(&file);
    }
    assert_int_equal(fp_fs_closedir(&d), FP_OK);
}

static void compare(struct spf_image *v)
{
    static uint8_t buf[1 << 17];

    for (uint32_t i = 0; i < file_count; i++) {
        struct fp_file file;

        assert_int_equal(fp_fs_open(&v->mnt, &file, files[i].path, FP_O_READ),
                         FP_OK);
        assert_int_equal(fp_fs_read(&file, buf, sizeof buf), files[i].size);
        assert_memory_equal(buf, files[i].data, files[i].size);
        fp_fs_close(&file);
    }
}

/* The whole of a file anew, staged or not; in the model only if it worked. */
static int replace(struct fp_mount *mnt, uint32_t i, uint32_t size, bool staged)
{
    uint8_t *data = malloc(size + 1);
    struct fp_file file;
    int err = fp_fs_open(mnt, &file, files[i].path,
                         CREATE | (staged ? FP_O_STAGE : 0));
    int32_t n = 0;

    assert_non_null(data);
    for (uint32_t k = 0; k < size; k++)
        data[k] = (uint8_t)random_below(256);
    if (!err) {
        n = fp_fs_write(&file, data, size);
        err = n < 0 ? n : staged ? fp_fs_commit(&file, NULL) : FP_OK;
        n = fp_fs_close(&file);
        err = err ? err : n;
    }
    if (!err) {
        free(files[i].data);
        files[i].data = data;
        files[i].size = size;
    } else {
        free(data);
    }
    return err;
}

static int create(struct fp_mount *mnt, uint32_t size)
{
    static uint32_t number;
    int err;

    if (file_count == FILES)
        return FP_OK;
    memset(&files[file_count], 0, sizeof files[0]);
    snprintf(files[file_count].path, sizeof files[0].path, "/%s%u",
             number % 3 ? "new" : "sub/new", number);
    number++;
    err = replace(mnt, file_count, size, random_below(2));
    file_count += err == FP_OK;
    return err;
}

static int rename_one(struct fp_mount *mnt, uint32_t i)
{
    uint32_t k = random_below(file_count);
    int err = fp_fs_rename(mnt, files[i].path, files[k].path, 0);

    if (err || i == k)
        return err;
    strcpy(files[i].path, files[k].path);
    forget(k);
    return FP_OK;
}

/* Writes into, truncates or appends; on a full volume nothing changes. */
static int change(struct fp_mount *mnt, uint32_t i, uint32_t how, uint32_t n)
{
    uint32_t at = how == 0 ? files[i].size : random_below(files[i].size + 1);
    struct fp_file file;
    int err = fp_fs_open(mnt, &file, files[i].path,
                         FP_O_WRITE | (how == 0 ? FP_O_APPEND : 0));
    uint8_t *data = malloc(n + 1);
    int err2;

    assert_int_equal(err, FP_OK);
    assert_non_null(data);
    for (uint32_t k = 0; k < n; k++)
        data[k] = (uint8_t)random_below(256);
    if (how == 2) {
        err = fp_fs_truncate(&file, at);
    } else {
        assert_int_equal(fp_fs_seek(&file, at, FP_SEEK_SET), at);
        err = fp_fs_write(&file, data, n);
        err = err < 0 ? err : FP_OK;
    }
    err2 = fp_fs_close(&file);
    err = err ? err : err2;
    if (!err && how == 2)
        grow(i, at);
    if (!err && how != 2) {
        if (at + n > files[i].size)
            grow(i, at + n);
        memcpy(files[i].data + at, data, n);
    }
    free(data);
    return err;
}

static int step(struct spf_image *v)
{
    uint32_t size = random_below(8) ? random_below(700) : random_below(9000);
    uint32_t what = random_below(10), i;

    if (file_count < 3 || what == 0)
        return create(&v->mnt, size);
    i = random_below(file_count);
    if (what == 1) {
        int err = fp_fs_remove(&v->mnt, files[i].path);

        if (!err)
            forget(i);
        return err;
    }
    if (what == 2)
        return rename_one(&v->mnt, i);
    if (what < 5)
        return replace(&v->mnt, i, size, what == 4);
    return change(&v->mnt, i, what % 3, size);
}

/* What the checker lists is what the model has. */
static void assert_listed(struct spf_image *v)
{
    json_t *got = spf_check(v, true), *row;
    uint32_t readable = 0;
    size_t n;

    json_array_foreach(json_object_get(got, "files"), n, row)
    {
        json_t *sha = json_object_get(row, "sha256");
        bool known = false;

        for (uint32_t i = 0; sha && i < file_count; i++) {
            char hex[65];

            if (spf_digest(&v->mnt, files[i].path, hex) >= 0)
                known |= !strcmp(hex, json_string_value(sha));
        }
        readable += known;
    }
    assert_true(readable >= file_count);
    json_decref(got);
}

static uint32_t steps, full, images;

static void can_be_gone_on_with(struct spf_image *v)
{
    if (!spf_is_volume(v))
        return;
    /* Which of its files a cut had spoilt is for the reference to say, and the
     * checker counts what it had left. */
    assert_int_equal(spf_mount(v, &fp_fs_spiffs, 0), FP_OK);
    collect(&v->mnt, "/");
    for (uint32_t i = 0; i < 200; i++) {
        int err = step(v);

        if (err && err != FP_ERR_NOSPC)
            fail_msg("%s: step %u: %s", v->name, i, fp_strerror(err));
        full += err == FP_ERR_NOSPC;
        steps++;
        if (i % 20 == 19)
            compare(v);
        if (i % 50 == 49)
            remount(v, 0);
    }
    compare(v);
    if (strstr(v->name, "_pl_") == NULL)
        assert_listed(v);
    while (file_count > 0)
        forget(0);
    assert_int_equal(fp_fs_unmount(&v->mnt), FP_OK);
    images++;
}

static void every_image_can_be_written_to(void **state)
{
    (void)state;
    spf_each(can_be_gone_on_with);
    print_message("%u images, %u random steps, %u found no space\n", images,
                  steps, full);
    assert_true(images > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slashes_are_directories),
        cmocka_unit_test(every_stored_name_is_a_path),
        cmocka_unit_test(a_file_that_is_a_directory_too_is_marked),
        cmocka_unit_test(media_that_cannot_be_reprogrammed_are_read_only),
        cmocka_unit_test(handles_of_one_file_keep_to_their_rules),
        cmocka_unit_test(an_id_of_any_size_can_be_written_to),
        cmocka_unit_test(every_image_can_be_written_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
