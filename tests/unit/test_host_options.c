/* SPDX-License-Identifier: MIT
 *
 * What each driver takes, from its header, is taken; anything else is refused
 * with what would be right.
 */
#include "core/host/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fp_fs_config cfg;
static char why[FP_HOST_OPTION_WHY];

/* What the driver gets to read; NULL: it is refused. */
static const char *take(const char *fs, enum fp_host_option_use use,
                        const char *typed)
{
    static char kept[400];
    char *text;

    cfg = (struct fp_fs_config){ .flags = 0 };
    if (fp_host_options_take(fs, use, typed, &cfg, &text, why) != FP_OK)
        return NULL;
    strncpy(kept, text ? text : "", sizeof kept - 1);
    free(text);
    return kept;
}

static void numbers_are_written_out(void **state)
{
    (void)state;
    assert_string_equal(take("fat", FP_HOST_OPTION_FORMAT,
                             "cluster=4K,root=0x200,label=A b,zone=-60"),
                        "cluster=4096,root=512,label=A b,zone=-60");
    assert_string_equal(
        take("raw", FP_HOST_OPTION_MOUNT, "boot=0+4K:ro,app=0x1000+1M"),
        "boot=0+4096:ro,app=4096+1048576");
    assert_string_equal(take("bonsai", FP_HOST_OPTION_MOUNT, "start=3G"),
                        "start=3221225472");
    assert_string_equal(take("raw", FP_HOST_OPTION_MOUNT, "a=9G+9G,b=0+9G"),
                        "a=9663676416+9663676416,b=0+9663676416");
}

static void fields_go_where_they_are(void **state)
{
    (void)state;
    assert_string_equal(take("littlefs", FP_HOST_OPTION_FORMAT,
                             "version=2.0,name_max=0x20,block_cycles=8"),
                        "");
    assert_int_equal(cfg.version, 0x20000);
    assert_int_equal(cfg.name_max, 32);
    assert_int_equal(cfg.block_cycles, 8);
    assert_int_equal(cfg.flags, 0);
}

static void an_agent_gets_all_of_it_in_the_text(void **state)
{
    (void)state;
    assert_string_equal(take("littlefs", FP_HOST_OPTION_DEVICE,
                             "ro=1,block_size=4K,name_max=31,entries=8"),
                        "ro=1,block_size=4096,name_max=31,entries=8");
    assert_string_equal(
        take(NULL, FP_HOST_OPTION_DEVICE, "ro=0,bits=12,label=A b"),
        "ro=0,bits=12,label=A b");
    assert_string_equal(take("raw", FP_HOST_OPTION_DEVICE, "ro=1,a=0+4K:ro"),
                        "ro=1,a=0+4096:ro");
}

static void what_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *fs, *typed, *word;
        enum fp_host_option_use use;
    } wrong[] = {
        { "littlefs", "ro=maybe", "ro=0|1", FP_HOST_OPTION_DEVICE },
        { "littlefs", "ro", "ro=0|1", FP_HOST_OPTION_DEVICE },
        { "littlefs", "readonly=1", "ro=0|1", FP_HOST_OPTION_DEVICE },
        { "littlefs", "bogus=1", "resize=0|1", FP_HOST_OPTION_DEVICE },
        { "littlefs", "block_cycles=8", "entries=", FP_HOST_OPTION_DEVICE },
        { NULL, "bogus=1", "ro=0|1, block_size=", FP_HOST_OPTION_DEVICE },
        { "fat", "ro=1", "no such option", FP_HOST_OPTION_MOUNT },
        { "spiffs", "magic=maybe", "magic=0|1", FP_HOST_OPTION_FORMAT },
        { "spiffs", "magic=2", "magic=0|1", FP_HOST_OPTION_MOUNT },
        { "spiffs", "magc=1", "magic=0|1", FP_HOST_OPTION_MOUNT },
        { "spiffs", "name_len=1", "name_len=2..256", FP_HOST_OPTION_MOUNT },
        { "spiffs", "name_len=", "name_len=2..256", FP_HOST_OPTION_MOUNT },
        { "spiffs", "name_len", "K=V", FP_HOST_OPTION_MOUNT },
        { "spiffs", "=1", "K=V", FP_HOST_OPTION_MOUNT },
        { "spiffs", "meta_len=4,,magic=1", "K=V", FP_HOST_OPTION_MOUNT },
        { "minifs", "version=2", "are there", FP_HOST_OPTION_FORMAT },
        { "minifs", "version=256", "0..255", FP_HOST_OPTION_MOUNT },
        { "littlefs", "version=9", "2.0|2.1", FP_HOST_OPTION_FORMAT },
        { "littlefs", "name_max=1022", "1..255", FP_HOST_OPTION_FORMAT },
        { "littlefs", "version=2.0", "anew", FP_HOST_OPTION_MOUNT },
        { "fat", "bits=13", "12|16|32", FP_HOST_OPTION_FORMAT },
        { "fat", "cluster=3K", "power of two", FP_HOST_OPTION_FORMAT },
        { "fat", "label=twelve chars", "11 bytes", FP_HOST_OPTION_FORMAT },
        { "fat", "zone=1440", "-1439..1439", FP_HOST_OPTION_MOUNT },
        { "bonsai", "start=-1", "0..4294967295", FP_HOST_OPTION_MOUNT },
        { "raw", "a=0+0", "OFFSET+SIZE", FP_HOST_OPTION_MOUNT },
        { "raw", "a=4096", "OFFSET+SIZE", FP_HOST_OPTION_MOUNT },
        { "raw", "a=0+1:rw", "OFFSET+SIZE", FP_HOST_OPTION_MOUNT },
        { "raw", "a=1+9223372036854775807", "OFFSET", FP_HOST_OPTION_MOUNT },
        { "raw", "a=0+2,b=1+2", "overlaps a", FP_HOST_OPTION_MOUNT },
        { "raw", "b=1+2,c=8+1,a=0+9", "overlaps b", FP_HOST_OPTION_MOUNT },
        { "raw", "a=0+2,a=2+2", "name of a", FP_HOST_OPTION_MOUNT },
        { NULL, "magc=1", "no filesystem", FP_HOST_OPTION_MOUNT },
        { NULL, "cluster=512", "anew", FP_HOST_OPTION_MOUNT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (take(wrong[i].fs, wrong[i].use, wrong[i].typed) ||
            !strstr(why, wrong[i].word))
            fail_msg("%s: %s", wrong[i].typed, why);
}

/* Until the filesystem is known, what one of them takes. */
static void an_unknown_filesystem_takes_what_any_does(void **state)
{
    (void)state;
    assert_string_equal(take(NULL, FP_HOST_OPTION_MOUNT, "big=1,meta_len=4"),
                        "big=1,meta_len=4");
    assert_string_equal(take(NULL, FP_HOST_OPTION_MOUNT, "block_cycles=7"), "");
    assert_int_equal(cfg.block_cycles, 7);
}

static void regions_may_touch(void **state)
{
    (void)state;
    assert_non_null(
        take("raw", FP_HOST_OPTION_MOUNT, "b=4K+4K,a=0+4096,c=8192+1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_out),
        cmocka_unit_test(fields_go_where_they_are),
        cmocka_unit_test(an_agent_gets_all_of_it_in_the_text),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(an_unknown_filesystem_takes_what_any_does),
        cmocka_unit_test(regions_may_touch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
