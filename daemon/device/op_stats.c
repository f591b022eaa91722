/* SPDX-License-Identifier: MIT
 *
 * STATS: all counters of the device, page after page.
 */
#include "daemon/device/op.h"

#include "daemon/device/info.h"

#include <string.h>

static bool stats_step(struct fpd_session *s, struct fpd_op_state *op,
                       uint32_t *bytes)
{
    fp_Envelope *env;

    (void)bytes;
    if (op->calls > 0)
        return false;
    env = fpd_session_begin(s, op, fp_Envelope_stats_tag, false);
    if (!env)
        return false;
    if (op->step == 0)
        op->req->u.stats.count = 0;
    env->body.stats.cursor = op->req->u.stats.count;
    return fpd_session_send(s) != NULL;
}

static void stats_reply(struct fpd_session *s, struct fpd_op_state *op,
                        struct fpd_call *call, const fp_Envelope *env)
{
    const fp_StatsReply *reply = &env->body.stats_reply;
    struct fpd_request *req = op->req;

    (void)s;
    (void)call;
    if (env->which_body != fp_Envelope_stats_reply_tag ||
        (reply->counters_count == 0 && !reply->last)) {
        fpd_op_broken(op, "the device answered something else than counters");
        return;
    }
    op->step = 1;
    for (pb_size_t i = 0; i < reply->counters_count; i++) {
        struct fpd_counter *to = &req->u.stats.counters[req->u.stats.count];

        if (req->u.stats.count == req->u.stats.max)
            break;
        if (!fpd_info_is_word(reply->counters[i].name.bytes,
                              reply->counters[i].name.size, 32)) {
            fpd_op_broken(op, "a counter has no proper name");
            return;
        }
        memcpy(to->name, reply->counters[i].name.bytes,
               reply->counters[i].name.size);
        to->name[reply->counters[i].name.size] = '\0';
        to->value = reply->counters[i].value;
        req->u.stats.count++;
    }
    if (reply->last || req->u.stats.count == req->u.stats.max)
        fpd_op_finish(op, FP_OK);
}

static void stats_restart(struct fpd_op_state *op, bool same_epoch)
{
    (void)same_epoch;
    op->step = 0;
}

const struct fpd_op_ops fpd_op_stats = {
    .state_size = sizeof(struct fpd_op_state),
    .stall_ms = FPD_STALL_MS,
    .step = stats_step,
    .reply = stats_reply,
    .restart = stats_restart,
};
