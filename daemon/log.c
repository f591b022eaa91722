/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"
#include "core/error.h"
#include "daemon/text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const words[] = { "error", "warn", "info", "debug" };
static atomic_int log_level = FPD_LOG_INFO;

void fpd_log_set_level(enum fpd_log_level level)
{
    atomic_store(&log_level, (int)level);
}

int fpd_log_level_parse(const char *word)
{
    for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

/* The time, unless stderr goes to the journal, which has its own. */
static size_t put_time(char *line, size_t size)
{
    struct timespec now;
    struct tm tm;
    size_t n;

    if (getenv("JOURNAL_STREAM"))
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(line + n, size - n, ".%03dZ ",
                                (int)(now.tv_nsec / 1000000));
}

void fpd_log(enum fpd_log_level level, const char *module, const char *fmt, ...)
{
    char line[1200];
    size_t n, room;
    va_list ap;
    int len;

    if ((int)level > atomic_load(&log_level))
        return;
    n = put_time(line, 64);
    n += (size_t)snprintf(line + n, 64, "%-5s %s: ", words[level], module);
    room = sizeof line - n - 1;
    va_start(ap, fmt);
    len = vsnprintf(line + n, room, fmt, ap);
    va_end(ap);
    if (len < 0)
        return;
    /* A line stays one line, and as it reads. */
    len = (int)strlen(line + n);
    fpd_text_clean((const uint8_t *)line + n, (size_t)len, line + n, room);
    n += strlen(line + n);
    line[n++] = '\n';
    /* One write: lines of several threads don't mix. */
    if (write(STDERR_FILENO, line, n) < 0)
        return;
}

int fpd_log_trace(int err, const char *file, int line)
{
    if (err < 0)
        fpd_log(FPD_LOG_DEBUG, "trace", "%s: at=%s:%d", fp_error_name(err),
                file, line);
    return err;
}
