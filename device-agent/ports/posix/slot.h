/* SPDX-License-Identifier: MIT
 *
 * A card slot: a file that is a card, in while it is there under its name.
 *
 * Taking the file away (mv, rm) pulls the card: from that moment the slot
 * answers FP_ERR_NODEV, also inside of an operation of several calls. Another
 * file, or the same, moved to the name is a card put in; it is served from
 * fp_port_slot_load() on. Move a file there, do not copy: what was written in
 * the last moments is left to settle, but a copy that pauses would be taken.
 *
 * Memory  struct fp_port_slot is the caller's; nothing is allocated
 * Errors  FP_ERR_NODEV: no card, or one that was not loaded yet
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_SLOT_H
#define FP_DEVICE_AGENT_PORTS_POSIX_SLOT_H

#include "core/host/file.h"

#include <sys/types.h>

struct fp_port_slot {
    struct fp_bdev bdev;
    /* private */
    const char *path;
    struct fp_host_file_config cfg;
    struct fp_host_file file;
    uint32_t number; /* of the card that was loaded last */
    bool is_open, is_known;
    dev_t dev; /* of that card's file, valid if is_known */
    ino_t ino;
};

/* An empty slot for cards of cfg's sizes. FP_ERR_INVAL: they do not fit each
 * other. */
int fp_port_slot_init(struct fp_port_slot *slot, const char *path,
                      const struct fp_host_file_config *cfg);
/* A number for the card that is in, another for each; 0: none. */
uint32_t fp_port_slot_number(struct fp_port_slot *slot);
/* Serves the card that is in. The geometry may be another than before. */
int fp_port_slot_load(struct fp_port_slot *slot);
void fp_port_slot_close(struct fp_port_slot *slot);

#endif
