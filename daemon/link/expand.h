/* SPDX-License-Identifier: MIT
 *
 * A SPEC that stands for many: a glob is one link for each port that it names
 * at this moment, "usb:" one for each device that is plugged in. What such a
 * SPEC finds has a SPEC of its own, by which it is found again. Of one device
 * there is one link; a SPEC that names it, with a key say, goes first.
 *
 * Memory  the lists and their SPECs are malloc'd; fpd_link_specs_free()
 */
#ifndef FPD_LINK_EXPAND_H
#define FPD_LINK_EXPAND_H

#include <stdbool.h>
#include <stddef.h>

/* May it stand for others later than it does now? */
bool fpd_link_is_pattern(const char *spec);
/* What specs[0..count) stand for now, up to `max`, in an array with room for
 * `max`. One that is no pattern stands for itself; one that finds nothing, for
 * nothing. FP_ERR_NOMEM. */
int fpd_link_expand(char *const *specs, size_t count, size_t max, char ***out,
                    size_t *out_count);
/* Calls `arrived` whenever a pattern may stand for more than before, on a thread
 * of the links, until fpd_link_watch_end(). No link is open by then, and none is
 * opened afterwards. */
void fpd_link_watch(void (*arrived)(void));
void fpd_link_watch_end(void);

void fpd_link_specs_free(char **specs, size_t count);

#endif
