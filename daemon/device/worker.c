/* SPDX-License-Identifier: MIT
 *
 * The life of a link. The worker that served a device last goes on looking
 * after its requests while the link is gone: their deadlines pass, their
 * owners cancel. Another link that finds the device takes all that over.
 */
#include "daemon/device/worker.h"

#include "daemon/device/loan.h"
#include "daemon/device/op.h"
#include "daemon/log.h"

#include <stdio.h>
#include <string.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define BRIEF_MS       1000 /* of being online */
#define BRIEF_CHANCE   3    /* a board may start over a few times */
#define STATS_MS       500
#define BUSY_MS        1000
#define LINES_MS       60000 /* in which a link has */
#define LINES_MAX      30    /* lines of who is there and who is not */

/* ---- what others see ---- */

static void sum_stats(struct fpd_worker *w)
{
    struct fp_link_stats st = { 0 };
    struct fpd_link_info *info = &w->info;

    fp_link_get_stats(&w->session.proto, &st);
    info->tx_bytes = w->past.tx_bytes + st.tx_bytes;
    info->rx_bytes = w->past.rx_bytes + st.rx_bytes;
    info->tx_frames = w->past.tx_frames + st.tx_frames;
    info->rx_frames = w->past.rx_frames + st.rx_frames;
    info->rx_damaged = w->past.rx_damaged + st.rx_damaged;
    info->retransmitted = w->past.retransmitted + st.retransmitted;
    if (w->device && w->device->owner == w)
        w->device->info.link = *info;
}

/* May it be logged? A line that says another name at each turn fills no log. */
static bool may_log(struct fpd_worker *w)
{
    int64_t now = fpd_now_ms();

    if (w->lines == 0 || now - w->lines_ms >= LINES_MS) {
        w->lines_ms = now;
        w->lines = 0;
    }
    if (w->lines == LINES_MAX)
        fpd_log(FPD_LOG_WARN, "device",
                "comes and goes too often to be told: link=%s", w->link.spec);
    if (w->lines <= LINES_MAX)
        w->lines++;
    return w->lines <= LINES_MAX;
}

/* The session is over: its counts join those of the ones before. */
static void keep_stats(struct fpd_worker *w)
{
    struct fp_link_stats st = { 0 };

    fp_link_get_stats(&w->session.proto, &st);
    w->past.tx_bytes += st.tx_bytes;
    w->past.rx_bytes += st.rx_bytes;
    w->past.tx_frames += st.tx_frames;
    w->past.rx_frames += st.rx_frames;
    w->past.rx_damaged += st.rx_damaged;
    w->past.retransmitted += st.retransmitted;
}

static void publish_stats(struct fpd_worker *w, int64_t now)
{
    if (now - w->stats_ms < STATS_MS)
        return;
    w->stats_ms = now;
    pthread_mutex_lock(&w->devices->lock);
    sum_stats(w);
    if (w->device && w->device->owner == w && w->session.device)
        w->device->info.last_seen_ms =
            fpd_unix_ms() - (now - w->session.heard_ms);
    pthread_mutex_unlock(&w->devices->lock);
}

static void set_state(struct fpd_worker *w, enum fpd_device_state state,
                      const char *reason)
{
    struct fpd_device *mine = NULL;

    pthread_mutex_lock(&w->devices->lock);
    if (w->info.state != state || strcmp(w->info.reason, reason) != 0) {
        w->info.state = state;
        if (reason != w->info.reason)
            snprintf(w->info.reason, sizeof w->info.reason, "%s", reason);
        if (w->device && w->device->owner == w) {
            mine = w->device;
            mine->info.state = state;
            snprintf(mine->info.reason, sizeof mine->info.reason, "%s", reason);
            mine->info.link = w->info;
            if (!fpd_device_state_serves(state))
                mine->info.online_since_ms = 0;
        }
    }
    pthread_mutex_unlock(&w->devices->lock);
    if (mine)
        fpd_device_changed(mine);
}

/* ---- whose device it is ---- */

static bool owns(struct fpd_worker *w)
{
    bool mine;

    if (!w->device)
        return false;
    pthread_mutex_lock(&w->devices->lock);
    mine = w->device->owner == w;
    pthread_mutex_unlock(&w->devices->lock);
    return mine;
}

/* Lets go of the device: nobody serves it now. */
static void let_go(struct fpd_worker *w, int err, const char *reason)
{
    struct fpd_device *device = w->device;

    if (!device)
        return;
    pthread_mutex_lock(&device->work);
    if (owns(w)) {
        pthread_mutex_lock(&w->devices->lock);
        device->owner = NULL;
        device->info.state = FPD_ABSENT;
        device->info.online_since_ms = 0;
        device->info.released_until_ms = 0;
        snprintf(device->info.reason, sizeof device->info.reason, "%s", reason);
        pthread_mutex_unlock(&w->devices->lock);
        fpd_sched_fail_all(device, err, reason);
        fpd_device_changed(device);
    }
    pthread_mutex_unlock(&device->work);
    w->device = NULL;
    fpd_device_unref(device);
}

/* Our link no longer tells the id of a device that another link serves. */
static void end_conflict(struct fpd_worker *w)
{
    struct fpd_device *rival = w->rival;

    if (!rival)
        return;
    pthread_mutex_lock(&w->devices->lock);
    if (strcmp(rival->info.conflict, w->link.spec) == 0)
        rival->info.conflict[0] = '\0';
    w->rival = NULL;
    pthread_mutex_unlock(&w->devices->lock);
    fpd_device_changed(rival);
    fpd_device_unref(rival);
}

/* Under device->work and devices->lock: is another link busy with it? */
static bool taken(struct fpd_worker *w, const struct fpd_device *device)
{
    return device->owner && device->owner != w &&
           (fpd_device_state_serves(device->owner->info.state) ||
            device->owner->info.state == FPD_HELLO ||
            device->owner->loan.until_ms != 0);
}

static void take(struct fpd_worker *w, struct fpd_device *device)
{
    const struct fpd_session *s = &w->session;

    device->owner = w;
    device->info.conflict[0] = '\0';
    snprintf(w->info.device, sizeof w->info.device, "%s", device->id);
    memcpy(device->info.model, s->info.model, sizeof device->info.model);
    memcpy(device->info.firmware, s->info.firmware,
           sizeof device->info.firmware);
    device->info.link = w->info;
    device->info.state = FPD_HELLO;
}

int fpd_worker_hello(struct fpd_worker *w)
{
    struct fpd_session *s = &w->session;
    struct fpd_device *device = fpd_devices_get(w->devices, s->info.id);
    bool conflict = false;

    if (!device) {
        s->err = FP_ERR_NOMEM;
        s->verdict = FPD_BACKOFF;
        return s->err;
    }
    if (w->device != device)
        let_go(w, FP_ERR_NODEV, "another device is at its link now");
    pthread_mutex_lock(&device->work);
    pthread_mutex_lock(&w->devices->lock);
    conflict = taken(w, device);
    if (conflict) {
        snprintf(device->info.conflict, sizeof device->info.conflict, "%s",
                 w->link.spec);
        snprintf(s->reason, sizeof s->reason,
                 "%.100s serves a device with this id already",
                 device->owner->link.spec);
        snprintf(w->info.device, sizeof w->info.device, "%s", device->id);
    } else {
        take(w, device);
    }
    pthread_mutex_unlock(&w->devices->lock);
    pthread_mutex_unlock(&device->work);
    fpd_device_changed(device);
    if (conflict) {
        if (w->device == device) {
            w->device = NULL;
            fpd_device_unref(device);
        }
        if (w->rival != device)
            end_conflict(w);
        if (w->rival)
            fpd_device_unref(device);
        w->rival = device; /* with the reference */
        s->err = FP_ERR_BUSY;
        s->verdict = FPD_CONFLICT;
        return s->err;
    }
    if (w->device != device)
        w->brief = 0;
    if (w->device)
        fpd_device_unref(w->device);
    w->device = device;
    s->device = device;
    fpd_console_move(&w->early, &device->console);
    end_conflict(w);
    return FP_OK;
}

void fpd_worker_rate(struct fpd_worker *w, uint32_t baud)
{
    pthread_mutex_lock(&w->devices->lock);
    w->info.rate = baud;
    if (w->device && w->device->owner == w)
        w->device->info.link.rate = baud;
    pthread_mutex_unlock(&w->devices->lock);
}

void fpd_worker_publish(struct fpd_worker *w)
{
    struct fpd_session *s = &w->session;
    struct fpd_device_info *info = &w->device->info;
    bool online = false;

    if (!s->volumes_known || !s->storages_known)
        return;
    pthread_mutex_lock(&w->devices->lock);
    memcpy(info->epoch, s->info.epoch, sizeof info->epoch);
    memcpy(info->default_volume, s->info.default_volume,
           sizeof info->default_volume);
    memcpy(info->filesystems, s->info.filesystems, sizeof info->filesystems);
    memcpy(info->volumes, s->info.volumes, sizeof info->volumes);
    memcpy(info->storages, s->info.storages, sizeof info->storages);
    info->volume_count = s->info.volume_count;
    info->storage_count = s->info.storage_count;
    info->boot_reason = s->info.boot_reason;
    info->path_max = s->info.path_max;
    info->features = s->info.features;
    memcpy(info->left_out, s->info.left_out, sizeof info->left_out);
    memcpy(info->link_features, s->info.link_features,
           sizeof info->link_features);
    if (s->state == FPD_SESSION_ASKING) {
        online = true;
        w->info.connects++;
        info->online_since_ms = fpd_unix_ms();
    }
    pthread_mutex_unlock(&w->devices->lock);
    if (!online) {
        fpd_device_changed(w->device);
        return;
    }
    s->state = FPD_SESSION_READY;
    w->online_ms = fpd_now_ms();
    fpd_sched_online(w->device, s->info.epoch);
    if (may_log(w))
        fpd_log(FPD_LOG_INFO, "device", "online: id=%s link=%s", w->device->id,
                w->link.spec);
    set_state(w, FPD_ONLINE, "");
}

/* ---- the thread ---- */

/* Looks after the requests. Milliseconds until it wants to again; -1: never. */
static int tend(struct fpd_worker *w, bool session)
{
    int timeout_ms = -1;

    if (!w->device)
        return -1;
    pthread_mutex_lock(&w->device->work);
    if (owns(w)) {
        if (session && w->session.state == FPD_SESSION_READY)
            timeout_ms = fpd_sched_run(&w->session, w->device);
        else
            timeout_ms = fpd_sched_wait(w->device);
    }
    pthread_mutex_unlock(&w->device->work);
    return timeout_ms;
}

/* Is the line taken away each time that this device is online? Another host
 * that wants it does so, and so do we with that one: the longer we wait, the
 * longer one of us has it. */
static bool is_contended(struct fpd_worker *w)
{
    const struct fpd_session *s = &w->session;
    bool brief = s->link_broke && fpd_now_ms() - w->online_ms < BRIEF_MS;

    if (s->state == FPD_SESSION_READY)
        w->brief = brief ? w->brief + 1 : 0;
    return w->brief > BRIEF_CHANCE;
}

static void session_ended(struct fpd_worker *w)
{
    struct fpd_session *s = &w->session;
    bool contended = is_contended(w);

    if (contended)
        snprintf(s->reason, sizeof s->reason,
                 "the far end closes the link each time: does another host "
                 "use it?");
    pthread_mutex_lock(&w->devices->lock);
    sum_stats(w);
    pthread_mutex_unlock(&w->devices->lock);
    keep_stats(w);
    if (s->device) {
        pthread_mutex_lock(&s->device->work);
        fpd_sched_lost(s->device, s->verdict == FPD_REFUSED);
        pthread_mutex_unlock(&s->device->work);
        if (s->state == FPD_SESSION_READY && may_log(w))
            fpd_log(FPD_LOG_INFO, "device", "lost: id=%s link=%s reason=%s",
                    s->device->id, w->link.spec, s->reason);
    }
    /* A device that was online is looked for at once; one that came online
     * only to break the rules, or to leave, is not asked ten times a second. */
    if (s->state == FPD_SESSION_READY && s->verdict != FPD_REFUSED &&
        !contended)
        w->backoff_ms = 0;
    if (!s->err)
        return;
    if (s->verdict >= FPD_CONFLICT &&
        strcmp(w->told, s->reason) != 0 && /* once, not at each try */
        may_log(w))
        fpd_log(FPD_LOG_WARN, "device", "%s: link=%s reason=%s",
                fpd_device_state_name(s->verdict), w->link.spec, s->reason);
    snprintf(w->told, sizeof w->told, "%s",
             s->verdict >= FPD_CONFLICT ? s->reason : "");
    set_state(w, s->verdict, s->reason);
}

/* A device whose flash works hears and says nothing; the link waits for it,
 * and whoever looks is told why nothing moves. */
static void tell_busy(struct fpd_worker *w)
{
    const struct fpd_session *s = &w->session;
    bool silent = fpd_now_ms() - s->heard_ms > BUSY_MS;
    bool asked = false;

    if (s->err || s->state != FPD_SESSION_READY)
        return;
    for (uint32_t i = 0; i < s->calls_max; i++)
        asked |= s->calls[i].id != 0;
    if (silent && asked && w->info.state == FPD_ONLINE)
        set_state(w, FPD_BUSY, "the device is at work and silent");
    else if (!silent && w->info.state == FPD_BUSY)
        set_state(w, FPD_ONLINE, "");
}

/* The port is another program's until the loan is over. What was accepted
 * before it began was forced aside. */
static void stay_away(struct fpd_worker *w)
{
    int64_t until;

    fpd_link_close(&w->link);
    w->is_open = false;
    w->backoff_ms = 0;
    if (w->device) {
        pthread_mutex_lock(&w->device->work);
        if (owns(w))
            fpd_sched_fail_all(w->device, FP_ERR_NODEV,
                               "its port was lent to another program");
        pthread_mutex_unlock(&w->device->work);
    }
    end_conflict(w);
    set_state(w, FPD_RELEASED, "its port is lent to another program");
    fpd_log(FPD_LOG_INFO, "device", "port lent: link=%s", w->link.spec);
    while (!atomic_load(&w->stop) && (until = fpd_loan_until(w)) != 0) {
        int64_t left = until - fpd_now_ms();

        fpd_loan_closed(w); /* each time: one loan may follow another */
        if (left > 0)
            fpd_link_sleep(&w->link, (int)left);
    }
    set_state(w, FPD_OPENING, "");
}

/* One session on the open link. */
static void run_session(struct fpd_worker *w)
{
    struct fpd_session *s = &w->session;

    fpd_session_start(s, w, &w->link);
    /* Why the last try failed is worth knowing until one succeeds: most of the
     * time there is another under way. */
    if (w->info.state != FPD_SYNCING)
        set_state(w, FPD_SYNCING, w->info.reason);
    while (!s->err && !atomic_load(&w->stop) && !fpd_loan_until(w)) {
        int timeout_ms = tend(w, true);

        fpd_session_turn(s, timeout_ms);
        if (s->state == FPD_SESSION_HELLO && !s->err &&
            w->info.state == FPD_SYNCING)
            set_state(w, FPD_HELLO, w->info.reason);
        tell_busy(w);
        publish_stats(w, fpd_now_ms());
    }
    if (!s->err && fpd_loan_until(w))
        snprintf(s->reason, sizeof s->reason, "its port is lent");
    session_ended(w);
}

static int open_link(struct fpd_worker *w)
{
    int err;

    if (w->is_open)
        return FP_OK;
    /* A port that is not there is tried again and again; nobody needs to hear
     * of each time. */
    if (w->info.state != FPD_ABSENT && w->info.state != FPD_BACKOFF)
        set_state(w, FPD_OPENING, w->info.reason);
    err = fpd_link_open(&w->link);
    if (err)
        end_conflict(w);
    if (err)
        set_state(w, err == FP_ERR_NODEV ? FPD_ABSENT : FPD_BACKOFF,
                  w->link.reason);
    if (!err) {
        w->early.written = 0; /* perhaps another board's */
        w->rate_cap = w->link.rate_max;
        fpd_worker_rate(w, w->link.rate);
    }
    w->is_open = !err;
    return err;
}

/* Opens the link if it is not, and runs a session. A port whose opening may
 * reset a board stays open as long as it works. */
static void visit(struct fpd_worker *w)
{
    if (open_link(w))
        return;
    run_session(w);
    if (w->session.link_broke || !w->link.ops->stays_open) {
        fpd_link_close(&w->link);
        w->is_open = false;
    }
}

static void back_off(struct fpd_worker *w)
{
    int64_t until;
    int64_t left;

    w->backoff_ms = w->backoff_ms == 0 ? BACKOFF_MIN_MS : w->backoff_ms * 2;
    if (w->backoff_ms > BACKOFF_MAX_MS)
        w->backoff_ms = BACKOFF_MAX_MS;
    until = fpd_now_ms() + w->backoff_ms;
    while (!atomic_load(&w->stop) && !fpd_loan_until(w) &&
           !fpd_link_is_worth_a_try(&w->link) &&
           (left = until - fpd_now_ms()) > 0) {
        int timeout_ms = tend(w, false);

        if (timeout_ms < 0 || timeout_ms > left)
            timeout_ms = (int)left;
        fpd_link_sleep(&w->link, timeout_ms);
    }
}

void fpd_worker_run(struct fpd_worker *w)
{
    while (!atomic_load(&w->stop)) {
        visit(w);
        back_off(w);
        if (fpd_loan_until(w))
            stay_away(w);
    }
    let_go(w, FP_ERR_CANCELED, "its link was taken away");
    end_conflict(w);
    fpd_link_close(&w->link);
}

static void *run(void *arg)
{
    fpd_worker_run(arg);
    return NULL;
}

int fpd_worker_start(struct fpd_worker *w)
{
    return pthread_create(&w->thread, NULL, run, w) ? FP_ERR_NOMEM : FP_OK;
}

void fpd_worker_join(struct fpd_worker *w)
{
    atomic_store(&w->stop, true);
    fpd_link_cancel(&w->link);
    pthread_join(w->thread, NULL);
}
