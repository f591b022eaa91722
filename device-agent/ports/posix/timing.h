/* SPDX-License-Identifier: MIT
 *
 * A block device that takes as long as a real part: it does what the device
 * below does, then sleeps. The figures are typical ones out of datasheets, in
 * microseconds; they are a model to show faults of flow control with, not a
 * measurement of any one chip.
 *
 *   nor       SPI NOR, MX25L12845G class: page of 256 bytes programmed in 0.25
 *             ms, sector of 4 KiB erased in 25 ms, read at 5 MB/s over SPI at
 *             40 MHz. The CPU is free meanwhile. (A W25Q128JV takes 0.4 and 45
 *             ms: it stores 77 KB/s at best, less than 921,600 baud carry)
 *   internal  flash of the MCU itself, nRF52 class: word of 4 bytes in 41 us,
 *             page erased in 85 ms; read as memory. The CPU stalls while it is
 *             written (FP_BDEV_XIP): what comes in beyond a UART's FIFO of 6
 *             bytes is lost
 *   sd        card over SPI: 512-byte blocks replaced in 1 ms with a command
 *             overhead of 0.3 ms, read in 0.4 ms, erase is a hint
 *
 * SHA-256 takes 50 cycles a byte in C on a Cortex-M4: 0.8 us at 64 MHz
 * (internal), 0.3 us at 168 MHz (nor, sd).
 *
 * Memory  `under` is borrowed and must outlive the device
 * Errors  those of the device below
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_TIMING_H
#define FP_DEVICE_AGENT_PORTS_POSIX_TIMING_H

#include "core/bdev/bdev.h"

struct fp_port_timing {
    const char *name;
    uint32_t read_call_us, read_ns_a_byte;
    uint32_t prog_call_us, prog_us_a_unit, prog_unit;
    uint32_t erase_us;       /* each block; 0: an erase is a hint */
    uint32_t hash_ns_a_byte; /* SHA-256 in software on such a device's CPU */
    uint32_t flags;          /* FP_BDEV_* that come with it */
};

/* NULL: there is none of that name. "none" is all zeros. */
const struct fp_port_timing *fp_port_timing_find(const char *name);

struct fp_port_timed {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    const struct fp_port_timing *timing;
    /* Called before and after the CPU stalls; may be NULL. */
    void (*stall)(void *ctx, int begins);
    void *ctx;
    uint64_t owed_ns; /* sleep that was too short to be worth a call */
};

void fp_port_timed_init(struct fp_port_timed *timed, struct fp_bdev *under,
                        const struct fp_port_timing *timing,
                        void (*stall)(void *ctx, int begins), void *ctx);

/* The CPU hashed so many bytes. Interrupts run meanwhile: nothing is lost. */
void fp_port_timed_hash(struct fp_port_timed *timed, uint32_t size);

#endif
