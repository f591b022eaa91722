/* SPDX-License-Identifier: MIT
 *
 * The highest rate that the SPEC allows and the device has is tried first, then
 * lower ones. Each end goes back by itself when it hears nothing at the new
 * rate, and what was under way is sent again by the link, so that nothing is
 * lost; the way back costs a second and a half. A rate that twice did not carry is
 * not tried again until the port is opened anew.
 */
#include "daemon/device/raise.h"

#include "daemon/device/session.h"
#include "daemon/device/worker.h"
#include "daemon/log.h"

#include <string.h>

#define CONFIRM_MS 1000
#define LEAVE_MS   30   /* our last acknowledgement is out, also of a UART */
#define SPEAK_MS   2000 /* the device gives a raised rate up after 5 s */
#define POLL_MS    10
#define TRIES      2

/* The best rate to try, 0: none. */
static uint32_t best(const struct fpd_session *s)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < s->raise.count; i++) {
        uint32_t baud = s->raise.rates[i];

        if (baud > s->link->rate && baud <= s->worker->rate_cap && baud > found)
            found = baud;
    }
    return found;
}

static void enter(struct fpd_session *s, enum fpd_raise_step step)
{
    s->raise.step = step;
    s->raise.since_ms = fpd_now_ms();
}

bool fpd_raise_begin(struct fpd_session *s, const fp_HelloReply *reply)
{
    struct fpd_raise *raise = &s->raise;

    if (!(reply->features & fp_Feature_FEATURE_SET_RATE))
        return false;
    raise->count = reply->rates_count;
    memcpy(raise->rates, reply->rates, raise->count * sizeof raise->rates[0]);
    raise->step = best(s) ? FPD_RAISE_ASK : FPD_RAISE_NOT;
    return raise->step == FPD_RAISE_ASK;
}

static bool ping(struct fpd_session *s)
{
    if (!fpd_session_begin(s, NULL, fp_Envelope_ping_tag, false) ||
        !fpd_session_send(s))
        return false;
    s->pinged = true;
    s->raise.spoken_ms = fpd_now_ms();
    return true;
}

static void ask(struct fpd_session *s)
{
    fp_Envelope *env;

    s->raise.baud = best(s);
    if (!s->raise.baud) {
        enter(s, FPD_RAISE_NOT);
        return;
    }
    env = fpd_session_begin(s, NULL, fp_Envelope_set_rate_tag, false);
    if (!env)
        return; /* again in the next turn */
    env->body.set_rate.baud = s->raise.baud;
    env->body.set_rate.confirm_ms = CONFIRM_MS;
    if (fpd_session_send(s))
        enter(s, FPD_RAISE_ASKED);
}

/* Twice is no accident. */
static void failed(struct fpd_session *s)
{
    if (++s->raise.fails % TRIES != 0)
        return;
    fpd_log(FPD_LOG_WARN, "device", "rate does not carry: link=%s baud=%u",
            s->link->spec, s->raise.baud);
    s->worker->rate_cap = s->raise.baud - 1;
}

static void change(struct fpd_session *s)
{
    bool set = fpd_link_set_rate(s->link, s->raise.baud) == FP_OK;

    if (!set)
        failed(s);
    if (ping(s))
        enter(s, set ? FPD_RAISE_TRY : FPD_RAISE_BACK);
}

static void go_back(struct fpd_session *s)
{
    failed(s);
    fpd_link_set_rate(s->link, s->link->rate);
    enter(s, FPD_RAISE_BACK);
}

bool fpd_raise_go_on(struct fpd_session *s)
{
    int64_t past = fpd_now_ms() - s->raise.since_ms;

    switch (s->raise.step) {
    case FPD_RAISE_ASK:
        ask(s);
        break;
    case FPD_RAISE_WAIT:
        if (past >= LEAVE_MS)
            change(s);
        break;
    case FPD_RAISE_TRY:
        if (past >= CONFIRM_MS)
            go_back(s);
        break;
    default: /* the link itself ends what is never answered */
        break;
    }
    return s->raise.step != FPD_RAISE_NOT;
}

void fpd_raise_answered(struct fpd_session *s, bool ok)
{
    switch (s->raise.step) {
    case FPD_RAISE_ASKED:
        enter(s, ok ? FPD_RAISE_WAIT : FPD_RAISE_NOT);
        break;
    case FPD_RAISE_TRY:
        s->rate = s->raise.baud / 10;
        fpd_worker_rate(s->worker, s->raise.baud);
        enter(s, FPD_RAISE_NOT);
        break;
    case FPD_RAISE_BACK:
        enter(s, FPD_RAISE_ASK);
        break;
    default:
        break;
    }
}

int fpd_raise_wait(const struct fpd_session *s, int wait)
{
    return s->raise.step != FPD_RAISE_NOT && wait > POLL_MS ? POLL_MS : wait;
}

bool fpd_raise_speaks(struct fpd_session *s, int64_t now)
{
    if (s->link->rate_now == s->link->rate || s->pinged ||
        now - s->raise.spoken_ms < SPEAK_MS)
        return false;
    return ping(s);
}
