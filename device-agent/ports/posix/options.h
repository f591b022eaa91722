/* SPDX-License-Identifier: MIT
 *
 * The command line of a device that is a process, taken apart but not yet acted
 * upon. Most of it is the same for all such programs.
 *
 * Memory  strings point into argv, which is cut up in place
 * Errors  a sentence on stderr and exit code 2
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_OPTIONS_H
#define FP_DEVICE_AGENT_PORTS_POSIX_OPTIONS_H

#include "device-agent/ports/posix/timing.h"

#include <stdbool.h>
#include <stdint.h>

#define FP_PORT_STORAGES  8
#define FP_PORT_VOLUMES   8
#define FP_PORT_REGIONS   8 /* a storage */
#define FP_PORT_PROTECTED 16
#define FP_PORT_RATES     12

struct fp_port_storage_option {
    const char *name, *file;
    uint32_t block, count, prog, read; /* 0: not given */
    bool is_card;   /* sectors that are replaced, with partitions */
    bool removable; /* the file comes and goes */
};

struct fp_port_region_option {
    const char *name, *storage;
    uint64_t off, size;
    uint32_t flags; /* FP_AGENT_REGION_* */
};

struct fp_port_volume_option {
    const char *path, *on, *fs; /* on: a storage or a region; fs NULL: any */
    const char *reserve;        /* a region for the sector adapter, or NULL */
    const char *options;        /* "k=v,k=v" for the driver, or NULL */
};

/* Options of a program's own, each with a value. */
#define FP_PORT_OWN 4

/* What makes a program of this kind differ. */
struct fp_port_program {
    const char *name;       /* "flashport-agent" */
    const char *model;      /* as hosts are told */
    const char *usage;      /* how --help begins */
    const char *wire_usage; /* of its own options */
    const char *own[FP_PORT_OWN];
    bool is_own_needed;      /* the first of them */
    uint32_t frame, buffers; /* where none are given; 0: as a small device */
};

struct fp_port_options {
    const struct fp_port_program *program;
    const char *id, *format, *key_file;
    const char *own[FP_PORT_OWN]; /* values, in the program's order */
    struct fp_port_storage_option storages[FP_PORT_STORAGES];
    struct fp_port_volume_option volumes[FP_PORT_VOLUMES];
    struct fp_port_region_option regions[FP_PORT_STORAGES * FP_PORT_REGIONS];
    const char *protected[FP_PORT_PROTECTED];
    uint32_t storage_count, volume_count, region_count, protected_count;
    const struct fp_port_timing *timing;
    uint32_t frame, buffers;
    uint32_t lz4;                              /* window either way; 0: none */
    uint32_t rates[FP_PORT_RATES], rate_count; /* the first is safe */
    bool ram, trace, read_only, console, raw_console;
};

void fp_port_options(struct fp_port_options *options,
                     const struct fp_port_program *program, int argc,
                     char **argv);
/* The program's name and the sentence, then exit(2). */
_Noreturn void fp_port_usage(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
