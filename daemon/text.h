/* SPDX-License-Identifier: MIT
 *
 * Text from elsewhere: UTF-8, and what of it may go to a terminal.
 */
#ifndef FPD_TEXT_H
#define FPD_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed sequence at p[0..n), n > 0; 0: none.
 * Source: Unicode 15, table 3-7. */
size_t fpd_utf8_size(const uint8_t *p, size_t n);
/* The same of a character that leaves the rest of its line as it is: no
 * control, C1 ones among them, nothing that turns the direction or has no
 * width, no separator of lines. */
size_t fpd_text_plain(const uint8_t *p, size_t n);
/* bytes[0..size) to out[0..max), a NUL at its end: '?' for each character that
 * is not plain and for each byte that is none. `out` may be `bytes`. */
void fpd_text_clean(const uint8_t *bytes, size_t size, char *out, size_t max);

#endif
