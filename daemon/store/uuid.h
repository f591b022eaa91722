/* SPDX-License-Identifier: MIT
 *
 * UUIDs of version 7: the id of every snapshot, job and token. They sort by
 * the time they were made, also within one millisecond of one process.
 * Source: RFC 9562, section 5.7, and method 1 of section 6.2.
 *
 * Thread  from any
 */
#ifndef FPD_STORE_UUID_H
#define FPD_STORE_UUID_H

#include <stdbool.h>

#define FPD_UUID_SIZE 37 /* "0190b5c8-....", lower case, with its NUL */

/* FP_ERR_IO: the system gives no random bytes. */
int fpd_uuid_new(char out[FPD_UUID_SIZE]);
/* Is it the text of a UUID, in lower case as we write them? */
bool fpd_uuid_valid(const char *text);

#endif
