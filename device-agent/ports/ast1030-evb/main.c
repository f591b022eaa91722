/* SPDX-License-Identifier: MIT
 *
 * The agent on an AST1030: the flash chip of its controller SPI1 as /flash, a
 * littlefs, over its console UART. Figures that cost RAM are here and in
 * limits.cmake; docs/firmware-ports.md says what each costs.
 *
 * What runs it is bare.c; an application lives in its loop too, and uses `vfs`
 * from there.
 */
#include "core/fs/littlefs/littlefs.h"
#include "device-agent/ports/bare/bare.h"

/* A frame is 0.18 s at 115,200 baud: much longer, and what is urgent waits.
 * Four a buffer keep the line busy while flash works. */
#define FRAME_MAX   2048
#define BUFFER_SIZE (4 * (FRAME_MAX + FP_FRAME_OVERHEAD))

/* As much of the biggest chip that there may be, 32 MiB: a bit for 4 KiB of
 * flash, twice; lookahead a bit for a block. */
#define GEN_MAPS_SIZE    2048
#define LITTLEFS_CACHE   256
#define LITTLEFS_OPTIONS "lookahead=256"
#define WORKSPACE_SIZE   16384

/* The agent's: a file for each request and each upload; and two of the
 * application. */
#define FILES_MAX (FP_AGENT_REQUESTS + FP_AGENT_UPLOADS + 2)

/* Text travels in a third of the time. What goes needs a window and as much
 * again; a place of the table for 8 bytes of the window. */
#define LZ4_WINDOW 16384

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
static uint8_t lz4_in[LZ4_WINDOW], lz4_out[2 * LZ4_WINDOW];
static uint16_t lz4_table[LZ4_WINDOW / 8];
static uint8_t scratch[4096], block_buf[4096];

/* What the agent grants the host, and some of what needs no grant. */
_Static_assert(FP_BARE_WIRE_IN >= BUFFER_SIZE + FP_FRAME_OVERHEAD,
               "what is under way finds room while the agent is at work");

static struct fp_agent_config config = {
    .model = "ast1030-evb",
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
    .lz4_in = lz4_in,
    .lz4_in_size = sizeof lz4_in,
    .lz4_out = lz4_out,
    .lz4_out_size = sizeof lz4_out,
    .lz4_table = lz4_table,
    .lz4_table_count = sizeof lz4_table / sizeof lz4_table[0],
    .scratch = scratch,
    .scratch_size = sizeof scratch,
    .block_buf = block_buf,
    .block_buf_size = sizeof block_buf,
};

int main(void)
{
    fp_vfs_init(&vfs, drivers);
    return fp_bare_run(&config, gen_maps, sizeof gen_maps);
}
