/* SPDX-License-Identifier: MIT */
#include "cli/image/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NEW (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

static char top[32], *was;
static struct fpc_folder folder;

/* In a folder of its own: a/, b/, and link, which is a/. */
static int setup(void **state)
{
    (void)state;
    strcpy(top, "/tmp/fp-folder-XXXXXX");
    was = getcwd(NULL, 0);
    return mkdtemp(top) && chdir(top) == 0 && mkdir("a", 0777) == 0 &&
                   mkdir("b", 0777) == 0 && symlink("a", "link") == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    fpc_folder_close(&folder);
    snprintf(command, sizeof command, "rm -rf %s", top);
    assert_int_equal(chdir(was), 0);
    free(was);
    return system(command);
}

/* What is made by `path` is found there by others. */
static void make(const char *path)
{
    int fd = fpc_folder_open(&folder, path, NEW);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
}

static void files_are_where_their_paths_say(void **state)
{
    char whole[64];

    (void)state;
    make("a/1");
    make("a/2");
    make("b/1");
    make("a/3");
    make("here");
    snprintf(whole, sizeof whole, "%s/b/2", top);
    make(whole);
    assert_int_equal(access("b/2", F_OK), 0);
    assert_int_equal(fpc_folder_open(&folder, "a/1", NEW), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(fpc_folder_open(&folder, "c/1", NEW), -1);
    assert_int_equal(errno, ENOENT);
    make("b/3");
}

static void a_link_is_followed_only_where_that_is_meant(void **state)
{
    int fd;

    (void)state;
    make("a/1");
    assert_int_equal(fpc_folder_open(&folder, "link/2", NEW), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(access("a/2", F_OK), -1);
    fd = fpc_folder_open(&folder, "link/1", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
}

static unsigned open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void one_folder_is_kept_open(void **state)
{
    const unsigned before = open_files();

    (void)state;
    make("a/1");
    make("b/1");
    make("a/2");
    assert_int_equal(open_files(), before + 1);
    fpc_folder_close(&folder);
    assert_int_equal(open_files(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_where_their_paths_say),
        TEST(a_link_is_followed_only_where_that_is_meant),
        TEST(one_folder_is_kept_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
