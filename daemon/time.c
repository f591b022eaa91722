/* SPDX-License-Identifier: MIT */
#include "daemon/time.h"

#include <stdio.h>
#include <time.h>

int64_t fpd_time_unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fpd_time_format(int64_t ms, char out[32])
{
    int64_t rest = ms % 1000;
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    if (rest < 0) {
        rest += 1000;
        t--;
    }
    out[0] = 0;
    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
        return;
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest)
        snprintf(out + n, 32 - n, ".%03dZ", (int)rest);
    else
        snprintf(out + n, 32 - n, "Z");
}
