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
 *     run_tasks       one slice each, round robin, while there is room; at most
 *                     one that writes a poll
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

static bool is_id(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = id != NULL ? strlen(id) : 0;

    /* It stands in paths, where these two mean something else. */
    if (size <= 2 && size > 0 && id[0] == '.' && id[size - 1] == '.')
        return false;
    return size >= 1 && size <= 64 && strspn(id, allowed) == size;
}

static bool is_short(const char *text, size_t max)
{
    return text != NULL && strlen(text) >= 1 && strlen(text) <= max;
}

bool fp_agent_storage_is_sane(const struct fp_agent_config *cfg,
                              const struct fp_agent_storage *storage)
{
    uint32_t chunk_size = fp_agent_chunk_size(storage);

    if ((!FP_AGENT_MEDIA && storage->dev->flags & FP_BDEV_REMOVABLE) ||
        (!FP_LINK_STALL && storage->dev->flags & FP_BDEV_XIP) ||
        (!FP_AGENT_REGIONS && storage->region_count > 0))
        return false;
    if (!is_short(storage->name, 16) || storage->dev == NULL ||
        (cfg->scratch != NULL &&
         cfg->scratch_size % storage->dev->read_size != 0) ||
        storage->dev->read_size > sizeof(fp_Envelope) ||
        chunk_size % storage->dev->read_size != 0 || storage->region_count > 8)
        return false;
    for (uint32_t i = 0; i < storage->region_count; i++)
        if (!is_short(storage->regions[i].name, 16))
            return false;
    return storage->gen == NULL ||
           fp_bdev_gen_chunk_size(storage->gen) == chunk_size;
}

static bool lz4_is_sane(const struct fp_agent_config *cfg)
{
    size_t places = cfg->lz4_table_count;

    if (cfg->lz4_in != NULL && cfg->lz4_in_size < FP_LZ4_WINDOW_MIN)
        return false;
    return cfg->lz4_out == NULL ||
           (cfg->lz4_table != NULL && places >= 256 && places <= 65536 &&
            (places & (places - 1)) == 0 &&
            cfg->lz4_out_size >= 2 * (size_t)cfg->frame_max &&
            cfg->lz4_out_size <= 131072);
}

static bool config_is_sane(const struct fp_agent_config *cfg)
{
    size_t max = cfg->frame_max;

    if (!is_id(cfg->id) || !is_short(cfg->model, 32) ||
        !is_short(cfg->firmware, 32) || cfg->vfs == NULL || cfg->send == NULL)
        return false;
    if (cfg->frame_max < FP_AGENT_FRAME_MIN ||
        cfg->tx_size < FP_LINK_TX_MIN(max) ||
        cfg->rx_size < FP_LINK_RX_MIN(max) ||
        (cfg->scratch != NULL && cfg->scratch_size == 0) || !lz4_is_sane(cfg))
        return false;
    if ((!FP_AGENT_AUTH && cfg->key != NULL) ||
        (!FP_AGENT_PROTECTED && cfg->protected_count > 0))
        return false;
    if (cfg->set_rate != NULL && (cfg->rates == NULL || cfg->rate_count == 0))
        return false;
    if (cfg->key != NULL && (cfg->key_size < KEY_MIN || cfg->entropy == NULL))
        return false;
    for (uint32_t i = 0; i < cfg->storage_count; i++)
        if (!fp_agent_storage_is_sane(cfg, &cfg->storages[i]))
            return false;
    for (uint32_t i = 0; i < cfg->volume_count; i++)
        if (!is_short(cfg->volumes[i].path, FP_MOUNT_POINT_MAX + 1) ||
            !is_short(cfg->volumes[i].storage, 16) ||
            (!FP_AGENT_REGIONS && cfg->volumes[i].region != NULL))
            return false;
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

    for (uint32_t i = 0; i < cfg->volume_count; i++)
        (void)fp_agent_volume_mount(agent, &cfg->volumes[i], NULL, NULL);
    for (uint32_t i = 0; i < cfg->volume_count; i++)
        fp_agent_volume_begin(agent, &cfg->volumes[i]);
}

/* While something is read there no message is at work: a request was copied
 * and an answer not begun. */
static void take_scratch(struct fp_agent *agent)
{
    const struct fp_agent_config *cfg = agent->cfg;
    uint32_t size = (uint32_t)cfg->scratch_size;

    agent->scratch = cfg->scratch;
    if (cfg->scratch == NULL) {
        agent->scratch = (uint8_t *)&agent->message;
        size = sizeof agent->message;
        for (uint32_t i = 0; i < cfg->storage_count; i++)
            size -= size % cfg->storages[i].dev->read_size;
    }
    agent->scratch_size = size;
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
    fp_agent_rate_init(agent);
    if (cfg->epoch != NULL) {
        memcpy(agent->epoch, cfg->epoch, sizeof agent->epoch);
        agent->has_epoch = true;
    }
    for (uint32_t i = 0; i < cfg->storage_count; i++) {
        cfg->storages[i].stalls = cfg->storages[i].dev->flags & FP_BDEV_XIP;
        cfg->storages[i].restoring = false;
        agent->rx_stall |= cfg->storages[i].stalls;
    }
    link.rx_stall = agent->rx_stall;
    take_scratch(agent);
    fp_agent_media_init(agent);
    begin_volumes(agent);
    agent->volumes_changed = false;
    fp_link_init(&agent->link, &link, now_ms);
    agent->session = fp_link_session(&agent->link);
    return FP_OK;
}

/* ---- tasks ---- */

static void close_task(struct fp_agent *agent, struct fp_agent_task *task)
{
    if (task->job != NULL && task->job->end != NULL)
        task->job->end(agent, task);
    task->job = NULL;
}

static void free_task(struct fp_agent *agent, struct fp_agent_task *task)
{
    close_task(agent, task);
    if (agent->block_owner == task)
        agent->block_owner = NULL;
    fp_agent_chunks_drop(agent, task);
    task->id = 0;
    task->stream = 0;
}

void fp_agent_task_fail(struct fp_agent *agent, struct fp_agent_task *task,
                        int err, const char *detail)
{
    if (task->err)
        return;
    close_task(agent, task);
    task->err = err;
    if (detail != NULL)
        (void)fp_agent_because(task, err, detail);
}

/* What was too long or too large is told with what would not have been. */
static uint64_t limit_of(const struct fp_agent_task *task)
{
    struct fp_statfs st;

    if (task->limit != 0 || task->volume == NULL || !task->volume->mounted ||
        (task->err != FP_ERR_NAMETOOLONG && task->err != FP_ERR_FBIG) ||
        fp_fs_statfs(&task->volume->vm.mnt, &st) != FP_OK)
        return task->limit;
    return task->err == FP_ERR_FBIG ? st.file_max : st.name_max;
}

static void send_error(struct fp_agent *agent, const struct fp_agent_task *task)
{
    char reason[97] = "";
    const char *detail = fp_agent_detail(task);

    if (FP_AGENT_TEXTS && detail == NULL && task->volume != NULL &&
        (!task->volume->mounted || task->err == FP_ERR_ROFS)) {
        fp_agent_volume_reason(task->volume, reason, sizeof reason);
        if (reason[0] != '\0')
            detail = reason;
    }
    fp_agent_send_failure(agent, task->id, task->err, detail, task->needed,
                          task->free, limit_of(task));
}

bool fp_agent_may_write(struct fp_agent *agent,
                        const struct fp_agent_storage *storage)
{
    if (storage == NULL)
        return true;
    if (storage->gen != NULL && fp_bdev_gen_is_frozen(storage->gen))
        return false;
    if (!FP_LINK_STALL || !storage->stalls)
        return true;
    agent->wants_hold = true;
    if (!agent->holding) {
        fp_link_hold(&agent->link);
        agent->holding = true;
    }
    return fp_link_may_stall(&agent->link);
}

static bool has_room_for(struct fp_agent *agent,
                         const struct fp_agent_task *task)
{
    if (task->err)
        return fp_agent_has_room(agent, FP_AGENT_ANY);
    if (task->bulk)
        return !agent->owes_room && fp_agent_wire_is_free(agent);
    return task->computing ||
           fp_agent_has_room(agent,
                             task->job->brief ? FP_AGENT_BRIEF : FP_AGENT_ANY);
}

/* One slice. *wrote: it may have programmed or erased. */
static bool run_task(struct fp_agent *agent, struct fp_agent_task *task,
                     bool *wrote)
{
    int result;

    if (!has_room_for(agent, task))
        return false;
    if (task->err) {
        fp_agent_outcome_keep(agent, task, task->err);
        send_error(agent, task);
        free_task(agent, task);
        return true;
    }
    if (task->job->writes) {
        if (*wrote || !fp_agent_may_write(agent, task->storage))
            return false;
        *wrote = true;
    }
    result = task->job->step(agent, task);
    if (result < 0) {
        fp_agent_task_fail(agent, task, result, NULL);
    } else if (result == FP_AGENT_DONE) {
        fp_agent_outcome_keep(agent, task, FP_OK);
        free_task(agent, task);
    }
    return result != FP_AGENT_WAIT;
}

/* A turn is about a frame of bytes, or a slice of work that sends nothing: so
 * the parts of a small answer go out together. False: nothing went on. */
static bool run_turn(struct fp_agent *agent, struct fp_agent_task *task,
                     bool *wrote)
{
    bool any = false;

    while (task->id != 0 && task->turn < fp_link_payload(&agent->link)) {
        agent->queued = 0;
        if (!run_task(agent, task, wrote))
            return any; /* its turn goes on when there is room */
        any = true;
        if (agent->queued == 0)
            break;
        task->turn += agent->queued;
    }
    task->turn = 0;
    return any;
}

/* Each round serves everyone once, beginning with who had to break off, or else
 * behind who was first before. */
static bool run_tasks(struct fp_agent *agent, bool *wrote)
{
    bool any = false;

    for (uint32_t round = 0; round < ROUNDS_A_POLL; round++) {
        bool progress = false, broken_off = false;
        uint32_t first = agent->next_task;

        agent->next_task = (first + 1) % FP_AGENT_REQUESTS;
        for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++) {
            uint32_t at = (first + i) % FP_AGENT_REQUESTS;
            struct fp_agent_task *task = &agent->tasks[at];

            if (task->id == 0)
                continue;
            progress |= run_turn(agent, task, wrote);
            if (task->turn > 0 && !broken_off)
                agent->next_task = at;
            broken_off |= task->turn > 0;
        }
        any |= progress;
        if (!progress)
            break;
    }
    return any;
}

/* ---- messages ---- */

static struct fp_agent_task *free_slot(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id == 0)
            return &agent->tasks[i];
    return NULL;
}

static void refuse(struct fp_agent *agent, int err, const char *detail,
                   uint64_t limit)
{
    FP_AGENT_COUNT(agent, refused, 1);
    if (agent->message.id != 0)
        fp_agent_send_failure(agent, agent->message.id, err, detail, 0, 0,
                              limit);
}

/* Answers a request that was done before as it was answered then. */
static void replay(struct fp_agent *agent,
                   const struct fp_agent_outcome *outcome)
{
    bool is_commit = agent->message.which_body == fp_Envelope_put_commit_tag ||
                     agent->message.which_body == fp_Envelope_put_open_tag;
    fp_Envelope *out;

    if (outcome->err) {
        fp_agent_send_failure(agent, agent->message.id, outcome->err, NULL, 0,
                              0, 0);
        return;
    }
    out = fp_agent_out(agent, agent->message.id,
                       is_commit ? fp_Envelope_put_commit_reply_tag
                                 : fp_Envelope_done_tag);
    if (is_commit)
        out->body.put_commit_reply.fs_gen = outcome->fs_gen;
    else
        out->body.done.fs_gen = outcome->fs_gen;
    (void)fp_agent_send(agent);
}

/* Refusals that need no task, in the order of what they say. True: refused. */
static bool is_refused(struct fp_agent *agent)
{
    if (!fp_agent_trusts(agent) &&
        agent->message.which_body != fp_Envelope_hello_tag &&
        agent->message.which_body != fp_Envelope_auth_tag) {
        refuse(agent, FP_ERR_ACCES,
               FP_AGENT_SAY("this device serves who proves its key"), 0);
        return true;
    }
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++) {
        if (agent->message.id != 0 && agent->tasks[i].id == agent->message.id) {
            refuse(agent, FP_ERR_PROTO,
                   FP_AGENT_SAY("a request of this id is at work"), 0);
            return true;
        }
    }
    if (agent->message.id == 0 ||
        fp_agent_job_of(agent->message.which_body) == NULL) {
        refuse(agent, FP_ERR_NOTSUP,
               FP_AGENT_SAY("no request that this agent knows"), 0);
        return true;
    }
    if (free_slot(agent) == NULL) {
        refuse(agent, FP_ERR_NFILE,
               FP_AGENT_SAY("too many unanswered requests"), FP_AGENT_REQUESTS);
        return true;
    }
    return false;
}

static bool is_running(const struct fp_agent *agent, const uint8_t op_id[8])
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 && agent->tasks[i].has_op_id &&
            memcmp(agent->tasks[i].op_id, op_id, 8) == 0)
            return true;
    return false;
}

static void start_task(struct fp_agent *agent)
{
    struct fp_agent_task *task = free_slot(agent);
    const struct fp_agent_outcome *outcome;
    uint8_t op_id[8];
    int err;
    bool has_op_id = fp_agent_op_id(&agent->message, op_id, &err);

    if (err) {
        refuse(agent, err, FP_AGENT_SAY("an op_id is 8 bytes"), 8);
        return;
    }
    if (has_op_id && is_running(agent, op_id)) {
        refuse(agent, FP_ERR_BUSY, FP_AGENT_SAY("that operation is at work"),
               0);
        return;
    }
    outcome = has_op_id ? fp_agent_outcome_find(agent, op_id) : NULL;
    if (outcome != NULL) {
        replay(agent, outcome);
        return;
    }
    memset(task, 0, sizeof *task);
    task->id = agent->message.id;
    task->job = fp_agent_job_of(agent->message.which_body);
    task->has_op_id = has_op_id;
    if (has_op_id)
        memcpy(task->op_id, op_id, 8);
    /* What only reads goes first: most is small, and what is large will be in
     * the round soon. Changes are made in the order in which they came. */
    if (!task->job->writes)
        agent->next_task = (uint32_t)(task - agent->tasks);
    err = task->job->start(agent, task, &agent->message);
    if (err)
        fp_agent_task_fail(agent, task, err, NULL);
}

/* False: there is no room for an answer now, look again later. */
static bool take_message(struct fp_agent *agent, const uint8_t *payload,
                         size_t size)
{
    int err;

    if (!fp_agent_has_room(agent, FP_AGENT_ANY))
        return false;
    FP_AGENT_COUNT(agent, requests, 1);
    fp_agent_rate_confirm(agent);
    agent->message.id = 0;
    err = fp_message_decode(&agent->message, payload, size);
    if (err == FP_ERR_PROTO)
        refuse(agent, FP_ERR_PROTO,
               FP_AGENT_SAY("not a message of this version, or a field is too "
                            "long"),
               0);
    else if (!is_refused(agent))
        start_task(agent);
    return true;
}

static bool take_frames(struct fp_agent *agent, bool *wrote)
{
    struct fp_link_frame frame;
    bool any = false;

    for (uint32_t i = 0; i < FRAMES_A_POLL && !*wrote; i++) {
        bool taken = true;

        if (!fp_link_peek(&agent->link, &frame))
            break;
        if (frame.kind == FP_FRAME_MSG)
            taken = take_message(agent, frame.payload, frame.size);
        else if (frame.kind == FP_FRAME_BULK && fp_agent_trusts(agent))
            taken = fp_agent_bulk_take(agent, frame.payload, frame.size, wrote);
        any |= taken || *wrote;
        if (!taken)
            break;
        agent->bulk_done = 0;
        fp_link_take(&agent->link);
    }
    return any;
}

/* ---- sessions ---- */

static void drop_session(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0)
            free_task(agent, &agent->tasks[i]);
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        agent->uploads[i].stream = 0;
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++)
        if (agent->cfg->storages[i].gen != NULL)
            fp_bdev_gen_thaw(agent->cfg->storages[i].gen);
    fp_agent_restore_drop(agent);
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
    bool wrote = false, progress;

    agent->wants_hold = false;
    agent->owes_room = agent->wants_room;
    agent->wants_room = false;
    progress = take_frames(agent, &wrote);
    progress |= run_tasks(agent, &wrote);
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

    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0)
            return true;
    return fp_link_peek(&agent->link, &frame);
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

uint32_t fp_agent_poll(struct fp_agent *agent, uint32_t now_ms)
{
    uint32_t wait;
    bool progress = false;

    agent->now_ms = now_ms;
    count_wait(agent);
    wait = fp_link_poll(&agent->link, now_ms);
    if (fp_link_session(&agent->link) != agent->session) {
        agent->session = fp_link_session(&agent->link);
        agent->in_session = true;
        drop_session(agent);
    }
    if (agent->in_session && fp_link_state(&agent->link) == FP_LINK_DOWN) {
        agent->in_session = false; /* the host is gone: so is what it held */
        drop_session(agent);
    }
    fp_agent_uploads_expire(agent);
    fp_agent_media_watch(agent);
    fp_agent_rate_watch(agent);
    if (fp_link_state(&agent->link) != FP_LINK_UP)
        return wait < 1000 ? wait : 1000;
    progress = serve(agent);
    wait = fp_link_poll(&agent->link, now_ms);
    if (progress)
        return 0;
    begin_wait(agent);
    if ((is_left(agent) || fp_agent_rate_is_due(agent)) &&
        wait > FROZEN_WAIT_MS)
        wait = FROZEN_WAIT_MS;
    return wait < 250 ? wait : 250;
}
