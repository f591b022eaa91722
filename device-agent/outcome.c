/* SPDX-License-Identifier: MIT
 *
 * The last results by op_id. A host that lost the link after it had asked for
 * a rename sends the rename again; without this the second would find the file
 * gone and fail, though all is as wanted.
 *
 * Results that only say "not now" are not kept: the host asks again and means
 * it.
 */
#include "device-agent/private.h"

#include <string.h>

struct field {
    const pb_byte_t *bytes;
    size_t size;
};

#define FIELD(kind) \
    ((struct field){ in->body.kind.op_id.bytes, in->body.kind.op_id.size })

static struct field field_of(const fp_Envelope *in)
{
    switch (in->which_body) {
    case fp_Envelope_put_commit_tag:
        return FIELD(put_commit);
    case fp_Envelope_put_open_tag: /* empty without a commit */
        return FIELD(put_open.commit);
    case fp_Envelope_mkdir_tag:
        return FIELD(mkdir);
    case fp_Envelope_remove_tag:
        return FIELD(remove);
    case fp_Envelope_rename_tag:
        return FIELD(rename);
    case fp_Envelope_truncate_tag:
        return FIELD(truncate);
    case fp_Envelope_attr_set_tag:
        return FIELD(attr_set);
    case fp_Envelope_mount_tag:
        return FIELD(mount);
    case fp_Envelope_unmount_tag:
        return FIELD(unmount);
    case fp_Envelope_format_tag:
        return FIELD(format);
    default:
        return (struct field){ NULL, 0 };
    }
}

bool fp_agent_op_id(const fp_Envelope *in, uint8_t op_id[8], int *err)
{
    struct field field = field_of(in);

    *err = FP_OK;
    if (field.size == 0)
        return false;
    if (field.size != 8) {
        *err = FP_ERR_INVAL;
        return false;
    }
    memcpy(op_id, field.bytes, 8);
    return true;
}

const struct fp_agent_outcome *fp_agent_outcome_find(
    const struct fp_agent *agent, const uint8_t op_id[8])
{
    for (uint32_t i = 0; i < FP_AGENT_OUTCOMES; i++)
        if (agent->outcomes[i].used &&
            memcmp(agent->outcomes[i].op_id, op_id, 8) == 0)
            return &agent->outcomes[i];
    return NULL;
}

static bool is_passing(int err)
{
    return err == FP_ERR_BUSY || err == FP_ERR_NFILE || err == FP_ERR_NOMEM ||
           err == FP_ERR_STALE;
}

void fp_agent_outcome_keep(struct fp_agent *agent,
                           const struct fp_agent_task *task, int err)
{
    struct fp_agent_outcome *outcome = &agent->outcomes[agent->next_outcome];

    if (!task->has_op_id || is_passing(err))
        return;
    *outcome = (struct fp_agent_outcome){
        .used = true,
        .err = (int16_t)err,
        .fs_gen = fp_agent_gen(task->storage),
    };
    memcpy(outcome->op_id, task->op_id, 8);
    agent->next_outcome = (agent->next_outcome + 1) % FP_AGENT_OUTCOMES;
}
