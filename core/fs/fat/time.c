/* SPDX-License-Identifier: MIT
 *
 * Times: FAT has local time in steps of two seconds from 1980 to 2107; the
 * zone is an option. Source: the format page, directory entries. The first
 * moment, 0:00 on 1 January 1980, is what those without a clock write, we among
 * them, and means no time.
 *
 * Days are counted in years that begin in March, so that a leap day is the
 * last of its year and months have a formula.
 */
#include "core/fs/fat/vol.h"

#define NO_DATE     0x21u
#define EPOCH_S     315532800 /* of 1980, in seconds since 1970 */
#define DAYS_MAX    46751u    /* 1980 to 2107 */
#define MARCH_FIRST 306u      /* 1 January 1980, in days since 1 March 1979 */
#define DAY_S       86400u
#define NS_PER_S    1000000000
#define LEAP_2100   120u

/* Days from 1 March 1979 to the start of year `year`, which is 0 there. */
static uint32_t days_of_years(uint32_t year)
{
    return year * 365 + (year + 3) / 4 - (year > LEAP_2100);
}

static uint32_t days_of_months(uint32_t month)
{
    return (153 * month + 2) / 5;
}

bool fp_fat_time_get(const struct fp_fat *fs, const uint8_t *raw, int64_t *ns)
{
    uint32_t time = fp_fat_u16(raw + FP_FAT_AT_TIME);
    uint32_t date = fp_fat_u16(raw + FP_FAT_AT_DATE);
    uint32_t month = date >> 5 & 15, year = date >> 9, s;

    if (month - 1 >= 12 || (date == NO_DATE && !time))
        return false;
    if (month > 2)
        year++;
    else
        month += 12;
    /* The seconds since 1980 are fewer than 2^32. */
    s = days_of_years(year) + days_of_months(month - 3) + (date & 31) - 1;
    s = (s - MARCH_FIRST) * DAY_S + (time >> 11) * 3600 +
        (time >> 5 & 63) * 60 + (time & 31) * 2;
    *ns = ((int64_t)s + EPOCH_S - fs->zone) * NS_PER_S;
    return true;
}

#if !FP_READONLY
void fp_fat_time_set(const struct fp_fat *fs, uint8_t *raw, int64_t ns)
{
    int64_t since = ns / NS_PER_S - EPOCH_S + fs->zone;
    uint32_t s = since < 0 ? 0 : (uint32_t)since, days, month, year = 0;

    if (since >= (int64_t)DAYS_MAX * DAY_S)
        s = DAYS_MAX * DAY_S - 1;
    days = s / DAY_S + MARCH_FIRST;
    s %= DAY_S;
    while (days_of_years(year + 1) <= days)
        year++;
    days -= days_of_years(year);
    month = (5 * days + 2) / 153;
    days -= days_of_months(month);
    month += 3;
    if (month > 12)
        month -= 12;
    else
        year--;
    fp_fat_put16(raw + FP_FAT_AT_TIME,
                 (s / 3600) << 11 | (s / 60 % 60) << 5 | s % 60 / 2);
    fp_fat_put16(raw + FP_FAT_AT_DATE, year << 9 | month << 5 | (days + 1));
}
#endif
