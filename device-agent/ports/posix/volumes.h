/* SPDX-License-Identifier: MIT
 *
 * The volumes of the simulated device, out of its options: where each lies,
 * with how much memory, and through which adapter.
 *
 * Memory  struct fp_port_volumes is the caller's and stays where it is; the
 *         workspaces are allocated and live as long as the program
 * Errors  a sentence on stderr and exit code 2
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_VOLUMES_H
#define FP_DEVICE_AGENT_PORTS_POSIX_VOLUMES_H

#include "core/bdev/sector.h"
#include "core/fs/raw/raw.h"
#include "device-agent/agent.h"
#include "device-agent/ports/posix/options.h"

/* FAT on flash: sectors by way of a reserve, another region. */
struct fp_port_adapter {
    struct fp_bdev_sector sector;
    struct fp_bdev_slice reserve;
    const struct fp_agent_region *region;
    struct fp_agent_storage *storage;
    uint8_t buf[4096];
};

struct fp_port_volumes {
    struct fp_agent_volume volumes[FP_PORT_VOLUMES];
    uint32_t count;
    /* private */
    const struct fp_port_options *options;
    struct fp_agent_storage *storages; /* in the order of the options */
    struct fp_raw_region raw[FP_PORT_STORAGES][FP_PORT_REGIONS + 1];
    struct fp_port_adapter adapters[FP_PORT_VOLUMES];
};

/* All that is asked for, on storages whose devices and regions are there. */
void fp_port_volumes_init(struct fp_port_volumes *volumes,
                          const struct fp_port_options *options,
                          struct fp_agent_storage *storages);
/* Another card is in: it may want more memory. */
void fp_port_volumes_fit(struct fp_port_volumes *volumes, const char *storage);

#endif
