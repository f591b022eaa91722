/* SPDX-License-Identifier: MIT
 *
 * The agent where there is no OS: one wire, one flash, one main loop.
 *
 * A board's main.c says what it has room for; the rest is here. What the board
 * itself supplies is port.h.
 */
#ifndef FP_DEVICE_AGENT_PORTS_BARE_BARE_H
#define FP_DEVICE_AGENT_PORTS_BARE_BARE_H

#include "device-agent/agent.h"

/* The agent serves until the chip is reset; a flash that never was written is
 * formatted first, as the volume says.
 *
 * The caller gives model, firmware, vfs, the buffers, one storage, of which
 * only the name, and its volume. Id, epoch, wire, device and counters are
 * filled in. Where the board finds no flash the agent serves without. gen_maps:
 * as struct fp_bdev_gen_config.
 *
 * Returns an enum fp_error: a figure breaks a rule of agent.h. */
int fp_bare_run(struct fp_agent_config *config, uint8_t *gen_maps,
                size_t gen_maps_size);

#endif
