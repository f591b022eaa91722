/* SPDX-License-Identifier: MIT
 *
 * littlefs, disk versions 2.0 and 2.1, reading and writing.
 *
 * Source: docs/formats/littlefs.md.
 */
#ifndef FP_CORE_FS_LITTLEFS_LITTLEFS_H
#define FP_CORE_FS_LITTLEFS_LITTLEFS_H

#include "core/fs/fs.h"

extern const struct fp_fs_ops fp_fs_littlefs;

#endif
