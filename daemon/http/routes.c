/* SPDX-License-Identifier: MIT */
#include "daemon/http/routes.h"
#include "daemon/http/events.h"
#include "daemon/http/route.h"

#define API     "/api/v1"
#define DEVICE  API "/devices/{device}"
#define FS      DEVICE "/fs/{path...}"
#define STORAGE DEVICE "/storages/{storage}"
#define SNAP    API "/snapshots/{snapshot}"
#define NONE    FPD_SCOPE_NONE
#define READ    FPD_SCOPE_READ
#define WRITE   FPD_SCOPE_WRITE
#define ADMIN   FPD_SCOPE_ADMIN

/* clang-format off */
const struct fpd_route fpd_routes[] = {
    { "GET", "/healthz", NONE, FPD_INLINE, fpd_route_healthz, 0, 0 },
    { "GET", "/metrics", READ, FPD_INLINE, fpd_route_metrics, 0, 0 },
    { "GET", API, READ, FPD_INLINE, fpd_route_root, 0, 0 },
    { "GET", API "/openapi.json", READ, FPD_INLINE, fpd_route_openapi, 0, 0 },
    { "GET", API "/events", READ, FPD_INLINE, fpd_route_events, 0, 0 },

    { "GET", API "/devices", READ, FPD_INLINE, fpd_route_devices, 0, 0 },
    { "GET", DEVICE, READ, FPD_INLINE, fpd_route_device, 0, 0 },
    { "PATCH", DEVICE, WRITE, FPD_INLINE, fpd_route_device_patch, 0, 0 },
    { "DELETE", DEVICE, ADMIN, FPD_INLINE, fpd_route_device_forget, 0, 0 },
    { "GET", DEVICE "/stats", READ, FPD_DEVICE, fpd_route_device_stats, 0, 0 },
    { "GET", DEVICE "/console", READ, FPD_INLINE, fpd_route_device_console, 0, 0 },
    { "POST", DEVICE "/reboot", WRITE, FPD_DEVICE, fpd_route_device_reboot, 0, 0 },
    { "POST", DEVICE "/release", WRITE, FPD_INLINE, fpd_route_device_release, 0, 0 },
    { "DELETE", DEVICE "/release", WRITE, FPD_INLINE, fpd_route_device_reclaim, 0, 0 },
    { "POST", API "/links/release", WRITE, FPD_INLINE, fpd_route_link_release, 0, 0 },
    { "DELETE", API "/links/release", WRITE, FPD_INLINE, fpd_route_link_reclaim, 0, 0 },

    { "GET", FS, READ, FPD_DEVICE, fpd_route_fs_get, 0, 0 },
    { "PUT", FS, WRITE, FPD_DEVICE, fpd_route_fs_put, fpd_route_fs_put_begin, fpd_route_fs_put_data },
    { "POST", FS, WRITE, FPD_DEVICE, fpd_route_fs_post, 0, 0 },
    { "MKCOL", FS, WRITE, FPD_DEVICE, fpd_route_fs_mkdir, 0, 0 },
    { "DELETE", FS, WRITE, FPD_DEVICE, fpd_route_fs_delete, 0, 0 },
    { "MOVE", FS, WRITE, FPD_DEVICE, fpd_route_fs_move, 0, 0 },
    { "COPY", FS, WRITE, FPD_DEVICE, fpd_route_fs_copy, 0, 0 },

    { "POST", DEVICE "/volumes/{path...}", WRITE, FPD_DEVICE, fpd_route_volume, 0, 0 },
    { "GET", STORAGE, READ, FPD_DEVICE, fpd_route_storage, 0, 0 },
    { "GET", STORAGE "/image", READ, FPD_DEVICE, fpd_route_image_get, 0, 0 },
    { "PUT", STORAGE "/image", WRITE, FPD_DEVICE, fpd_route_image_put, fpd_route_image_put_begin, fpd_route_image_put_data },

    { "GET", API "/snapshots", READ, FPD_INLINE, fpd_route_snapshots, 0, 0 },
    { "POST", API "/snapshots", WRITE, FPD_JOB, fpd_route_snapshot_take, 0, 0 },
    { "GET", SNAP, READ, FPD_INLINE, fpd_route_snapshot, 0, 0 },
    { "PATCH", SNAP, WRITE, FPD_INLINE, fpd_route_snapshot_patch, 0, 0 },
    { "DELETE", SNAP, WRITE, FPD_INLINE, fpd_route_snapshot_delete, 0, 0 },
    { "GET", SNAP "/image", READ, FPD_INLINE, fpd_route_snapshot_image, 0, 0 },
    { "GET", SNAP "/fs/{path...}", READ, FPD_INLINE, fpd_route_snapshot_fs, 0, 0 },
    { "POST", SNAP "/restore", WRITE, FPD_JOB, fpd_route_snapshot_restore, 0, 0 },
    { "POST", SNAP "/verify", READ, FPD_JOB, fpd_route_snapshot_verify, 0, 0 },

    { "GET", API "/jobs", READ, FPD_INLINE, fpd_route_jobs, 0, 0 },
    { "GET", API "/jobs/{job}", READ, FPD_INLINE, fpd_route_job, 0, 0 },
    { "DELETE", API "/jobs/{job}", WRITE, FPD_INLINE, fpd_route_job_cancel, 0, 0 },
    { "POST", API "/jobs/{job}/cancel", WRITE, FPD_INLINE, fpd_route_job_cancel, 0, 0 },
    { "GET", API "/jobs/{job}/log", READ, FPD_INLINE, fpd_route_job_log, 0, 0 },
    { "POST", API "/store/verify", ADMIN, FPD_JOB, fpd_route_store_verify, 0, 0 },
    { "POST", API "/store/prune", ADMIN, FPD_JOB, fpd_route_store_prune, 0, 0 },

    { "GET", API "/tokens", ADMIN, FPD_INLINE, fpd_route_tokens, 0, 0 },
    { "POST", API "/tokens", ADMIN, FPD_INLINE, fpd_route_token_add, 0, 0 },
    { "DELETE", API "/tokens/{token}", ADMIN, FPD_INLINE, fpd_route_token_revoke, 0, 0 },

    { "GET", "/{page}", NONE, FPD_INLINE, fpd_route_web, 0, 0 },
    { "GET", "/", NONE, FPD_INLINE, fpd_route_web, 0, 0 },
};
/* clang-format on */

const size_t fpd_routes_count = sizeof fpd_routes / sizeof fpd_routes[0];
