/* SPDX-License-Identifier: MIT
 *
 * Which request is whose work. A new message is a row here and its functions
 * in the file of its subject. One that is left out is nobody's.
 */
#include "device-agent/private.h"

#define JOB(name)                                                      \
    .tag = fp_Envelope_##name##_tag, .start = fp_agent_##name##_start, \
    .step = fp_agent_##name##_step
#define WRITER(name) JOB(name), .writes = true

static const struct fp_agent_job jobs[] = {
    { JOB(hello) },
    { .tag = fp_Envelope_ping_tag, .step = fp_agent_done },
    { .tag = fp_Envelope_volumes_tag, .step = fp_agent_volumes_step },
    { .tag = fp_Envelope_storages_tag, .step = fp_agent_storages_step },
    { JOB(stat) },
    { JOB(list), .end = fp_agent_list_end },
    { JOB(read), .end = fp_agent_read_end, .brief = true },
    { JOB(digest), .end = fp_agent_read_end },
    { WRITER(put_open) },
    { WRITER(put_commit), .end = fp_agent_put_commit_end },
    { WRITER(put_abort) },
    { WRITER(mkdir) },
    { WRITER(remove), .end = fp_agent_remove_end },
    { WRITER(rename) },
#if FP_AGENT_AUTH
    { JOB(auth) },
#endif
#if FP_AGENT_RATES
    { JOB(set_rate) },
#endif
#if FP_AGENT_STATS
    { JOB(stats) },
#endif
#if FP_AGENT_REBOOT
    { JOB(reboot) },
#endif
#if FP_AGENT_MOUNTS || FP_AGENT_RESTORE
    { .tag = fp_Envelope_nonce_tag, .step = fp_agent_nonce_step },
#endif
#if FP_AGENT_TRUNCATE
    { WRITER(truncate) },
#endif
#if FP_AGENT_ATTRS
    { JOB(attr_get) },
    { WRITER(attr_set) },
#endif
#if FP_AGENT_MOUNTS
    { WRITER(mount) },
    { WRITER(unmount) },
    { WRITER(format) },
#endif
#if FP_AGENT_CHECK
    /* A repair writes; a check is slow enough to share a turn. */
    { WRITER(check), .end = fp_agent_check_end },
#endif
#if FP_AGENT_IMAGES
    { JOB(chunk_digest) },
    { JOB(chunk_changed) },
    { JOB(chunk_read) },
    { JOB(freeze) },
    { JOB(thaw) },
#endif
#if FP_AGENT_RESTORE
    { WRITER(restore_begin) },
    { WRITER(restore_end) },
    { JOB(chunk_write), .end = fp_agent_chunk_write_end },
#endif
};

const struct fp_agent_job *fp_agent_job_of(pb_size_t tag)
{
    for (uint32_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
        if (jobs[i].tag == tag)
            return &jobs[i];
    return NULL;
}
