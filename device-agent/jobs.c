/* SPDX-License-Identifier: MIT
 *
 * Which request is whose work. A new message is a row here and a job in the
 * file of its subject.
 */
#include "device-agent/private.h"

const struct fp_agent_job *fp_agent_job_of(pb_size_t tag)
{
    switch (tag) {
    case fp_Envelope_hello_tag:
        return &fp_agent_job_hello;
    case fp_Envelope_auth_tag:
        return &fp_agent_job_auth;
    case fp_Envelope_set_rate_tag:
        return &fp_agent_job_set_rate;
    case fp_Envelope_ping_tag:
        return &fp_agent_job_ping;
    case fp_Envelope_stats_tag:
        return &fp_agent_job_stats;
    case fp_Envelope_reboot_tag:
        return &fp_agent_job_reboot;
    case fp_Envelope_nonce_tag:
        return &fp_agent_job_nonce;
    case fp_Envelope_volumes_tag:
        return &fp_agent_job_volumes;
    case fp_Envelope_storages_tag:
        return &fp_agent_job_storages;
    case fp_Envelope_stat_tag:
        return &fp_agent_job_stat;
    case fp_Envelope_list_tag:
        return &fp_agent_job_list;
    case fp_Envelope_read_tag:
        return &fp_agent_job_read;
    case fp_Envelope_digest_tag:
        return &fp_agent_job_digest;
    case fp_Envelope_put_open_tag:
        return &fp_agent_job_put_open;
    case fp_Envelope_put_commit_tag:
        return &fp_agent_job_put_commit;
    case fp_Envelope_put_abort_tag:
        return &fp_agent_job_put_abort;
    case fp_Envelope_mkdir_tag:
        return &fp_agent_job_mkdir;
    case fp_Envelope_remove_tag:
        return &fp_agent_job_remove;
    case fp_Envelope_rename_tag:
        return &fp_agent_job_rename;
    case fp_Envelope_truncate_tag:
        return &fp_agent_job_truncate;
    case fp_Envelope_attr_get_tag:
        return &fp_agent_job_attr_get;
    case fp_Envelope_attr_set_tag:
        return &fp_agent_job_attr_set;
    case fp_Envelope_mount_tag:
        return &fp_agent_job_mount;
    case fp_Envelope_unmount_tag:
        return &fp_agent_job_unmount;
    case fp_Envelope_format_tag:
        return &fp_agent_job_format;
    case fp_Envelope_check_tag:
        return &fp_agent_job_check;
    case fp_Envelope_chunk_digest_tag:
        return &fp_agent_job_chunk_digest;
    case fp_Envelope_chunk_changed_tag:
        return &fp_agent_job_chunk_changed;
    case fp_Envelope_chunk_read_tag:
        return &fp_agent_job_chunk_read;
    case fp_Envelope_chunk_write_tag:
        return &fp_agent_job_chunk_write;
    case fp_Envelope_freeze_tag:
        return &fp_agent_job_freeze;
    case fp_Envelope_thaw_tag:
        return &fp_agent_job_thaw;
    case fp_Envelope_restore_begin_tag:
        return &fp_agent_job_restore_begin;
    case fp_Envelope_restore_end_tag:
        return &fp_agent_job_restore_end;
    default:
        return NULL;
    }
}
