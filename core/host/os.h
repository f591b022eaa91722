/* SPDX-License-Identifier: MIT
 *
 * What each host does its own way for core/host/file.c: opening and locking a
 * path, and moving bytes. os_posix.c or os_windows.c is compiled.
 *
 * Positions count from the start of the file or disk, and lie within it;
 * file.c has seen to it. Errors are enum fp_error.
 */
#ifndef FP_CORE_HOST_OS_H
#define FP_CORE_HOST_OS_H

#include "core/host/file.h"

/* Opens and locks the path, and fills in `kind`, `all` and the units; of flash
 * also bdev.ops and what bdev.flags say about it. After a failure nothing is
 * open, and `why` holds a sentence where there is more to say than the error
 * does. */
int fp_host_os_open(struct fp_host_file *file, const char *path,
                    uint32_t flags);
void fp_host_os_close(struct fp_host_file *file);

int fp_host_os_read(struct fp_host_file *file, uint64_t pos, void *buf,
                    uint32_t size);
/* A file may grow by it. */
int fp_host_os_write(struct fp_host_file *file, uint64_t pos, const void *buf,
                     uint32_t size);
/* The next position from `pos` on with content, `pos` itself where holes are
 * unknown; at most the end. */
uint64_t fp_host_os_next_data(struct fp_host_file *file, uint64_t pos);
/* Through all caches, the disk's own among them. */
int fp_host_os_sync(struct fp_host_file *file);

#endif
