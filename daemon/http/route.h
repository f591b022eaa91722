/* SPDX-License-Identifier: MIT
 *
 * The handlers that the table of routes names; one file a noun. */
#ifndef FPD_HTTP_ROUTE_H
#define FPD_HTTP_ROUTE_H

#include "daemon/http/call.h"

/* route_device.c */
void fpd_route_devices(struct fpd_call *call);
void fpd_route_device(struct fpd_call *call);
void fpd_route_device_patch(struct fpd_call *call);
void fpd_route_device_forget(struct fpd_call *call);
void fpd_route_device_stats(struct fpd_call *call);
void fpd_route_device_console(struct fpd_call *call);
void fpd_route_device_reboot(struct fpd_call *call);
/* route_release.c */
void fpd_route_device_release(struct fpd_call *call);
void fpd_route_device_reclaim(struct fpd_call *call);
void fpd_route_link_release(struct fpd_call *call);
void fpd_route_link_reclaim(struct fpd_call *call);
/* route_list.c, route_get.c, route_put.c, route_change.c */
void fpd_route_fs_list(struct fpd_call *call);
void fpd_route_fs_get(struct fpd_call *call);
void fpd_route_fs_put_begin(struct fpd_call *call);
void fpd_route_fs_put_data(struct fpd_call *call, const char *data,
                           size_t size);
void fpd_route_fs_put(struct fpd_call *call);
void fpd_route_fs_post(struct fpd_call *call);
void fpd_route_fs_mkdir(struct fpd_call *call);
void fpd_route_fs_delete(struct fpd_call *call);
void fpd_route_fs_move(struct fpd_call *call);
void fpd_route_fs_copy(struct fpd_call *call);
/* route_volume.c, route_storage.c */
void fpd_route_volume(struct fpd_call *call);
void fpd_route_storage(struct fpd_call *call);
void fpd_route_image_get(struct fpd_call *call);
void fpd_route_image_put_begin(struct fpd_call *call);
void fpd_route_image_put_data(struct fpd_call *call, const char *data,
                              size_t size);
void fpd_route_image_put(struct fpd_call *call);
/* route_snapshot.c, route_snapfs.c */
void fpd_route_snapshots(struct fpd_call *call);
void fpd_route_snapshot_take(struct fpd_call *call);
void fpd_route_snapshot(struct fpd_call *call);
void fpd_route_snapshot_patch(struct fpd_call *call);
void fpd_route_snapshot_delete(struct fpd_call *call);
void fpd_route_snapshot_image(struct fpd_call *call);
void fpd_route_snapshot_restore(struct fpd_call *call);
void fpd_route_snapshot_verify(struct fpd_call *call);
void fpd_route_snapshot_fs(struct fpd_call *call);
/* route_job.c, route_token.c */
void fpd_route_jobs(struct fpd_call *call);
void fpd_route_job(struct fpd_call *call);
void fpd_route_job_log(struct fpd_call *call);
void fpd_route_job_cancel(struct fpd_call *call);
/* May the caller see this job (JSON)? One of a device of its token, or one
 * about a snapshot of such a device. */
bool fpd_route_job_visible(const struct fpd_call *call, json_t *job);
void fpd_route_store_verify(struct fpd_call *call);
void fpd_route_store_prune(struct fpd_call *call);
void fpd_route_tokens(struct fpd_call *call);
void fpd_route_token_add(struct fpd_call *call);
void fpd_route_token_revoke(struct fpd_call *call);
/* route_misc.c */
void fpd_route_root(struct fpd_call *call);
void fpd_route_healthz(struct fpd_call *call);
void fpd_route_metrics(struct fpd_call *call);
void fpd_route_openapi(struct fpd_call *call);
void fpd_route_web(struct fpd_call *call);

#endif
