/* SPDX-License-Identifier: MIT
 *
 * What of the agent a firmware may leave out, each by a macro that is 0, the
 * same for all that is compiled. FP_AGENT_ALL=0 leaves out whatever is not set
 * to 1. What each saves: docs/porting.md. A request for what is not there is
 * answered with FP_ERR_NOTSUP; a config that asks for it is refused by
 * fp_agent_init() where a promise would else be broken.
 */
#ifndef FP_DEVICE_AGENT_PARTS_H
#define FP_DEVICE_AGENT_PARTS_H

#include "core/config.h"
#include "proto/limits.h"

#ifndef FP_AGENT_ALL
#define FP_AGENT_ALL 1
#endif

/* What takes a message of its own is there only if the message is. */
#define FP_AGENT_EXTRA (FP_AGENT_ALL && FP_MESSAGE_EXTRAS)

/* Sentences that say why: the host says its own, by the error's number. */
#ifndef FP_AGENT_TEXTS
#define FP_AGENT_TEXTS FP_AGENT_ALL
#endif

/* A key that the host must have: config.key is refused. */
#ifndef FP_AGENT_AUTH
#define FP_AGENT_AUTH FP_AGENT_EXTRA
#endif

/* Raising the wire's rate: config.set_rate is not looked at. */
#ifndef FP_AGENT_RATES
#define FP_AGENT_RATES FP_AGENT_EXTRA
#endif

/* Media that come and go: storages that are FP_BDEV_REMOVABLE are refused. */
#ifndef FP_AGENT_MEDIA
#define FP_AGENT_MEDIA FP_AGENT_ALL
#endif

/* Parts of a storage: regions, volumes on them, those that the firmware
 * protects. Storages with regions, and volumes on one, are refused. */
#ifndef FP_AGENT_REGIONS
#define FP_AGENT_REGIONS FP_AGENT_EXTRA
#endif

/* Paths that no host changes: config.protected_count above 0 is refused. */
#ifndef FP_AGENT_PROTECTED
#define FP_AGENT_PROTECTED FP_AGENT_ALL
#endif

/* A filesystem and options that a host names in Mount and Format, and of a
 * volume's cfg.options those that are fields of cfg. Its own driver may be
 * named. */
#ifndef FP_AGENT_OPTIONS
#define FP_AGENT_OPTIONS FP_AGENT_ALL
#endif

/* Uploads whose bytes and commit come with their PutOpen: a small file takes
 * one answer instead of two. */
#ifndef FP_AGENT_WHOLE_PUT
#define FP_AGENT_WHOLE_PUT FP_AGENT_EXTRA
#endif

/* Digests of digests: chunks' own are told all the same. */
#ifndef FP_AGENT_LEVELS
#define FP_AGENT_LEVELS FP_AGENT_ALL
#endif

/* Check and Repair on request. A driver's own part of it: FP_FS_CHECK. */
#ifndef FP_AGENT_CHECK
#define FP_AGENT_CHECK FP_AGENT_EXTRA
#endif

/* Storages as images: chunks, their digests, which have changed, and holding a
 * storage still; what a snapshot is made of. */
#ifndef FP_AGENT_IMAGES
#define FP_AGENT_IMAGES FP_AGENT_ALL
#endif

/* Writing an image back. */
#ifndef FP_AGENT_RESTORE
#define FP_AGENT_RESTORE FP_AGENT_ALL
#endif

/* Mount, Unmount and Format on request: volumes are as the firmware begins
 * them, and it still may format what was never written (format_erased). That
 * too goes with FP_FS_FORMAT=0, and fp_agent_format(). */
#ifndef FP_AGENT_MOUNTS
#define FP_AGENT_MOUNTS (FP_AGENT_ALL && FP_FS_FORMAT)
#endif

/* Uploads that are appended, or written in place of the old file. */
#ifndef FP_AGENT_PUT_MODES
#define FP_AGENT_PUT_MODES FP_AGENT_ALL
#endif

/* Making a file shorter or longer. */
#ifndef FP_AGENT_TRUNCATE
#define FP_AGENT_TRUNCATE FP_AGENT_ALL
#endif

/* Reboot: config.reboot is not looked at. */
#ifndef FP_AGENT_REBOOT
#define FP_AGENT_REBOOT FP_AGENT_ALL
#endif

/* Attributes of files. */
#ifndef FP_AGENT_ATTRS
#define FP_AGENT_ATTRS FP_AGENT_EXTRA
#endif

/* Counters; FP_LINK_STATS=0 spares the link them. */
#ifndef FP_AGENT_STATS
#define FP_AGENT_STATS FP_AGENT_EXTRA
#endif

/* LZ4 on the line: code that decodes, for firmware that has lz4_in, and that
 * encodes, for one with lz4_out. */
#ifndef FP_AGENT_LZ4_IN
#define FP_AGENT_LZ4_IN FP_AGENT_ALL
#endif
#ifndef FP_AGENT_LZ4_OUT
#define FP_AGENT_LZ4_OUT FP_AGENT_ALL
#endif

#if FP_AGENT_RESTORE && !FP_AGENT_IMAGES
#error "a restore compares chunks: it takes FP_AGENT_IMAGES"
#endif

#if FP_AGENT_MOUNTS && !FP_FS_FORMAT
#error "a host that mounts also formats: it takes FP_FS_FORMAT"
#endif

#if !FP_MESSAGE_EXTRAS &&                                                     \
    (FP_AGENT_AUTH || FP_AGENT_RATES || FP_AGENT_REGIONS || FP_AGENT_CHECK || \
     FP_AGENT_ATTRS || FP_AGENT_STATS || FP_AGENT_WHOLE_PUT)
#error "it takes messages that FP_MESSAGE_EXTRAS=0 leaves out"
#endif

#endif
