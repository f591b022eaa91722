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

#define NO_DATE    0x21u
#define LAST_DATE  0xff9fu /* 31 December 2107 */
#define MARCH_1979 3346u   /* in days since 1970 */
#define DAY_S      86400u
#define NS_PER_S   1000000000
#define YEAR_COUNT 129u
#define LEAP_2100  120u

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
    uint32_t time = fp_get_le16(raw + FP_FAT_AT_TIME);
    uint32_t date = fp_get_le16(raw + FP_FAT_AT_DATE);
    uint32_t month = date >> 5 & 15, year = date >> 9, days;
    bool late = month > 2;

    if (month - 1 >= 12 || (date == NO_DATE && !time))
        return false;
    days = MARCH_1979 + days_of_years(year + late) +
           days_of_months(late ? month - 3 : month + 9) + (date & 31) - 1;
    *ns = (int64_t)days * DAY_S + (time >> 11) * 3600 + (time >> 5 & 63) * 60 +
          (time & 31) * 2 - fs->zone;
    *ns *= NS_PER_S;
    return true;
}

#if !FP_READONLY
void fp_fat_time_set(const struct fp_fat *fs, uint8_t *raw, int64_t ns)
{
    int64_t total = ns / NS_PER_S + fs->zone - (int64_t)MARCH_1979 * DAY_S;
    uint32_t date = NO_DATE, time = 0, year = 0, month, days;

    if (total >= (int64_t)days_of_years(YEAR_COUNT) * DAY_S)
        total = (int64_t)days_of_years(YEAR_COUNT) * DAY_S - 1;
    if (total >= (int64_t)days_of_months(10) * DAY_S) {
        days = (uint32_t)(total / DAY_S);
        time = (uint32_t)(total % DAY_S);
        while (days_of_years(year + 1) <= days)
            year++;
        days -= days_of_years(year);
        month = (5 * days + 2) / 153;
        date = days - days_of_months(month) + 1;
        date |= (month < 10 ? month + 3 : month - 9) << 5;
        date |= (month < 10 ? year - 1 : year) << 9;
        time = (time / 3600) << 11 | (time / 60 % 60) << 5 | time % 60 / 2;
    }
    if (date > LAST_DATE) {
        date = LAST_DATE;
        time = 0xbf7d; /* 23:59:58 */
    }
    fp_put_le16(raw + FP_FAT_AT_TIME, (uint16_t)time);
    fp_put_le16(raw + FP_FAT_AT_DATE, (uint16_t)date);
}
#endif
