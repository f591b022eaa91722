/* SPDX-License-Identifier: MIT
 *
 * Times: FAT has local time in steps of two seconds from 1980 to 2107; the
 * zone is an option. Source: the format page, directory entries. The first
 * moment, 0:00 on 1 January 1980, is what those without a clock write, we among
 * them, and means no time.
 *
 * A date and a time are taken as one number, the stamp, whose fields go from
 * years down to steps of two seconds and all start at 0. Later moments have
 * larger stamps; so a stamp is found bit by bit, as a square root is.
 *
 * Days are counted in years that begin in March, so that a leap day is the
 * last of its year and months have a formula.
 */
#include "core/fs/fat/vol.h"

#define STAMP_1980  0x210000u  /* its month and day start at 1 */
#define EPOCH_S     315532800u /* of 1980, in seconds since 1970 */
#define DAYS_MAX    46751u     /* 1980 to 2107 */
#define MARCH_FIRST 306u       /* 1 January 1980, in days since 1 March 1979 */
#define DAY_S       86400u
#define NS_PER_S    1000000000
#define YEAR_2100   120u

/* Since 1980, fewer than 2^32. Months from 12 on are the next year's. */
static uint32_t seconds_of(uint32_t stamp)
{
    uint32_t year = stamp >> 25, month = (stamp >> 21 & 15) + 10, days;

    if (month >= 12) {
        month -= 12;
        year++;
    }
    days = year * 365 + (year + 3) / 4 - (year > YEAR_2100);
    days += (153 * month + 2) / 5 + (stamp >> 16 & 31) - MARCH_FIRST;
    return ((days * 24 + (stamp >> 11 & 31)) * 60 + (stamp >> 5 & 63)) * 60 +
           (stamp & 31) * 2;
}

/* Seconds that local time since 1980 is ahead of UTC since 1970: by what the
 * option says, and what the caller knows by now. */
static int32_t ahead(const struct fp_fat *fs)
{
    const uint32_t minutes = fs->zone + (uint32_t)fs->mnt->cfg.zone_min;

    return (int32_t)(minutes * 60 - EPOCH_S);
}

bool fp_fat_time_get(const struct fp_fat *fs, const uint8_t *raw, int64_t *ns)
{
    uint32_t stamp = fp_fat_u32(raw + FP_FAT_AT_TIME) - STAMP_1980;

    if (!stamp || (stamp >> 21 & 15) >= 12)
        return false;
    *ns = ((int64_t)seconds_of(stamp) - ahead(fs)) * NS_PER_S;
    return true;
}

#if !FP_READONLY
/* The fields of the time of day, which are no more than divisions. */
static uint32_t clock_of(uint32_t s)
{
    return s / 3600 << 11 | s / 60 % 60 << 5 | s % 60 / 2;
}

void fp_fat_time_set(const struct fp_fat *fs, uint8_t *raw, int64_t ns)
{
    int64_t since = ns / NS_PER_S + ahead(fs);
    uint32_t s = (uint32_t)since, stamp = 0, least = 1;

    if ((uint64_t)since >= (uint64_t)DAYS_MAX * DAY_S)
        s = since < 0 ? 0 : DAYS_MAX * DAY_S - 1;
    if (!FP_FAT_SMALL) { /* where these are at hand, half of the bits */
        stamp = clock_of(s % DAY_S);
        least = 1u << 16;
    }
    for (uint32_t bit = 1u << 31; bit >= least; bit >>= 1)
        if (seconds_of(stamp | bit) <= s)
            stamp |= bit;
    fp_fat_put32(raw + FP_FAT_AT_TIME, stamp + STAMP_1980);
}
#endif
