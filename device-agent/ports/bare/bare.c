/* SPDX-License-Identifier: MIT
 *
 * The main loop of a firmware that is nothing but the agent.
 */
#include "device-agent/ports/bare/bare.h"
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/bare/startup.h"
#include "device-agent/ports/bare/wire.h"

#include <string.h>

/* A model is at most 32 bytes. */
#define ID_SIZE (32 + 1 + 16 + 1)

static struct fp_agent agent;
static struct fp_bdev_gen gen;
static char id[ID_SIZE];
static uint8_t epoch[FP_EPOCH_SIZE];

/* ---- what the agent asks for ---- */

static size_t wire_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    return fp_bare_wire_send(buf, size);
}

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return fp_port_now_ms();
}

static bool entropy(void *ctx, uint8_t *buf, size_t size)
{
    (void)ctx;
    return fp_port_random(buf, size);
}

static bool counter(void *ctx, uint32_t index, const char **name,
                    uint64_t *value)
{
    (void)ctx;
    *name = index == 0 ? "bare.wire_lost_bytes" : "bare.stack_free_bytes";
    *value = index == 0 ? fp_bare_wire_lost_count() : fp_bare_stack_free();
    return index < 2;
}

static void restart(void *ctx)
{
    (void)ctx;
    fp_bare_restart();
}

/* ---- the start ---- */

static char *put_hex(char *dst, uint32_t value)
{
    for (int i = 7; i >= 0; i--) {
        dst[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    return dst + 8;
}

/* The model and the chip's number. */
static void make_id(const char *model)
{
    size_t size = strlen(model);
    uint32_t serial[2];
    char *at = id + size;

    fp_port_serial(serial);
    memcpy(id, model, size);
    *at++ = '-';
    at = put_hex(at, serial[0]);
    at = put_hex(at, serial[1]);
    *at = '\0';
}

static void know_itself(struct fp_agent_config *config)
{
    make_id(config->model);
    config->id = id;
    if (fp_port_random(epoch, sizeof epoch)) {
        config->epoch = epoch;
        config->entropy = entropy;
    }
    config->boot_reason = fp_port_boot_reason();
    config->send = wire_send;
    config->counter = counter;
    config->reboot = restart;
}

static int find_flash(struct fp_agent_config *config,
                      struct fp_bdev_gen_config *gen_config)
{
    struct fp_bdev *flash = fp_port_flash_init();

    if (flash == NULL) {
        config->storage_count = 0;
        config->volume_count = 0;
        return FP_OK;
    }
    memcpy(gen_config->epoch, epoch, sizeof epoch);
    config->storages[0].gen = &gen;
    config->storages[0].dev = &gen.bdev;
    return fp_bdev_gen_init(&gen, flash, gen_config);
}

/* ---- the loop ---- */

/* The agent wants to be called when bytes come, and every millisecond does no
 * harm: what wakes the CPU is that. */
static void serve(void)
{
    uint8_t buf[64];
    size_t n = fp_bare_wire_recv(buf, sizeof buf);

    if (n > 0)
        fp_agent_input(&agent, buf, n, fp_port_now_ms());
    if (fp_agent_poll(&agent, fp_port_now_ms()) > 0)
        fp_bare_wire_sleep();
}

int fp_bare_run(struct fp_agent_config *config, uint8_t *gen_maps,
                size_t gen_maps_size)
{
    struct fp_bdev_gen_config gen_config = {
        .clock_ms = clock_ms,
        .maps = gen_maps,
        .maps_size = gen_maps_size,
    };
    int err;

    fp_port_clock_init();
    fp_port_uart_init();
    know_itself(config);
    err = find_flash(config, &gen_config);
    if (!err)
        err = fp_agent_init(&agent, config, fp_port_now_ms());
    if (err)
        return err;
    for (;;)
        serve();
}
