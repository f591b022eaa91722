/* SPDX-License-Identifier: MIT
 *
 * A task at work: a slice while there is room for what it answers, a turn of
 * slices, and how it ends.
 */
#include "device-agent/private.h"

#include <string.h>

struct fp_agent_task *fp_agent_task_next(struct fp_agent *agent,
                                         struct fp_agent_task *task)
{
    task = task != NULL ? task + 1 : agent->tasks;
    for (; task < agent->tasks + FP_AGENT_REQUESTS; task++)
        if (task->id != 0)
            return task;
    return NULL;
}

/* ---- how one ends ---- */

static void close_task(struct fp_agent *agent, struct fp_agent_task *task)
{
    if (task->job != NULL && task->job->end != NULL)
        task->job->end(agent, task);
    task->job = NULL;
}

void fp_agent_task_free(struct fp_agent *agent, struct fp_agent_task *task)
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
static void tell_limit(const struct fp_agent_task *task, fp_Failure *failure)
{
    struct fp_statfs st;

    failure->limit = task->limit;
    if (task->limit != 0 || task->volume == NULL || !task->volume->mounted ||
        (task->err != FP_ERR_NAMETOOLONG && task->err != FP_ERR_FBIG) ||
        fp_fs_statfs(&task->volume->vm.mnt, &st) != FP_OK)
        return;
    failure->limit = task->err == FP_ERR_FBIG ? st.file_max : st.name_max;
}

static void send_error(struct fp_agent *agent, const struct fp_agent_task *task)
{
    char reason[97] = "";
    const char *detail = fp_agent_detail(task);
    fp_Failure *failure;

    if (FP_AGENT_TEXTS && detail == NULL && task->volume != NULL &&
        (!task->volume->mounted || task->err == FP_ERR_ROFS)) {
        fp_agent_volume_reason(task->volume, reason, sizeof reason);
        if (reason[0] != '\0')
            detail = reason;
    }
    failure = fp_agent_failure(agent, task->id, task->err, detail);
    failure->needed = task->needed;
    failure->free = task->free;
    tell_limit(task, failure);
    fp_agent_send_failure(agent);
}

/* ---- a slice ---- */

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
    size_t size = FP_AGENT_ANY;

    if (!task->err) {
        if (task->bulk)
            return !agent->owes_room && fp_agent_wire_is_free(agent);
        if (task->computing)
            return true;
        if (task->job->brief)
            size = FP_AGENT_BRIEF;
    }
    return fp_agent_has_room(agent, size);
}

/* False: nothing went on. */
static bool run_slice(struct fp_agent *agent, struct fp_agent_task *task)
{
    int result = FP_AGENT_DONE;

    if (!has_room_for(agent, task))
        return false;
    if (task->err) {
        send_error(agent, task);
    } else {
        if (task->job->writes) {
            if (agent->wrote || !fp_agent_may_write(agent, task->storage))
                return false;
            agent->wrote = true;
        }
        result = task->job->step(agent, task);
        if (result < 0)
            fp_agent_task_fail(agent, task, result, NULL);
    }
    if (result == FP_AGENT_DONE) {
        fp_agent_outcome_keep(agent, task, task->err);
        fp_agent_task_free(agent, task);
    }
    return result != FP_AGENT_WAIT;
}

bool fp_agent_task_turn(struct fp_agent *agent, struct fp_agent_task *task)
{
    bool any = false;

    do {
        agent->queued = 0;
        if (!run_slice(agent, task))
            return any; /* its turn goes on when there is room */
        any = true;
        task->turn += agent->queued;
    } while (agent->queued != 0 && task->id != 0 &&
             task->turn < fp_link_payload(&agent->link));
    task->turn = 0;
    return any;
}
