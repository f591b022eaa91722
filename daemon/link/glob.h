/* SPDX-License-Identifier: MIT
 *
 * The pattern of links that have a path: a glob is whatever it matches now.
 */
#ifndef FPD_LINK_GLOB_H
#define FPD_LINK_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* For struct fpd_link_ops. A port that has several names comes once. */
bool fpd_link_glob_is_pattern(const char *rest);
size_t fpd_link_glob_expand(const char *spec, char **out, size_t max);

#endif
