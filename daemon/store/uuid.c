/* SPDX-License-Identifier: MIT */
#include "daemon/store/uuid.h"

#include "core/error.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Time and counter of the last one: 48 bits of milliseconds and 12 of counter,
 * so that one made later is always the larger, even if the clock goes back. */
static uint64_t last;
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t stamp(void)
{
    struct timespec now;
    uint64_t value;

    clock_gettime(CLOCK_REALTIME, &now);
    value = ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000)
            << 12;
    pthread_mutex_lock(&last_lock);
    if (value <= last)
        value = last + 1;
    last = value;
    pthread_mutex_unlock(&last_lock);
    return value;
}

int fpd_uuid_new(char out[FPD_UUID_SIZE])
{
    uint64_t time = stamp();
    uint8_t r[8];

    if (RAND_bytes(r, sizeof r) != 1)
        return FP_ERR_IO;
    snprintf(out, FPD_UUID_SIZE,
             "%08x-%04x-7%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             (unsigned)(time >> 28), (unsigned)(time >> 12 & 0xffff),
             (unsigned)(time & 0xfff), 0x80u | (r[0] & 0x3fu), r[1], r[2], r[3],
             r[4], r[5], r[6], r[7]);
    return FP_OK;
}

bool fpd_uuid_valid(const char *text)
{
    if (strlen(text) != FPD_UUID_SIZE - 1)
        return false;
    for (int i = 0; i < FPD_UUID_SIZE - 1; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
        } else if (!strchr("0123456789abcdef", text[i])) {
            return false;
        }
    }
    return true;
}
