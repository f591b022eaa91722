/* SPDX-License-Identifier: MIT
 *
 * One simulated storage: gen(stats(trace(timed(file, ram or card slot)))).
 *
 * Memory  struct fp_port_flash is the caller's; it allocates its maps and, with
 *         --ram, the flash itself, freed by fp_port_flash_close()
 * Errors  fp_port_usage(): a program that can't open its flash ends
 * Power   writes reach the file in the order in which they are made, so that a
 *         kill at any moment is a power cut
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_FLASH_H
#define FP_DEVICE_AGENT_PORTS_POSIX_FLASH_H

#include "core/bdev/gen.h"
#include "core/bdev/ram.h"
#include "core/bdev/stats.h"
#include "core/bdev/trace.h"
#include "core/host/file.h"
#include "device-agent/ports/posix/options.h"
#include "device-agent/ports/posix/slot.h"

struct fp_port_flash {
    const char *name;
    struct fp_bdev_gen gen;
    struct fp_bdev_stats stats;
    struct fp_port_timed timed;
    bool is_timed, is_card;
    /* private */
    struct fp_bdev_trace trace;
    const struct fp_port_timing *timing;
    void (*stall)(void *ctx, int begins);
    void *ctx;
    bool traces;
    struct fp_host_file file;
    struct fp_port_slot slot;
    struct fp_bdev_ram ram;
    uint8_t *memory, *maps;
    bool is_file, is_slot;
};

void fp_port_flash_open(struct fp_port_flash *flash,
                        const struct fp_port_options *options, uint32_t index,
                        const uint8_t epoch[FP_EPOCH_SIZE],
                        void (*stall)(void *ctx, int begins), void *ctx);
/* A removable one: which medium is in, by a number; 0 none. */
uint32_t fp_port_flash_medium(struct fp_port_flash *flash);
/* Serves the medium that is in, of whatever size it is. */
void fp_port_flash_insert(struct fp_port_flash *flash);
void fp_port_flash_close(struct fp_port_flash *flash);

/* Milliseconds and microseconds of the monotonic clock. */
uint32_t fp_port_now_ms(void *ctx);
uint64_t fp_port_now_us(void *ctx);

#endif
