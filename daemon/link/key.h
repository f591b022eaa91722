/* SPDX-License-Identifier: MIT
 *
 * A key that both ends of a link have: the first line of a file that only its
 * owner reads. It is never on a command line or in the configuration itself.
 */
#ifndef FPD_LINK_KEY_H
#define FPD_LINK_KEY_H

#include <stddef.h>
#include <stdint.h>

#define FPD_KEY_MIN 16
#define FPD_KEY_MAX 128

/* FP_ERR_INVAL, FP_ERR_ACCES: others may read it; why[0..size) says what would
 * be right. */
int fpd_key_read(const char *path, uint8_t key[FPD_KEY_MAX], size_t *key_size,
                 char *why, size_t size);

#endif
