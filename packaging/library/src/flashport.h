/* SPDX-License-Identifier: MIT
 *
 * All that a firmware includes, from C or C++: the agent, the VFS, every
 * driver's table and the block devices that need no hardware.
 */
#ifndef FLASHPORT_H
#define FLASHPORT_H

#ifdef __cplusplus
extern "C" {
#endif

#include "core/bdev/ram.h"
#include "core/bdev/sector.h"
#include "core/fs/bonsai/bonsai.h"
#include "core/fs/fat/fat.h"
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/minifs/minifs.h"
#include "core/fs/raw/raw.h"
#include "core/fs/spiffs/spiffs.h"
#include "device-agent/agent.h"

#ifdef __cplusplus
}
#endif

#endif
