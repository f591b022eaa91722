/* SPDX-License-Identifier: MIT */
#include "daemon/link/key.h"

#include "core/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads from an open file: what is wrong with it, or NULL. */
static const char *read_line(int fd, uint8_t key[FPD_KEY_MAX], size_t *key_size)
{
    uint8_t text[FPD_KEY_MAX + 2]; /* and "\r\n" */
    ssize_t n = read(fd, text, sizeof text);
    size_t size = 0;

    if (n < 0)
        return strerrordesc_np(errno);
    while (size < (size_t)n && text[size] != '\n' && text[size] != '\r')
        size++;
    if (size < FPD_KEY_MIN || size > FPD_KEY_MAX)
        return "its first line has not 16 to 128 bytes; openssl rand -hex 32 "
               "makes one";
    memcpy(key, text, size);
    *key_size = size;
    explicit_bzero(text, sizeof text);
    return NULL;
}

int fpd_key_read(const char *path, uint8_t key[FPD_KEY_MAX], size_t *key_size,
                 char *why, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int err = FP_ERR_INVAL;
    const char *wrong;
    struct stat st;

    *key_size = 0;
    if (fd < 0 || fstat(fd, &st) < 0) {
        wrong = strerrordesc_np(errno);
    } else if (!S_ISREG(st.st_mode)) {
        wrong = "it is no file";
    } else if (st.st_mode & 077) {
        err = FP_ERR_ACCES;
        wrong = "others may read it: chmod 600 it";
    } else {
        wrong = read_line(fd, key, key_size);
    }
    if (wrong)
        snprintf(why, size, "key-file %.70s: %s", path, wrong);
    if (fd >= 0)
        close(fd);
    return wrong ? err : FP_OK;
}
