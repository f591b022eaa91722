/* SPDX-License-Identifier: MIT
 *
 * The loop: frames in, tasks in turn, frames out.
 *
 * Nothing here waits. What cannot go on (no room on the line, a frozen
 * storage, credit still outstanding on a device whose flash stalls the CPU) is
 * left as it is and tried again in the next poll: a message stays in the
 * link's receive buffer until there is a task for it and room for an answer, a
 * task stays at its step.
 *
 *     begin_session   a new handshake: tasks of the old one are dropped
 *     take_frames     messages become tasks, BULK goes to its upload
 *     run_tasks       a turn of each, round robin (tasks.c); at most one that
 *                     writes a poll
 *
 * Where flash stalls the CPU, bytes that come in meanwhile are lost. A task
 * that wants to write asks fp_agent_may_write(), which takes the host's credit
 * away and says yes once none is outstanding. When a poll passes in which
 * nobody asked, credit is granted again.
 */
#include "device-agent/private.h"

#include "core/digest/crc32.h"

#include <string.h>

#define FRAMES_A_POLL   16
#define ROUNDS_A_POLL   8
#define FROZEN_WAIT_MS  10
#define REBOOT_AFTER_MS 300
#define EVENT_AFTER_MS  500
#define KEY_MIN         16

_Static_assert(FP_AGENT_REQUESTS >= 2, "the protocol promises two requests");
_Static_assert(FP_AGENT_UPLOADS >= 1, "an upload needs a slot");
_Static_assert(FP_AGENT_OUTCOMES >= FP_AGENT_REQUESTS,
               "what was at work when the link was lost may come again");
_Static_assert(FP_AGENT_PATH_MAX <= FP_MESSAGE_PATH_MAX &&
                   FP_AGENT_DIGESTS <= FP_MESSAGE_DIGESTS &&
                   FP_NAME_MAX <= FP_MESSAGE_NAME_MAX,
               "messages hold what the agent says of itself");
/* Lists and digests are cut to what a frame has room for. */
#define ENVELOPE 12 /* id, and tag and length of the body */
_Static_assert(fp_HelloReply_size + ENVELOPE <= FP_AGENT_FRAME_MIN &&
                   fp_ChunkChangedReply_size + ENVELOPE <= FP_AGENT_FRAME_MIN &&
                   fp_StorageReply_size + ENVELOPE <= FP_AGENT_FRAME_MIN &&
                   fp_StatsReply_size + ENVELOPE <= FP_AGENT_FRAME_MIN,
               "replies fit the smallest frame");
_Static_assert(FP_ERR_NOENT == -fp_Error_ERROR_NOENT &&
                   FP_ERR_STALE == -fp_Error_ERROR_STALE &&
                   FP_ERR_PROTO == -fp_Error_ERROR_PROTO &&
                   FP_ERR_NOSPC == -fp_Error_ERROR_NOSPC &&
                   FP_ERR_DIGEST == -fp_Error_ERROR_DIGEST &&
                   FP_ERR_PRECOND == -fp_Error_ERROR_PRECOND &&
                   FP_ERR_LEASED == -fp_Error_ERROR_LEASED,
               "errors travel by core/error.h's numbers");

/* ---- start and end ---- */

static bool is_short(const char *text, size_t max)
{
    return text != NULL && strlen(text) - 1 < max;
}

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool is_id(const char *id)
{
    if (!is_short(id, 64))
        return false;
    /* It stands in paths, where "." and ".." mean something else. */
    if (id[0] == '.' && (id[1] == '\0' || (id[1] == '.' && id[2] == '\0')))
        return false;
    while (is_id_char(*id))
        id++;
    return *id == '\0';
}

bool fp_agent_storage_is_sane(const struct fp_agent_config *cfg,
                              const struct fp_agent_storage *storage)
{
    const struct fp_bdev *dev = storage->dev;
    uint32_t chunk_size;

    if (!is_short(storage->name, 16) || dev == NULL ||
        storage->region_count > (FP_AGENT_REGIONS ? 8 : 0))
        return false;
    if ((!FP_AGENT_MEDIA && dev->flags & FP_BDEV_REMOVABLE) ||
        (!FP_LINK_STALL && dev->flags & FP_BDEV_XIP))
        return false;
    chunk_size = fp_agent_chunk_size(storage);
    if ((cfg->scratch != NULL && cfg->scratch_size % dev->read_size != 0) ||
        dev->read_size > sizeof(fp_Envelope) ||
        chunk_size % dev->read_size != 0)
        return false;
    for (uint32_t i = 0; FP_AGENT_REGIONS && i < storage->region_count; i++)
        if (!is_short(storage->regions[i].name, 16))
            return false;
    return storage->gen == NULL ||
           fp_bdev_gen_chunk_size(storage->gen) == chunk_size;
}

static bool lz4_is_sane(const struct fp_agent_config *cfg)
{
    size_t places = cfg->lz4_table_count;

    if (FP_AGENT_LZ4_IN && cfg->lz4_in != NULL &&
        cfg->lz4_in_size < FP_LZ4_WINDOW_MIN)
        return false;
    return !FP_AGENT_LZ4_OUT || cfg->lz4_out == NULL ||
           (cfg->lz4_table != NULL && places >= 256 && places <= 65536 &&
            (places & (places - 1)) == 0 &&
            cfg->lz4_out_size >= 2 * (size_t)cfg->frame_max &&
            cfg->lz4_out_size <= 131072);
}

static bool wire_is_sane(const struct fp_agent_config *cfg)
{
    size_t max = cfg->frame_max;

    if (cfg->send == NULL || max < FP_AGENT_FRAME_MIN ||
        cfg->tx_size < FP_LINK_TX_MIN(max) ||
        cfg->rx_size < FP_LINK_RX_MIN(max) || !lz4_is_sane(cfg))
        return false;
    return !FP_AGENT_RATES || cfg->set_rate == NULL ||
           (cfg->rates != NULL && cfg->rate_count > 0);
}

static bool key_is_sane(const struct fp_agent_config *cfg)
{
    return cfg->key == NULL ||
           (FP_AGENT_AUTH && cfg->key_size >= KEY_MIN && cfg->entropy != NULL);
}

static bool config_is_sane(const struct fp_agent_config *cfg)
{
    if (!is_id(cfg->id) || !is_short(cfg->model, 32) ||
        !is_short(cfg->firmware, 32) || cfg->vfs == NULL ||
        !wire_is_sane(cfg) || !key_is_sane(cfg) ||
        (cfg->scratch != NULL && cfg->scratch_size == 0) ||
        (!FP_AGENT_PROTECTED && cfg->protected_count > 0))
        return false;
    for (uint32_t i = 0; i < cfg->storage_count; i++)
        if (!fp_agent_storage_is_sane(cfg, &cfg->storages[i]))
            return false;
    for (uint32_t i = 0; i < cfg->volume_count; i++) {
        const struct fp_agent_volume *volume = &cfg->volumes[i];

        if (!is_short(volume->path, FP_MOUNT_POINT_MAX + 1) ||
            !is_short(volume->storage, 16) ||
            (!FP_AGENT_REGIONS && volume->region != NULL))
            return false;
    }
    return true;
}

static size_t wire_send(void *ctx, const uint8_t *buf, size_t size)
{
    const struct fp_agent *agent = ctx;

    return agent->cfg->send(agent->cfg->ctx, buf, size);
}

/* All that can be is mounted before anything is formatted: a volume on a whole
 * storage must not take one on a region of it along. */
static void begin_volumes(struct fp_agent *agent)
{
    const struct fp_agent_config *cfg = agent->cfg;

    for (uint32_t i = 0; i < cfg->volume_count; i++) {
        struct fp_agent_volume *volume = &cfg->volumes[i];

        volume->on =
            fp_agent_storage(agent, volume->storage, strlen(volume->storage));
        (void)fp_agent_volume_mount(agent, volume);
    }
    for (uint32_t i = 0; i < cfg->volume_count; i++)
        fp_agent_volume_begin(agent, &cfg->volumes[i]);
}

/* While something is read there no message is at work: a request was copied
 * and an answer not begun. */
static void take_scratch(struct fp_agent *agent)
{
    const struct fp_agent_config *cfg = agent->cfg;

    agent->scratch = cfg->scratch;
    agent->scratch_size = (uint32_t)cfg->scratch_size;
    if (cfg->scratch == NULL) {
        agent->scratch = (uint8_t *)&agent->message;
        agent->scratch_size = sizeof agent->message;
    }
}

static void begin_storages(struct fp_agent *agent)
{
    const struct fp_agent_config *cfg = agent->cfg;

    for (uint32_t i = 0; i < cfg->storage_count; i++) {
        struct fp_agent_storage *storage = &cfg->storages[i];

        storage->restoring = false;
        storage->stalls = storage->dev->flags & FP_BDEV_XIP;
        agent->rx_stall |= storage->stalls;
        agent->scratch_size -= agent->scratch_size % storage->dev->read_size;
    }
}

int fp_agent_init(struct fp_agent *agent, const struct fp_agent_config *cfg,
                  uint32_t now_ms)
{
    struct fp_link_config link = {
        .crc32 = fp_crc32,
        .send = wire_send,
        .ctx = agent,
        .frame_max = cfg->frame_max,
        .tx_buf = cfg->tx_buf,
        .tx_size = cfg->tx_size,
        .rx_buf = cfg->rx_buf,
        .rx_size = cfg->rx_size,
    };

    if (!config_is_sane(cfg))
        return FP_ERR_INVAL;
    memset(agent, 0, sizeof *agent);
    agent->cfg = cfg;
    agent->now_ms = now_ms;
    agent->next_task = agent->tasks;
    fp_agent_rate_init(agent);
    if (cfg->epoch != NULL) {
        memcpy(agent->seed.epoch, cfg->epoch, sizeof agent->seed.epoch);
        agent->has_epoch = true;
    }
    take_scratch(agent);
    begin_storages(agent);
    link.rx_stall = agent->rx_stall;
    fp_agent_media_init(agent);
    begin_volumes(agent);
    agent->volumes_changed = false;
    fp_link_init(&agent->link, &link, now_ms);
    agent->session = fp_link_session(&agent->link);
    return FP_OK;
}

/* ---- messages ---- */

/* Answers NULL: there is no task. */
static struct fp_agent_task *refuse(struct fp_agent *agent, int err,
                                    const char *detail, uint32_t limit)
{
    FP_AGENT_COUNT(agent, refused, 1);
    if (agent->message.id != 0) {
        fp_agent_failure(agent, agent->message.id, err, detail)->limit = limit;
        fp_agent_send_failure(agent);
    }
    return NULL;
}

/* Answers a request that was done before as it was answered then. */
static void replay(struct fp_agent *agent,
                   const struct fp_agent_outcome *outcome)
{
    uint32_t id = agent->message.id;
    bool is_commit = agent->message.which_body == fp_Envelope_put_commit_tag ||
                     agent->message.which_body == fp_Envelope_put_open_tag;
    fp_Envelope *out;

    if (outcome->err) {
        (void)fp_agent_failure(agent, id, outcome->err, NULL);
        fp_agent_send_failure(agent);
        return;
    }
    out = fp_agent_out(agent, id,
                       is_commit ? fp_Envelope_put_commit_reply_tag
                                 : fp_Envelope_done_tag);
    if (is_commit)
        out->body.put_commit_reply.fs_gen = outcome->fs_gen;
    else
        out->body.done.fs_gen = outcome->fs_gen;
    (void)fp_agent_send(agent);
}

static struct fp_agent_task *free_slot(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id == 0)
            return &agent->tasks[i];
    return NULL;
}

/* Where its task may be; NULL: refused, for the first of these reasons. */
static struct fp_agent_task *admit(struct fp_agent *agent, const uint8_t *op_id)
{
    const fp_Envelope *in = &agent->message;
    struct fp_agent_task *slot = free_slot(agent), *task = NULL;
    bool same_id = false, same_op = false;

    while ((task = fp_agent_task_next(agent, task)) != NULL) {
        same_id |= task->id == in->id;
        same_op |= op_id != NULL && task->has_op_id &&
                   memcmp(task->op_id, op_id, 8) == 0;
    }
    if (!fp_agent_trusts(agent) && in->which_body != fp_Envelope_hello_tag &&
        in->which_body != fp_Envelope_auth_tag)
        return refuse(agent, FP_ERR_ACCES,
                      FP_AGENT_SAY("this device serves who proves its key"), 0);
    if (same_id)
        return refuse(agent, FP_ERR_PROTO,
                      FP_AGENT_SAY("a request of this id is at work"), 0);
    if (in->id == 0 || fp_agent_job_of(in->which_body) == NULL)
        return refuse(agent, FP_ERR_NOTSUP,
                      FP_AGENT_SAY("no request that this agent knows"), 0);
    if (slot == NULL)
        return refuse(agent, FP_ERR_NFILE,
                      FP_AGENT_SAY("too many unanswered requests"),
                      FP_AGENT_REQUESTS);
    if (same_op)
        return refuse(agent, FP_ERR_BUSY,
                      FP_AGENT_SAY("that operation is at work"), 0);
    return slot;
}

static void start_task(struct fp_agent *agent)
{
    const struct fp_agent_outcome *outcome = NULL;
    struct fp_agent_task *task;
    uint8_t op_id[8];
    int err, op_err;
    bool has_op_id = fp_agent_op_id(&agent->message, op_id, &op_err);

    task = admit(agent, has_op_id ? op_id : NULL);
    if (task == NULL)
        return;
    if (op_err) {
        (void)refuse(agent, op_err, FP_AGENT_SAY("an op_id is 8 bytes"), 8);
        return;
    }
    memset(task, 0, sizeof *task);
    if (has_op_id) {
        outcome = fp_agent_outcome_find(agent, op_id);
        memcpy(task->op_id, op_id, 8);
    }
    if (outcome != NULL) {
        replay(agent, outcome);
        return;
    }
    task->has_op_id = has_op_id;
    task->id = agent->message.id;
    task->job = fp_agent_job_of(agent->message.which_body);
    /* What only reads goes first: most is small, and what is large will be in
     * the round soon. Changes are made in the order in which they came. */
    if (!task->job->writes)
        agent->next_task = task;
    err = FP_OK;
    if (task->job->start != NULL)
        err = task->job->start(agent, task, &agent->message);
    if (err)
        fp_agent_task_fail(agent, task, err, NULL);
}

/* False: there is no room for an answer now, look again later. */
static bool take_message(struct fp_agent *agent, const uint8_t *payload,
                         size_t size)
{
    if (!fp_agent_has_room(agent, FP_AGENT_ANY))
        return false;
    FP_AGENT_COUNT(agent, requests, 1);
    fp_agent_rate_confirm(agent);
    agent->message.id = 0;
    if (fp_message_decode(&agent->message, payload, size) == FP_ERR_PROTO)
        (void)refuse(agent, FP_ERR_PROTO,
                     FP_AGENT_SAY("not a message of this version, or a field "
                                  "is too long"),
                     0);
    else
        start_task(agent);
    return true;
}

static bool take_frames(struct fp_agent *agent)
{
    struct fp_link_frame frame;
    bool any = false, taken = true;

    for (uint32_t i = 0; i < FRAMES_A_POLL && taken && !agent->wrote; i++) {
        if (!fp_link_peek(&agent->link, &frame))
            break;
        if (frame.kind == FP_FRAME_MSG)
            taken = take_message(agent, frame.payload, frame.size);
        else if (frame.kind == FP_FRAME_BULK && fp_agent_trusts(agent))
            taken = fp_agent_bulk_take(agent, frame.payload, frame.size);
        if (taken) {
            any = true;
            agent->bulk_done = 0;
            fp_link_take(&agent->link);
        }
    }
    return any || agent->wrote;
}

/* ---- tasks ---- */

static struct fp_agent_task *next_of(struct fp_agent *agent,
                                     struct fp_agent_task *task)
{
    return ++task < agent->tasks + FP_AGENT_REQUESTS ? task : agent->tasks;
}

/* A round serves everyone once, beginning with who had to break off, or else
 * behind who was first before. */
static bool run_round(struct fp_agent *agent)
{
    struct fp_agent_task *first = agent->next_task, *task = first;
    bool any = false, broken_off = false;

    agent->next_task = next_of(agent, first);
    do {
        if (task->id != 0) {
            any |= fp_agent_task_turn(agent, task);
            if (task->turn > 0 && !broken_off) {
                agent->next_task = task;
                broken_off = true;
            }
        }
        task = next_of(agent, task);
    } while (task != first);
    return any;
}

static bool run_tasks(struct fp_agent *agent)
{
    uint32_t rounds = 0;

    while (rounds < ROUNDS_A_POLL && run_round(agent))
        rounds++;
    return rounds > 0;
}

/* ---- sessions ---- */

static void drop_session(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        fp_agent_task_free(agent, &agent->tasks[i]);
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        agent->uploads[i].stream = 0;
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++) {
        struct fp_agent_storage *storage = &agent->cfg->storages[i];

        if (storage->gen != NULL)
            fp_bdev_gen_thaw(storage->gen);
        if (fp_agent_is_restoring(storage))
            fp_agent_restore_release(agent, storage); /* nothing is mounted */
    }
    agent->has_nonce = false;
    fp_agent_auth_drop(agent);
    agent->bulk_done = 0;
    agent->features = 0;
}

void fp_agent_deinit(struct fp_agent *agent)
{
    drop_session(agent);
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        fp_agent_upload_free(agent, &agent->uploads[i]);
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++)
        if (agent->cfg->volumes[i].mounted)
            (void)fp_agent_volume_unmount(agent, &agent->cfg->volumes[i]);
}

/* ---- events ---- */

/* Volumes change by the hand of the application too. A host is told once things
 * have been quiet for a while, not for every block of a running upload. */
static void watch_volumes(struct fp_agent *agent)
{
    uint32_t gen = 0;

    for (uint32_t i = 0; i < agent->cfg->storage_count; i++)
        gen += fp_agent_gen(&agent->cfg->storages[i]);
    if (gen != agent->gen_seen) {
        agent->gen_seen = gen;
        agent->gen_ms = agent->now_ms;
    }
    if (gen != agent->gen_told &&
        agent->now_ms - agent->gen_ms >= EVENT_AFTER_MS)
        agent->volumes_changed = true;
    if (!agent->volumes_changed)
        return;
    if (fp_agent_event(agent, 0, fp_EventKind_EVENT_VOLUME_CHANGED) != NULL &&
        fp_agent_send(agent) == FP_OK) {
        agent->volumes_changed = false;
        agent->gen_told = gen;
    }
}

static void watch_reboot(struct fp_agent *agent)
{
    if (!FP_AGENT_REBOOT || !agent->reboot_due ||
        (!fp_link_idle(&agent->link) &&
         agent->now_ms - agent->reboot_ms < REBOOT_AFTER_MS))
        return;
    agent->reboot_due = false;
    fp_agent_deinit(agent);
    agent->cfg->reboot(agent->cfg->ctx);
}

/* ---- the loop ---- */

void fp_agent_input(struct fp_agent *agent, const uint8_t *buf, size_t size,
                    uint32_t now_ms)
{
    fp_link_input(&agent->link, buf, size, now_ms);
    fp_agent_rate_hear(agent);
}

size_t fp_agent_print(struct fp_agent *agent, const void *text, size_t size)
{
    if (!fp_agent_trusts(agent))
        return 0;
    return fp_link_send_console(&agent->link, text, size);
}

static bool serve(struct fp_agent *agent)
{
    bool progress;

    agent->wrote = false;
    agent->wants_hold = false;
    agent->owes_room = agent->wants_room;
    agent->wants_room = false;
    progress = take_frames(agent);
    progress |= run_tasks(agent);
    if (FP_LINK_STALL && agent->holding && !agent->wants_hold) {
        agent->holding = false;
        fp_link_resume(&agent->link);
        progress = true;
    }
    if (fp_agent_trusts(agent)) {
        fp_agent_media_tell(agent);
        watch_volumes(agent);
    }
    watch_reboot(agent);
    return progress;
}

/* Has a task or a frame been left for a time? */
static bool is_left(struct fp_agent *agent)
{
    struct fp_link_frame frame;

    return fp_agent_task_next(agent, NULL) != NULL ||
           fp_link_peek(&agent->link, &frame);
}

bool fp_agent_is_trusting(const struct fp_agent *agent)
{
    return fp_agent_trusts(agent);
}

bool fp_agent_is_idle(const struct fp_agent *agent)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0)
            return false;
    return fp_link_idle(&agent->link);
}

#if FP_AGENT_STATS

/* Is something wanted that only the line can bring or take? */
static bool is_waiting(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL && agent->uploads[i].stream != 0)
            return true;
    return is_left(agent);
}

/* Where the time goes between polls. */
static void count_wait(struct fp_agent *agent)
{
    if (agent->waits_us != 0)
        agent->counts.wait_us += fp_agent_now_us(agent) - agent->waits_us;
    agent->waits_us = 0;
}

static void begin_wait(struct fp_agent *agent)
{
    if (is_waiting(agent))
        agent->waits_us = fp_agent_now_us(agent);
}

#else
#define count_wait(agent) ((void)0)
#define begin_wait(agent) ((void)0)
#endif

/* A new handshake, or the host is gone: so is what it held. */
static void watch_session(struct fp_agent *agent)
{
    uint32_t session = fp_link_session(&agent->link);
    bool up = fp_link_state(&agent->link) != FP_LINK_DOWN;

    if (session == agent->session && (up || !agent->in_session))
        return;
    agent->session = session;
    agent->in_session = up;
    drop_session(agent);
}

uint32_t fp_agent_poll(struct fp_agent *agent, uint32_t now_ms)
{
    uint32_t wait, most = 1000;

    agent->now_ms = now_ms;
    count_wait(agent);
    wait = fp_link_poll(&agent->link, now_ms);
    watch_session(agent);
    fp_agent_uploads_expire(agent);
    fp_agent_media_watch(agent);
    fp_agent_rate_watch(agent);
    if (fp_link_state(&agent->link) == FP_LINK_UP) {
        bool progress = serve(agent);

        wait = fp_link_poll(&agent->link, now_ms);
        if (progress)
            return 0;
        begin_wait(agent);
        most = is_left(agent) || fp_agent_rate_is_due(agent) ? FROZEN_WAIT_MS
                                                             : 250;
    }
    return wait < most ? wait : most;
}
