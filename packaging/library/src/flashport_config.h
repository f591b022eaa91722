/* SPDX-License-Identifier: MIT
 *
 * What a small device chooses; core/config.h, device-agent/agent.h and task.h
 * say what each means, docs/porting.md of flashport what it costs.
 *
 * Definitions on the command line come first, then Kconfig's. Where a build has
 * neither, as Arduino's, change the figures here: every file of the library and
 * of the program must see the same, since they are part of structs.
 */
#ifndef FLASHPORT_CONFIG_H
#define FLASHPORT_CONFIG_H

#ifdef __AVR__
#error "flashport's agent needs a CPU of 32 bits, and 16 KB of RAM"
#endif

#ifdef ESP_PLATFORM
#include <sdkconfig.h>
#endif

#ifndef FP_ADDR32
#ifdef CONFIG_FLASHPORT_ADDR64
#define FP_ADDR32 0
#else
#define FP_ADDR32 1
#endif
#endif

#ifndef FP_AGENT_REQUESTS
#ifdef CONFIG_FLASHPORT_REQUESTS
#define FP_AGENT_REQUESTS CONFIG_FLASHPORT_REQUESTS
#else
#define FP_AGENT_REQUESTS 2
#endif
#endif

#ifndef FP_AGENT_UPLOADS
#ifdef CONFIG_FLASHPORT_UPLOADS
#define FP_AGENT_UPLOADS CONFIG_FLASHPORT_UPLOADS
#else
#define FP_AGENT_UPLOADS 1
#endif
#endif

#ifndef FP_NAME_MAX
#ifdef CONFIG_FLASHPORT_NAME_MAX
#define FP_NAME_MAX CONFIG_FLASHPORT_NAME_MAX
#else
#define FP_NAME_MAX 64
#endif
#endif

#ifndef FP_PATH_MAX
#ifdef CONFIG_FLASHPORT_PATH_MAX
#define FP_PATH_MAX CONFIG_FLASHPORT_PATH_MAX
#else
#define FP_PATH_MAX 160
#endif
#endif

#ifndef FP_MESSAGE_PATH_MAX
#define FP_MESSAGE_PATH_MAX FP_PATH_MAX
#endif
#ifndef FP_MESSAGE_NAME_MAX
#define FP_MESSAGE_NAME_MAX FP_NAME_MAX
#endif

#ifndef FP_AGENT_LZ4_OUT
#ifdef CONFIG_FLASHPORT_LZ4_OUT
#define FP_AGENT_LZ4_OUT 1
#else
#define FP_AGENT_LZ4_OUT 0
#endif
#endif

#ifndef FP_CRC32_SMALL
#define FP_CRC32_SMALL 1
#endif
#ifndef FP_FAT_SMALL
#define FP_FAT_SMALL 1
#endif
#ifndef FP_AGENT_PARTITIONS
#define FP_AGENT_PARTITIONS 1
#endif
#ifndef FP_MESSAGE_DIGESTS
#define FP_MESSAGE_DIGESTS 8
#endif
#ifndef FP_MESSAGE_SMALL
#define FP_MESSAGE_SMALL 1
#endif
#ifndef FP_LINK_STAGE
#define FP_LINK_STAGE 128
#endif

#endif
