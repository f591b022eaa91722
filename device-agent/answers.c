/* SPDX-License-Identifier: MIT
 *
 * Answers that many requests have in common: Done and Failure; and Events.
 */
#include "device-agent/private.h"

int fp_agent_done(struct fp_agent *agent, struct fp_agent_task *task)
{
    fp_Envelope *out = fp_agent_out(agent, task->id, fp_Envelope_done_tag);

    out->body.done.fs_gen = fp_agent_gen(task->storage);
    return fp_agent_send(agent);
}

void fp_agent_tell_changed(const struct fp_agent *agent, const char *path)
{
    if (agent->cfg->changed != NULL)
        agent->cfg->changed(agent->cfg->ctx, path);
}

int fp_agent_done_at(struct fp_agent *agent, struct fp_agent_task *task,
                     const char *path)
{
    fp_agent_tell_changed(agent, path);
    return fp_agent_done(agent, task);
}

fp_Failure *fp_agent_failure(struct fp_agent *agent, uint32_t id, int err,
                             const char *detail)
{
    fp_Envelope *out = fp_agent_out(agent, id, fp_Envelope_failure_tag);
    fp_Failure *failure = &out->body.failure;

    failure->error = (fp_Error)-err;
    if (FP_AGENT_TEXTS)
        FP_AGENT_TEXT(failure->detail,
                      detail != NULL ? detail : fp_strerror(err));
    return failure;
}

void fp_agent_send_failure(struct fp_agent *agent)
{
    if (fp_agent_send(agent) == FP_OK || !FP_AGENT_TEXTS)
        return;
    /* A peer that negotiated tiny frames gets at least the number. */
    agent->message.body.failure.detail.size = 0;
    (void)fp_agent_send(agent);
}

fp_Event *fp_agent_event(struct fp_agent *agent, uint32_t id, fp_EventKind kind)
{
    fp_Event *event;

    if (!fp_agent_has_room(agent, FP_AGENT_ANY))
        return NULL;
    event = &fp_agent_out(agent, id, fp_Envelope_event_tag)->body.event;
    event->kind = kind;
    return event;
}
