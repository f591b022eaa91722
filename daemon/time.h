/* SPDX-License-Identifier: MIT
 *
 * The wall clock, and times as the API tells them.
 */
#ifndef FPD_TIME_H
#define FPD_TIME_H

#include <stdint.h>

/* Milliseconds since 1970: the one clock of all that is stored or expires. */
int64_t fpd_time_unix_ms(void);

/* `ms` since 1970 as RFC 3339 in UTC, with milliseconds where they aren't 0;
 * "" for a year that has not four digits. */
void fpd_time_format(int64_t ms, char out[32]);

#endif
