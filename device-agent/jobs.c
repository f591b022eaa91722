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
    JOB(reboot),
    JOB(nonce),
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
    JOB(truncate),
    JOB_IF(FP_AGENT_ATTRS, attr_get),
    JOB_IF(FP_AGENT_ATTRS, attr_set),
    JOB(mount),
    JOB(unmount),
    JOB(format),
    JOB_IF(FP_AGENT_CHECK, check),
    JOB(chunk_digest),
    JOB(chunk_changed),
    JOB(chunk_read),
    JOB(chunk_write),
    JOB(freeze),
    JOB(thaw),
    JOB(restore_begin),
    JOB(restore_end),
};

const struct fp_agent_job *fp_agent_job_of(pb_size_t tag)
{
    return tag < sizeof jobs / sizeof jobs[0] ? jobs[tag] : NULL;
}
