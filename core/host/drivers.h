/* SPDX-License-Identifier: MIT
 *
 * Every filesystem driver that this build has, for the programs that run on a
 * host: the agent's host port, the daemon, the command line, tests. A firmware
 * names its own few.
 */
#ifndef FP_CORE_HOST_DRIVERS_H
#define FP_CORE_HOST_DRIVERS_H

#include "core/fs/fs.h"

/* NULL-ended; in the order in which equally good probes win. */
extern const struct fp_fs_ops *const fp_host_drivers[];

/* Do both names lead to one file, if there is any? */
bool fp_host_drivers_is_same(const struct fp_mount *mnt, const char *a,
                             const char *b);

/* The unit of programming that the volume shows to have been written in; 0: it
 * shows none. */
uint32_t fp_host_drivers_prog_size(struct fp_mount *mnt);

#endif
