/* SPDX-License-Identifier: MIT
 *
 * Images with bytes changed where it hurts most, in lookup tables, page headers
 * and index headers: whatever they hold now is read, checked, written to and
 * repaired, or refused. Nothing is asked of the content; a sanitizer, the bounds
 * of the device and an end in time are what is tried. A reader writes nothing.
 */
#include "tests/unit/spiffs_support.h"

#define COPIES 60

static uint32_t state_x = 88172645u;

static uint32_t random_below(uint32_t n)
{
    state_x ^= state_x << 13;
    state_x ^= state_x >> 17;
    state_x ^= state_x << 5;
    return state_x % n;
}

/* One change: in a lookup table, in a page header or what follows it, or
 * anywhere; a bit, a byte, or what another page has there. */
static void mutate(struct spf_image *v)
{
    static const uint8_t bytes[] = { 0, 0xff, 0x80, 0x7f, 1, '/', '%' };
    uint32_t page = random_below(v->size / v->page_size) * v->page_size, at;

    switch (random_below(4)) {
    case 0:
        at = page - page % v->block_size + random_below(48);
        break;
    case 1:
        at = page + random_below(9);
        break;
    case 2:
        at = page + random_below(64);
        break;
    default:
        at = random_below(v->size);
    }
    switch (random_below(3)) {
    case 0:
        v->mem[at] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1:
        v->mem[at] = bytes[random_below(sizeof bytes)];
        break;
    default:
        v->mem[at] = v->mem[(at + v->page_size) % v->size];
    }
}

static void read_all(struct fp_mount *mnt, const char *path, int depth)
{
    struct fp_dirent entry;
    struct fp_dir dir;

    if (fp_fs_opendir(mnt, &dir, path) != FP_OK)
        return;
    for (int n = 0; n < 300 && fp_fs_readdir(&dir, &entry) == 1; n++) {
        char below[1200], hex[65];

        assert_int_equal(strlen(entry.name), entry.name_len);
        assert_null(strchr(entry.name, '/'));
        snprintf(below, sizeof below, "%s/%s", strcmp(path, "/") ? path : "",
                 entry.name);
        if (entry.st.type == FP_TYPE_FILE)
            (void)spf_digest(mnt, below, hex);
        else if (depth < 4)
            read_all(mnt, below, depth + 1);
    }
    fp_fs_closedir(&dir);
}

static void step_all(struct fp_mount *mnt, enum fp_step_kind kind)
{
    struct fp_step step = { .kind = kind };

    for (int n = 0; n < 1000 && !step.done; n++)
        if (fp_fs_step(mnt, &step) != FP_OK)
            return;
}

static void write_some(struct fp_mount *mnt)
{
    uint8_t data[900] = { 1 };

    for (int i = 0; i < 6; i++) {
        struct fp_file file;
        char path[20];

        snprintf(path, sizeof path, "/w%d", i % 4);
        if (fp_fs_open(mnt, &file, path,
                       FP_O_READ | FP_O_WRITE | FP_O_CREATE) != FP_OK)
            continue;
        (void)fp_fs_write(&file, data, sizeof data);
        (void)fp_fs_truncate(&file, 300);
        (void)fp_fs_close(&file);
    }
    (void)fp_fs_rename(mnt, "/w0", "/w1", 0);
    (void)fp_fs_remove(mnt, "/w2");
}

static uint32_t mounted, tried;

static void survives(struct spf_image *v)
{
    uint8_t *copy = malloc(v->size);

    assert_non_null(copy);
    tried++;
    memcpy(copy, v->mem, v->size);
    if (spf_mount(v, &fp_fs_spiffs, FP_MOUNT_RDONLY) == FP_OK) {
        read_all(&v->mnt, "/", 0);
        step_all(&v->mnt, FP_STEP_CHECK);
        assert_int_equal(fp_fs_unmount(&v->mnt), FP_OK);
    }
    assert_memory_equal(copy, v->mem, v->size);
    for (int pass = 0; pass < 2; pass++) {
        if (spf_mount(v, &fp_fs_spiffs, 0) != FP_OK)
            break;
        mounted += pass == 0;
        if (pass == 0)
            step_all(&v->mnt, FP_STEP_REPAIR);
        write_some(&v->mnt);
        step_all(&v->mnt, FP_STEP_GC);
        read_all(&v->mnt, "/", 0);
        step_all(&v->mnt, FP_STEP_CHECK);
        assert_int_equal(fp_fs_unmount(&v->mnt), FP_OK);
    }
    free(copy);
}

static void is_mutated(struct spf_image *v)
{
    uint8_t *whole;

    if (!spf_is_volume(v) ||
        !(strstr(v->name, "full") || strstr(v->name, "churn") ||
          strstr(v->name, "pl_2")))
        return;
    whole = malloc(v->size);
    assert_non_null(whole);
    memcpy(whole, v->mem, v->size);
    for (int i = 0; i < COPIES; i++) {
        uint32_t changes = 1 + random_below(i % 3 == 0 ? 40 : 4);

        memcpy(v->mem, whole, v->size);
        while (changes--)
            mutate(v);
        survives(v);
    }
    free(whole);
}

static void damaged_images_are_survived(void **state)
{
    (void)state;
    spf_each(is_mutated);
    print_message("%u damaged images, %u of them mounted\n", tried, mounted);
    assert_true(mounted > tried / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_images_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
