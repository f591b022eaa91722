/* SPDX-License-Identifier: MIT
 *
 * The agent on a micro:bit: 144 KB of its flash as /flash, a littlefs, over
 * the USB cable that powers it. Figures that cost RAM are here and in
 * limits.cmake; docs/firmware-ports.md says what each costs.
 *
 * What runs it is bare.c; an application lives in its loop too, and uses `vfs`
 * from there.
 */
#include "core/fs/littlefs/littlefs.h"
#include "device-agent/ports/bare/bare.h"

/* 512 is the least that every message fits; two a buffer are the least, too. */
#define FRAME_MAX   640
#define BUFFER_SIZE (2 * (FRAME_MAX + FP_FRAME_OVERHEAD))

/* Small caches, since flash is read as fast as RAM; fewer entries a directory
 * block than might fit one, whose names would have to be a few bytes long. */
#define LITTLEFS_CACHE   128
#define LITTLEFS_OPTIONS "entries=24,addresses=4,lookahead=20"
#define WORKSPACE_SIZE   (1968 + 208 * FILES_MAX)

/* Of the agent alone: an upload, and a file for each request. The commit of the
 * upload reads the file that was there before. */
#define FILES_MAX (FP_AGENT_REQUESTS + FP_AGENT_UPLOADS)

/* One bit for 4 KiB of flash, twice. */
#define GEN_MAPS_SIZE 10

static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
static struct fp_vfs vfs;

static uint8_t gen_maps[GEN_MAPS_SIZE];

static struct fp_agent_storage storages[] = { { .name = "flash0" } };

static uint64_t workspace[WORKSPACE_SIZE / sizeof(uint64_t)];

static struct fp_agent_volume volumes[] = {
    { .path = "/flash",
      .storage = "flash0",
      .fs = "littlefs",
      .cfg = { .max_files = FILES_MAX,
               .cache_size = LITTLEFS_CACHE,
               .options = LITTLEFS_OPTIONS },
      .ws = workspace,
      .ws_size = sizeof workspace,
      .format_erased = true },
};

static uint8_t tx_buf[BUFFER_SIZE], rx_buf[BUFFER_SIZE];
static uint8_t scratch[512];

/* What the agent grants the host, and some of what needs no grant. */
_Static_assert(FP_BARE_WIRE_IN >= BUFFER_SIZE + FP_FRAME_OVERHEAD,
               "what is under way finds room while the agent is at work");

static struct fp_agent_config config = {
    .model = "microbit",
    .firmware = FP_PORT_VERSION,
    .vfs = &vfs,
    .storages = storages,
    .storage_count = 1,
    .volumes = volumes,
    .volume_count = 1,
    .frame_max = FRAME_MAX,
    .tx_buf = tx_buf,
    .tx_size = sizeof tx_buf,
    .rx_buf = rx_buf,
    .rx_size = sizeof rx_buf,
    .scratch = scratch,
    .scratch_size = sizeof scratch,
    /* Blocks are written in a restore only, which has unmounted the one volume
     * there is before: its memory is free then. */
    .block_buf = (uint8_t *)workspace,
    .block_buf_size = sizeof workspace,
};

int main(void)
{
    fp_vfs_init(&vfs, drivers);
    return fp_bare_run(&config, gen_maps, sizeof gen_maps);
}
