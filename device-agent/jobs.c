/* SPDX-License-Identifier: MIT
 *
 * Which request is whose work. A new message is a row here and a job in the
 * file of its subject. One that is left out is nobody's.
 */
#include "device-agent/private.h"

#define JOB(name) [fp_Envelope_##name##_tag] = &fp_agent_job_##name
#define JOB_IF(part, name) \
    [fp_Envelope_##name##_tag] = (part) ? &fp_agent_job_##name : NULL

static const struct fp_agent_job *const jobs[] = {
    JOB(hello),
    JOB_IF(FP_AGENT_AUTH, auth),
    JOB_IF(FP_AGENT_RATES, set_rate),
    JOB(ping),
    JOB_IF(FP_AGENT_STATS, stats),
    JOB_IF(FP_AGENT_REBOOT, reboot),
    JOB_IF(FP_AGENT_MOUNTS || FP_AGENT_RESTORE, nonce),
    JOB(volumes),
    JOB(storages),
    JOB(stat),
    JOB(list),
    JOB(read),
    JOB(digest),
    JOB(put_open),
    JOB(put_commit),
    JOB(put_abort),
    JOB(mkdir),
    JOB(remove),
    JOB(rename),
    JOB_IF(FP_AGENT_TRUNCATE, truncate),
    JOB_IF(FP_AGENT_ATTRS, attr_get),
    JOB_IF(FP_AGENT_ATTRS, attr_set),
    JOB_IF(FP_AGENT_MOUNTS, mount),
    JOB_IF(FP_AGENT_MOUNTS, unmount),
    JOB_IF(FP_AGENT_MOUNTS, format),
    JOB_IF(FP_AGENT_CHECK, check),
    JOB_IF(FP_AGENT_IMAGES, chunk_digest),
    JOB_IF(FP_AGENT_IMAGES, chunk_changed),
    JOB_IF(FP_AGENT_IMAGES, chunk_read),
    JOB_IF(FP_AGENT_RESTORE, chunk_write),
    JOB_IF(FP_AGENT_IMAGES, freeze),
    JOB_IF(FP_AGENT_IMAGES, thaw),
    JOB_IF(FP_AGENT_RESTORE, restore_begin),
    JOB_IF(FP_AGENT_RESTORE, restore_end),
};

const struct fp_agent_job *fp_agent_job_of(pb_size_t tag)
{
    return tag < sizeof jobs / sizeof jobs[0] ? jobs[tag] : NULL;
}
