/* SPDX-License-Identifier: MIT
 *
 * What a device says of itself: Hello, Stats, Storages; a Nonce; Reboot.
 */
#include "device-agent/private.h"

#include <string.h>

#define FEATURES \
    (FP_AGENT_WHOLE_PUT ? (uint32_t)fp_Feature_FEATURE_WHOLE_PUT : 0)
#define VERSION 1

_Static_assert(sizeof(((fp_HelloRequest *)0)->nonce.bytes) ==
                   sizeof(((struct fp_agent_seed *)0)->host_nonce),
               "a host's nonce is taken whole");

#define UNLESS(has, part) ((has) ? 0u : (uint32_t)fp_Part_PART_##part)
#define LEFT_OUT                                                              \
    (UNLESS(FP_AGENT_IMAGES, SNAPSHOTS) | UNLESS(FP_AGENT_RESTORE, RESTORE) | \
     UNLESS(FP_AGENT_MOUNTS, VOLUMES) | UNLESS(FP_AGENT_CHECK, CHECK) |       \
     UNLESS(FP_AGENT_PUT_MODES, PUT_MODES) |                                  \
     UNLESS(FP_AGENT_TRUNCATE, TRUNCATE) | UNLESS(FP_AGENT_REBOOT, REBOOT) |  \
     UNLESS(FP_AGENT_ATTRS, ATTRS) | UNLESS(FP_AGENT_STATS, STATS))

/* ---- Hello ---- */

void fp_agent_take_zone(struct fp_agent *agent)
{
    int16_t zone_min = agent->told_zone_min;

    if (!fp_agent_trusts(agent))
        return;
    agent->zone_min = zone_min;
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++)
        if (agent->cfg->volumes[i].mounted)
            agent->cfg->volumes[i].vm.mnt.cfg.zone_min = zone_min;
}

int fp_agent_hello_start(struct fp_agent *agent, struct fp_agent_task *task,
                         const fp_Envelope *in)
{
    const fp_HelloRequest *hello = &in->body.hello;
    int err;

    if (hello->version_min > VERSION || hello->version_max < VERSION) {
        task->limit = VERSION;
        return fp_agent_because(task, FP_ERR_NOTSUP,
                                "this agent speaks version 1 of the messages");
    }
    agent->told_zone_min = agent->zone_min;
    if (hello->zone_min >= -1440 && hello->zone_min <= 1440)
        agent->told_zone_min = (int16_t)hello->zone_min;
    fp_agent_bulk_begin(agent, hello->features &
                                   (FEATURES | fp_agent_bulk_features(agent)));
    /* Behind its size there is nothing that matters. */
    memcpy(agent->seed.host_nonce, hello->nonce.bytes,
           sizeof agent->seed.host_nonce);
    if (!agent->has_epoch) {
        memcpy(agent->seed.epoch, agent->seed.host_nonce,
               sizeof agent->seed.epoch);
        agent->has_epoch = true;
    }
    err = fp_agent_challenge(agent, task, hello->nonce.size);
    fp_agent_take_zone(agent);
    return err;
}

/* Longest that a step may be silent: an erase or a format, of which BUSY tells
 * in advance. */
#define BUSY_MAX_MS 30000

/* The names of the drivers that can format, a comma between; what has no room
 * is left out. */
static void tell_filesystems(const struct fp_agent *agent, fp_HelloReply *hello)
{
    const struct fp_fs_ops *const *driver = agent->cfg->vfs->drivers;
    pb_byte_t *bytes = hello->filesystems.bytes;
    size_t at = 0;

    for (; *driver != NULL; driver++) {
        const char *name = (*driver)->name;
        size_t size = strlen(name);

        if ((*driver)->format == NULL)
            continue;
        if (at + size + 1 > sizeof hello->filesystems.bytes)
            break;
        if (at > 0)
            bytes[at++] = ',';
        memcpy(bytes + at, name, size);
        at += size;
    }
    hello->filesystems.size = (pb_size_t)at;
}

int fp_agent_hello_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_config *cfg = agent->cfg;
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_hello_reply_tag);
    fp_HelloReply *hello = &out->body.hello_reply;
    struct fp_vfs_mount *vm = fp_vfs_default(cfg->vfs);

    hello->version = VERSION;
    FP_AGENT_TEXT(hello->device_id, cfg->id);
    FP_AGENT_TEXT(hello->model, cfg->model);
    FP_AGENT_TEXT(hello->firmware, cfg->firmware);
    hello->epoch.size = FP_EPOCH_SIZE;
    memcpy(hello->epoch.bytes, agent->seed.epoch, FP_EPOCH_SIZE);
    hello->boot_reason = cfg->boot_reason;
    hello->rx_bytes = (uint32_t)cfg->rx_size;
    hello->max_requests = FP_AGENT_REQUESTS;
    hello->max_streams = FP_AGENT_REQUESTS;
    hello->max_files = FP_AGENT_UPLOADS;
    hello->path_max = FP_AGENT_PATH_MAX;
    hello->busy_max_ms = BUSY_MAX_MS;
    hello->rx_stall = agent->rx_stall;
    hello->features = agent->features;
    hello->left_out = LEFT_OUT;
    if (FP_AGENT_REBOOT && cfg->reboot == NULL)
        hello->left_out |= fp_Part_PART_REBOOT;
    if (FP_AGENT_LZ4_IN && agent->features & fp_Feature_FEATURE_LZ4_IN)
        hello->lz4_window = fp_agent_unpack(agent)->size;
    if (vm != NULL)
        FP_AGENT_TEXT(hello->default_volume, vm->path);
    if (FP_FS_FORMAT)
        tell_filesystems(agent, hello);
    fp_agent_tell_proof(agent, hello);
    fp_agent_tell_rates(agent, hello);
    return fp_agent_send(agent);
}

/* ---- Nonce: what a destructive request must name, so that one that was meant
 * for another session, or another device, does nothing here ---- */

static void make_nonce(struct fp_agent *agent)
{
    uint8_t digest[FP_SHA256_SIZE];
    struct fp_sha256 sha;

    if (agent->cfg->entropy != NULL &&
        agent->cfg->entropy(agent->cfg->ctx, agent->nonce, sizeof agent->nonce))
        return;
    agent->seed.count++;
    fp_sha256_init(&sha);
    fp_sha256_update(&sha, &agent->seed, sizeof agent->seed);
    fp_sha256_final(&sha, digest);
    memcpy(agent->nonce, digest, sizeof agent->nonce);
}

int fp_agent_nonce_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    fp_Envelope *out;

    make_nonce(agent);
    agent->has_nonce = true;
    out = fp_agent_out(agent, task->id, fp_Envelope_nonce_reply_tag);
    out->body.nonce_reply.nonce.size = sizeof agent->nonce;
    memcpy(out->body.nonce_reply.nonce.bytes, agent->nonce,
           sizeof agent->nonce);
    return fp_agent_send(agent);
}

bool fp_agent_nonce_is(const struct fp_agent *agent, const pb_byte_t *nonce,
                       size_t size)
{
    return agent->has_nonce && size == sizeof agent->nonce &&
           memcmp(agent->nonce, nonce, size) == 0;
}

/* ---- Reboot ---- */

int fp_agent_reboot_start(struct fp_agent *agent, struct fp_agent_task *task,
                          const fp_Envelope *in)
{
    (void)in;
    if (agent->cfg->reboot == NULL)
        return fp_agent_because(task, FP_ERR_NOTSUP,
                                "this device cannot restart itself");
    return FP_OK;
}

int fp_agent_reboot_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    agent->reboot_due = true;
    agent->reboot_ms = agent->now_ms;
    return fp_agent_done(agent, task);
}

/* ---- Stats: a flat list of counters, numbered; the cursor is a number ---- */

#if FP_AGENT_STATS

#define LINK_COUNTERS    8
#define AGENT_COUNTERS   5
#define STORAGE_COUNTERS (4 * FP_BDEV_OP_COUNT)

static void link_counter(struct fp_agent *agent, uint32_t index, char *name,
                         size_t size, uint64_t *value)
{
    static const char *const names[LINK_COUNTERS] = {
        "link.tx_bytes",   "link.rx_bytes",      "link.tx_frames",
        "link.rx_frames",  "link.rx_damaged",    "link.retransmitted",
        "link.duplicates", "link.console_bytes",
    };
    struct fp_link_stats st;

    fp_link_get_stats(&agent->link, &st);
    const uint64_t values[LINK_COUNTERS] = {
        st.tx_bytes,   st.rx_bytes,      st.tx_frames,  st.rx_frames,
        st.rx_damaged, st.retransmitted, st.duplicates, st.console_bytes,
    };

    fp_agent_append(name, size, names[index]);
    *value = values[index];
}

static void agent_counter(const struct fp_agent *agent, uint32_t index,
                          char *name, size_t size, uint64_t *value)
{
    static const char *const names[AGENT_COUNTERS] = {
        "agent.requests", "agent.refused", "agent.stray_bulk",
        "agent.hash_us",  "agent.wait_us",
    };
    const struct fp_agent_counts *counts = &agent->counts;
    const uint64_t values[AGENT_COUNTERS] = {
        counts->requests, counts->refused, counts->stray_bulk,
        counts->hash_us,  counts->wait_us,
    };

    fp_agent_append(name, size, names[index]);
    *value = values[index];
}

static void storage_counter(const struct fp_agent_storage *storage,
                            uint32_t index, char *name, size_t size,
                            uint64_t *value)
{
    static const char *const ops[FP_BDEV_OP_COUNT] = { ".read", ".prog",
                                                       ".erase", ".sync" };
    static const char *const kinds[4] = { "s", "_bytes", "_us", "_errors" };
    const struct fp_bdev_count *count = &storage->stats->count[index / 4];
    const uint64_t values[4] = { count->calls, count->bytes, count->time_us,
                                 count->errors };

    fp_agent_append(name, size, storage->name);
    fp_agent_append(name, size, ops[index / 4]);
    fp_agent_append(name, size, kinds[index % 4]);
    *value = values[index % 4];
}

static bool counter(struct fp_agent *agent, uint32_t index, char *name,
                    size_t size, uint64_t *value)
{
    const struct fp_agent_config *cfg = agent->cfg;
    const char *own;

    name[0] = '\0';
    if (index < LINK_COUNTERS) {
        link_counter(agent, index, name, size, value);
        return true;
    }
    index -= LINK_COUNTERS;
    if (index < AGENT_COUNTERS) {
        agent_counter(agent, index, name, size, value);
        return true;
    }
    index -= AGENT_COUNTERS;
    for (uint32_t i = 0; i < cfg->storage_count; i++) {
        if (cfg->storages[i].stats == NULL)
            continue;
        if (index < STORAGE_COUNTERS) {
            storage_counter(&cfg->storages[i], index, name, size, value);
            return true;
        }
        index -= STORAGE_COUNTERS;
    }
    if (cfg->counter == NULL || !cfg->counter(cfg->ctx, index, &own, value))
        return false;
    fp_agent_append(name, size, own);
    return true;
}

int fp_agent_stats_start(struct fp_agent *agent, struct fp_agent_task *task,
                         const fp_Envelope *in)
{
    (void)agent;
    task->u.index = in->body.stats.cursor;
    return FP_OK;
}

int fp_agent_stats_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_stats_reply_tag);
    fp_StatsReply *reply = &out->body.stats_reply;
    const pb_size_t max = sizeof reply->counters / sizeof reply->counters[0];
    uint32_t index = task->u.index;
    char name[33];
    uint64_t value;

    while (reply->counters_count < max &&
           counter(agent, index, name, sizeof name, &value)) {
        fp_Counter *c = &reply->counters[reply->counters_count++];

        FP_AGENT_TEXT(c->name, name);
        c->value = value;
        index++;
    }
    reply->last = !counter(agent, index, name, sizeof name, &value);
    return fp_agent_send(agent);
}

#endif

/* ---- Storages: one message each ---- */

#if FP_AGENT_REGIONS
static void tell_region(const struct fp_agent_region *from,
                        fp_StorageReply *reply)
{
    const pb_size_t max = sizeof reply->regions / sizeof reply->regions[0];
    fp_Region *region = &reply->regions[reply->regions_count];

    if (reply->regions_count == max)
        return;
    reply->regions_count++;
    FP_AGENT_TEXT(region->name, from->name);
    region->off = from->off;
    region->size = from->size;
    region->flags = from->flags;
}

static void tell_regions(const struct fp_agent_storage *storage,
                         fp_StorageReply *reply)
{
    for (uint32_t i = 0; i < storage->region_count; i++)
        tell_region(&storage->regions[i], reply);
    for (uint32_t i = 0; i < storage->part_count; i++)
        if (storage->parts[i].region.size != 0)
            tell_region(&storage->parts[i].region, reply);
}
#endif

static void tell_storage(const struct fp_agent_storage *storage,
                         fp_StorageReply *reply)
{
    reply->present = true;
    FP_AGENT_TEXT(reply->name, storage->name);
    reply->read_size = storage->dev->read_size;
    reply->prog_size = storage->dev->prog_size;
    reply->block_size = storage->dev->block_size;
    reply->block_count = storage->dev->block_count;
    reply->flags = storage->dev->flags;
    reply->chunk_size = fp_agent_chunk_size(storage);
    reply->gen = fp_agent_gen(storage);
    reply->gen_trusted = storage->gen != NULL;
    reply->no_medium = !fp_agent_has_medium(storage);
#if FP_AGENT_REGIONS
    tell_regions(storage, reply);
#endif
}

int fp_agent_storages_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_storage_reply_tag);
    fp_StorageReply *reply = &out->body.storage_reply;

    if (task->u.index < agent->cfg->storage_count)
        tell_storage(&agent->cfg->storages[task->u.index], reply);
    reply->last = ++task->u.index >= agent->cfg->storage_count;
    return fp_agent_send_part(agent, reply->last);
}
