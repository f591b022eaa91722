/* SPDX-License-Identifier: MIT
 *
 * The agent library is the very one that a board links in; this is its port to
 * POSIX: files as flash, poll() as the main loop.
 */
#include "device-agent/ports/posix/device.h"

#include "core/host/drivers.h"
#include "device-agent/agent.h"
#include "device-agent/ports/posix/flash.h"
#include "device-agent/ports/posix/volumes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a UART's FIFO keeps while the CPU stalls. */
#define FIFO_SIZE    6
#define EARLY_SIZE   65536
#define SCRATCH_SIZE 4096
#define CONSOLE_MS   20 /* how long a line on stdin waits */

struct app {
    struct fp_port_options options;
    struct fp_port_wire *wire;
    struct fp_port_flash flashes[FP_PORT_STORAGES];
    struct fp_agent_storage storages[FP_PORT_STORAGES];
    struct fp_agent_region regions[FP_PORT_STORAGES][FP_PORT_REGIONS];
    struct fp_port_volumes volumes;
    struct fp_vfs vfs;
    struct fp_agent_config cfg;
    struct fp_agent agent;
    uint8_t epoch[FP_EPOCH_SIZE];
    /* Bytes that came before the CPU stalled, and what the FIFO kept. */
    uint8_t early[EARLY_SIZE];
    size_t early_size;
    uint64_t stall_lost;
    /* Of stdin, not yet printed. */
    uint8_t text[4096];
    size_t text_size;
    uint8_t key[128];
    size_t key_size;
    char **argv; /* to start again with */
};

static struct app app;
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void *need(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        fp_port_usage("not enough memory");
    return memory;
}

/* ---- the wire, and a CPU that stalls ---- */

static size_t wire_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    return app.wire->ops->send(app.wire, buf, size);
}

static bool set_rate(void *ctx, uint32_t baud)
{
    (void)ctx;
    return app.wire->ops->set_rate != NULL &&
           app.wire->ops->set_rate(app.wire, baud);
}

static size_t wire_recv(uint8_t *buf, size_t size)
{
    return app.wire->ops->recv(app.wire, buf, size);
}

/* All that is in the kernel came in before: it was received. Of what comes
 * while the CPU stalls only as much is kept as a FIFO holds. */
static void on_stall(void *ctx, int begins)
{
    uint8_t lost[4096];
    size_t n, kept = 0;

    (void)ctx;
    if (begins) {
        while (app.early_size < EARLY_SIZE) {
            n = wire_recv(app.early + app.early_size,
                          EARLY_SIZE - app.early_size);
            if (n == 0)
                return;
            app.early_size += n;
        }
        return;
    }
    while ((n = wire_recv(lost, sizeof lost)) > 0) {
        size_t keep = FIFO_SIZE - kept < n ? FIFO_SIZE - kept : n;

        if (keep > EARLY_SIZE - app.early_size)
            keep = EARLY_SIZE - app.early_size;
        memcpy(app.early + app.early_size, lost, keep);
        app.early_size += keep;
        kept += keep;
        app.stall_lost += n - keep;
    }
}

static bool counter(void *ctx, uint32_t index, const char **name,
                    uint64_t *value)
{
    (void)ctx;
    *name = "posix.stall_lost_bytes";
    *value = app.stall_lost;
    return index == 0;
}

/* One CPU, whichever storage the bytes are of. */
static void hashed(void *ctx, uint32_t size)
{
    (void)ctx;
    if (app.flashes[0].is_timed)
        fp_port_timed_hash(&app.flashes[0].timed, size);
}

/* ---- restarting ---- */

#define BOOT_REASON "FLASHPORT_AGENT_BOOT_REASON"

/* The agent has closed what it had open; as on a board, the wire goes silent
 * and the program begins anew. */
static void restart(void *ctx)
{
    (void)ctx;
    for (uint32_t i = 0; i < app.options.storage_count; i++)
        fp_port_flash_close(&app.flashes[i]);
    app.wire->ops->close(app.wire);
    setenv(BOOT_REASON, "4", 1);
    execv("/proc/self/exe", app.argv);
    fp_port_usage("cannot start again: %s", strerror(errno));
}

/* As in HelloReply: power, or software if this program started itself. */
static uint32_t boot_reason(void)
{
    bool again = getenv(BOOT_REASON) != NULL;

    unsetenv(BOOT_REASON);
    return again ? 4 : 1;
}

/* ---- cards ---- */

static uint32_t index_of(const char *storage)
{
    uint32_t i = 0;

    while (strcmp(app.options.storages[i].name, storage) != 0)
        i++;
    return i;
}

static uint32_t medium(void *ctx, const char *storage)
{
    (void)ctx;
    return fp_port_flash_medium(&app.flashes[index_of(storage)]);
}

/* A larger card may need a larger workspace. */
static void inserted(void *ctx, const char *storage)
{
    (void)ctx;
    fp_port_flash_insert(&app.flashes[index_of(storage)]);
    fp_port_volumes_fit(&app.volumes, storage);
}

static bool entropy(void *ctx, uint8_t *buf, size_t size)
{
    (void)ctx;
    return getrandom(buf, size, 0) == (ssize_t)size;
}

/* ---- the key ---- */

/* The first line of a file that nobody else reads. */
static void read_key(const char *path)
{
    FILE *file = fopen(path, "r");
    struct stat st;
    size_t size;

    if (file == NULL || fstat(fileno(file), &st) != 0)
        fp_port_usage("--key-file %s: %s", path, strerror(errno));
    if (st.st_mode & 077)
        fp_port_usage("--key-file %s: others may read it: chmod 600 it", path);
    size = fread(app.key, 1, sizeof app.key, file);
    app.key_size = 0;
    while (app.key_size < size && app.key[app.key_size] != '\n' &&
           app.key[app.key_size] != '\r')
        app.key_size++;
    if (app.key_size < 16 || (app.key_size == size && fgetc(file) > ' '))
        fp_port_usage("--key-file %s: its first line has not 16 to 128 bytes; "
                      "openssl rand -hex 32 makes one",
                      path);
    fclose(file);
}

/* ---- putting it together ---- */

static uint32_t find_storage(const char *option, const char *name)
{
    for (uint32_t i = 0; i < app.options.storage_count; i++)
        if (strcmp(app.options.storages[i].name, name) == 0)
            return i;
    fp_port_usage("%s: no --storage is called '%s'", option, name);
}

static void add_regions(void)
{
    for (uint32_t i = 0; i < app.options.region_count; i++) {
        const struct fp_port_region_option *o = &app.options.regions[i];
        uint32_t at = find_storage("--region", o->storage);
        struct fp_agent_storage *storage = &app.storages[at];
        uint64_t size = fp_bdev_size(storage->dev);
        uint32_t block = storage->dev->block_size;

        if (app.options.storages[at].removable)
            fp_port_usage("--region %s: a card brings its own partitions",
                          o->name);
        if (storage->region_count == FP_PORT_REGIONS)
            fp_port_usage("--region %s: at most %d a storage", o->name,
                          FP_PORT_REGIONS);
        if (o->off > size || o->size > size - o->off || o->off % block != 0 ||
            o->size % block != 0)
            fp_port_usage("--region %s: not whole blocks of %u bytes within "
                          "%s, which has %llu",
                          o->name, block, o->storage, (unsigned long long)size);
        app.regions[at][storage->region_count++] = (struct fp_agent_region){
            .name = o->name,
            .off = o->off,
            .size = o->size,
            .flags = o->flags,
        };
    }
}

static void add_storages(void)
{
    for (uint32_t i = 0; i < app.options.storage_count; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(app.options.storages[i].name,
                       app.options.storages[j].name) == 0)
                fp_port_usage("--storage: '%s' is given twice",
                              app.options.storages[i].name);
        fp_port_flash_open(&app.flashes[i], &app.options, i, app.epoch,
                           on_stall, NULL);
        app.storages[i] = (struct fp_agent_storage){
            .name = app.options.storages[i].name,
            .dev = &app.flashes[i].gen.bdev,
            .gen = &app.flashes[i].gen,
            .stats = &app.flashes[i].stats,
            .regions = app.regions[i],
            .partitions = app.options.storages[i].is_card
                              ? fp_agent_partitions_mbr
                              : NULL,
        };
    }
}

static void configure(void)
{
    const struct fp_port_options *o = &app.options;
    size_t buf_size = (o->frame + (size_t)FP_FRAME_OVERHEAD) * o->buffers;
    size_t block = 0;

    if (buf_size < FP_LINK_RX_MIN(o->frame))
        buf_size = FP_LINK_RX_MIN(o->frame);
    for (uint32_t i = 0; i < o->storage_count; i++)
        if (app.storages[i].dev->block_size > block)
            block = app.storages[i].dev->block_size;
    app.cfg = (struct fp_agent_config){
        .id = o->id,
        .model = o->program->model,
        .firmware = FP_PORT_VERSION,
        .epoch = app.epoch,
        .boot_reason = boot_reason(),
        .key = app.key_size > 0 ? app.key : NULL,
        .key_size = app.key_size,
        .vfs = &app.vfs,
        .storages = app.storages,
        .storage_count = o->storage_count,
        .volumes = app.volumes.volumes,
        .volume_count = app.volumes.count,
        .protected_paths = o->protected,
        .protected_count = o->protected_count,
        .send = wire_send,
        .frame_max = (uint16_t)o->frame,
        .tx_buf = need(buf_size),
        .tx_size = buf_size,
        .rx_buf = need(buf_size),
        .rx_size = buf_size,
        .rates = o->rates,
        .rate_count = o->rate_count,
        .set_rate = o->rate_count > 0 ? set_rate : NULL,
        .scratch = need(SCRATCH_SIZE),
        .scratch_size = SCRATCH_SIZE,
        .block_buf = need(block),
        .block_buf_size = block,
        .entropy = entropy,
        .counter = counter,
        .clock_us = fp_port_now_us,
        .hashed = hashed,
        .medium = medium,
        .inserted = inserted,
        .reboot = restart,
    };
}

/* A window each way; outwards as much again for what is to go. */
static void configure_lz4(void)
{
    size_t window = app.options.lz4, least = 2 * (size_t)app.options.frame;

    if (window == 0)
        return;
    app.cfg.lz4_in = need(window);
    app.cfg.lz4_in_size = window;
    app.cfg.lz4_out_size = 2 * window > least ? 2 * window : least;
    app.cfg.lz4_out = need(app.cfg.lz4_out_size);
    app.cfg.lz4_table_count = 256;
    while (app.cfg.lz4_table_count < window / 8)
        app.cfg.lz4_table_count *= 2;
    app.cfg.lz4_table =
        need(app.cfg.lz4_table_count * sizeof app.cfg.lz4_table[0]);
}

/* --format: only where there is nothing; damage is for a person to look at. */
static void format_empty(void)
{
    for (uint32_t i = 0; i < app.volumes.count; i++) {
        struct fp_agent_volume *volume = &app.volumes.volumes[i];
        char reason[97];
        int err;

        if (volume->mounted || volume->partition > 1)
            continue;
        if (app.options.format != NULL && volume->mount_err == FP_ERR_NOENT) {
            err = fp_agent_format(&app.agent, volume, app.options.format);
            if (err == FP_OK)
                continue;
            fprintf(stderr, "%s: cannot format %s: %s\n",
                    app.options.program->name, volume->path, fp_strerror(err));
        }
        fp_agent_volume_reason(volume, reason, sizeof reason);
        fprintf(stderr, "%s: %s is not mounted: %s\n",
                app.options.program->name, volume->path, reason);
    }
}

/* ---- the console ---- */

static bool has_input(void)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

    return poll(&in, 1, 0) > 0;
}

/* What does not go now stays, and then holds back who writes to stdin. */
static void print_console(void)
{
    size_t sent;

    if (app.text_size == 0 && has_input()) {
        ssize_t n = read(STDIN_FILENO, app.text, sizeof app.text);

        app.options.console = n > 0;
        app.text_size = n > 0 ? (size_t)n : 0;
    }
    if (app.text_size == 0)
        return;
    sent = app.options.raw_console
               ? wire_send(NULL, app.text, app.text_size)
               : fp_agent_print(&app.agent, app.text, app.text_size);
    app.text_size -= sent;
    memmove(app.text, app.text + sent, app.text_size);
}

static void serve(void)
{
    uint8_t buf[16384];

    while (!stop) {
        uint32_t wait = fp_agent_poll(&app.agent, fp_port_now_ms(NULL));
        size_t n;

        if (app.early_size > 0) {
            fp_agent_input(&app.agent, app.early, app.early_size,
                           fp_port_now_ms(NULL));
            app.early_size = 0;
            wait = 0;
        }
        if (app.options.console)
            print_console();
        if (app.options.console && wait > CONSOLE_MS)
            wait = CONSOLE_MS;
        app.wire->has_proven =
            app.options.key_file != NULL && fp_agent_is_trusting(&app.agent);
        app.wire->ops->wait(app.wire, wait < 1000 ? (int)wait : 1000);
        n = wire_recv(buf, sizeof buf);
        if (n > 0)
            fp_agent_input(&app.agent, buf, n, fp_port_now_ms(NULL));
    }
}

static void open_wire(void)
{
    if (app.wire->ops->open(app.wire, &app.options) != 0) {
        app.wire->ops->close(app.wire);
        fp_port_usage("%s", app.wire->error);
    }
    if (app.options.rate_count > 0 && !set_rate(NULL, app.options.rates[0])) {
        app.wire->ops->close(app.wire);
        fp_port_usage("--rates: only a pty has one");
    }
    if (app.wire->is_shared)
        app.cfg.reboot = NULL;
    fprintf(stderr, "%s: %s serves on %s\n", app.options.program->name,
            app.options.id, app.wire->where);
}

int fp_port_device_run(const struct fp_port_program *program,
                       struct fp_port_wire *wire, int argc, char **argv)
{
    struct sigaction act = { .sa_handler = on_signal };

    app.argv = argv;
    app.wire = wire;
    fp_port_options(&app.options, program, argc, argv);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
    if (!entropy(NULL, app.epoch, sizeof app.epoch))
        fp_port_usage("no random numbers: %s", strerror(errno));
    fp_vfs_init(&app.vfs, fp_host_drivers);
    if (app.options.key_file != NULL)
        read_key(app.options.key_file);
    add_storages();
    add_regions();
    fp_port_volumes_init(&app.volumes, &app.options, app.storages);
    configure();
    configure_lz4();
    if (fp_agent_init(&app.agent, &app.cfg, fp_port_now_ms(NULL)) != FP_OK)
        fp_port_usage("--id: '%s' has other than 1 to 64 of A-Z a-z 0-9 . _ -, "
                      "or a read size is larger than 4096",
                      app.options.id);
    format_empty();
    open_wire();
    serve();
    fp_agent_deinit(&app.agent);
    for (uint32_t i = 0; i < app.options.storage_count; i++)
        fp_port_flash_close(&app.flashes[i]);
    app.wire->ops->close(app.wire);
    return 0;
}
