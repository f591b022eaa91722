/* SPDX-License-Identifier: MIT */
#include "daemon/http/fspath.h"
#include "core/error.h"
#include "core/fs/fs.h"
#include "core/host/name.h"
#include "daemon/http/cond.h"
#include "daemon/http/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENTRY_MIN     8u /* bytes; the least is littlefs's, of 13 */
#define ENTRIES_LEAST 1000u
#define ENTRIES_MOST  1000000u /* whatever size it tells */

bool fpd_fs_path(struct fpd_call *call, char *out)
{
    if (fpd_url_join(&call->url, call->rest, out, FPD_PATH_MAX + 1) == FP_OK)
        return true;
    fpd_problem_member(call, "limit", json_integer(FPD_PATH_MAX));
    fpd_problem(call, FP_ERR_NAMETOOLONG,
                "A path on a device may have %d bytes.", FPD_PATH_MAX);
    return false;
}

char *fpd_fs_href(const char *prefix, const char *path)
{
    size_t n = strlen(prefix), len = strlen(path);
    char *href = malloc(n + 3 * len + 2);

    if (!href)
        return NULL;
    memcpy(href, prefix, n);
    fpd_url_encode(path, len, true, href + n);
    if (href[strlen(href) - 1] != '/')
        strcat(href, "/");
    return href;
}

/* The volume at `path`: what is in it and how long a name may be there, and
 * where the path goes on in it. NULL: none is. */
static const char *find_volume(struct fpd_device *device, const char *path,
                               struct fpd_volume_info *volume)
{
    struct fpd_device_info *info = malloc(sizeof *info);
    const char *rest = NULL;

    if (!info)
        return NULL;
    fpd_device_describe(device, info);
    for (uint32_t i = 0; i < info->volume_count; i++) {
        const struct fpd_volume_info *v = &info->volumes[i];
        size_t len = strlen(v->path);

        if (strncmp(v->path, path, len) != 0 || path[len] != '/')
            continue;
        *volume = *v;
        rest = path + len;
    }
    free(info);
    return rest;
}

bool fpd_fs_name_refused(struct fpd_call *call, const char *path)
{
    struct fpd_volume_info volume;
    const char *rest = find_volume(call->device, path, &volume);
    char why[FP_HOST_NAME_WHY];

    return rest && fp_host_name_refused(volume.fs, volume.name_max, rest, why);
}

uint32_t fpd_fs_entries_max(struct fpd_call *call, const char *path)
{
    struct fpd_volume_info volume;
    uint64_t max = 0;

    if (find_volume(call->device, path, &volume))
        max = volume.size / ENTRY_MIN;
    return max < ENTRIES_LEAST  ? ENTRIES_LEAST
           : max > ENTRIES_MOST ? ENTRIES_MOST
                                : (uint32_t)max;
}

/* The answer where a name is what is wrong; false: it is something else. */
static bool fail_name(struct fpd_call *call, const char *path, int err,
                      const struct fpd_failure *failure)
{
    const char *device = fpd_device_id(call->device), *rest;
    struct fpd_volume_info volume;
    char why[FP_HOST_NAME_WHY];

    if ((err != FP_ERR_INVAL && err != FP_ERR_NAMETOOLONG) ||
        fpd_failure_speaks(failure, err))
        return false;
    rest = find_volume(call->device, path, &volume);
    if (!rest || !fp_host_name_refused(volume.fs, volume.name_max, rest, why))
        return false;
    if (err == FP_ERR_INVAL) {
        fpd_problem_type(call, "bad-name");
        fpd_problem_member(call, "title", json_string("Not a possible name"));
    } else {
        fpd_problem_member(call, "limit", json_integer(volume.name_max));
    }
    fpd_problem_member(call, "device", fpd_json_bytes(device, strlen(device)));
    fpd_problem_member(call, "path", fpd_json_bytes(path, strlen(path)));
    fpd_problem(call, err, "%s.", why);
    return true;
}

void fpd_fs_fail(struct fpd_call *call, const char *path,
                 const struct fpd_ask *ask)
{
    if (!fail_name(call, path, ask->req.err, &ask->req.failure))
        fpd_problem_failure(call, fpd_device_id(call->device), path,
                            ask->req.err, &ask->req.failure);
}

void fpd_fs_fail_new(struct fpd_call *call, const char *path,
                     const struct fpd_ask *ask)
{
    const char *device = fpd_device_id(call->device);

    if (ask->req.err != FP_ERR_NOENT ||
        fpd_failure_speaks(&ask->req.failure, FP_ERR_NOENT)) {
        fpd_fs_fail(call, path, ask);
        return;
    }
    fpd_problem_member(call, "device", fpd_json_bytes(device, strlen(device)));
    fpd_problem_member(call, "path", fpd_json_bytes(path, strlen(path)));
    fpd_problem_type(call, "no-parent");
    fpd_problem(call, FP_ERR_NOENT,
                "The directory that it should be in does not exist.");
}

bool fpd_fs_fits(struct fpd_call *call, const char *path, uint64_t size,
                 uint64_t *room)
{
    struct fpd_device_info *info = malloc(sizeof *info);
    bool in_place = fpd_url_flag(&call->url, "in_place");
    struct fpd_failure why = { .told = true }; /* it would be */
    int err = FP_ERR_NOENT;

    if (!info) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return false;
    }
    *room = UINT64_MAX;
    fpd_device_describe(call->device, info);
    for (uint32_t i = 0; i < info->volume_count; i++) {
        const struct fpd_volume_info *v = &info->volumes[i];
        size_t len = strlen(v->path);

        if (strncmp(v->path, path, len) != 0 || path[len] != '/')
            continue;
        err = FP_OK;
        if (!v->mounted)
            break; /* the device says why, and as it is by then */
        *room = v->file_max && v->file_max < v->size ? v->file_max : v->size;
        if (!v->writable)
            err = FP_ERR_ROFS;
        else if (!(v->caps & FP_CAP_STAGE) && !in_place)
            err = FP_ERR_NOTSUP;
        else if (size != FPD_SIZE_UNKNOWN && v->file_max && size > v->file_max)
            err = FP_ERR_FBIG;
        else if (size != FPD_SIZE_UNKNOWN && size > v->size)
            err = FP_ERR_NOSPC;
        snprintf(why.detail, sizeof why.detail, "%.96s",
                 err == FP_ERR_ROFS ? v->reason
                 : err == FP_ERR_NOTSUP
                     ? "Files here are written in place, "
                       "which gives up the old content first."
                     : "");
        if (err == FP_ERR_NOTSUP)
            fpd_problem_hint(call, "Say so, with ?in_place=1.");
        why.limit = err == FP_ERR_FBIG ? v->file_max : 0;
        why.needed = size;
        why.free = v->free;
    }
    if (err == FP_ERR_NOENT && !strchr(path + 1, '/')) {
        err = FP_ERR_ROFS;
        snprintf(why.detail, sizeof why.detail,
                 "The root holds only volumes and takes no writes.");
    } else if (err == FP_ERR_NOENT) {
        snprintf(why.detail, sizeof why.detail,
                 "There is no mounted volume at this path.");
        fpd_problem_hint(call, "Volumes are listed with the device.");
    }
    free(info);
    if (err)
        fpd_problem_failure(call, fpd_device_id(call->device), path, err, &why);
    return !err;
}

void fpd_fs_mtime_header(struct fpd_call *call, bool has_mtime,
                         int64_t mtime_ns)
{
    int64_t seconds = mtime_ns / 1000000000;
    char date[32];

    if (!has_mtime)
        return;
    fpd_date_format(seconds, date);
    if (date[0])
        fpd_reply_header(call, "Last-Modified", date);
}

/* Only what can't run as a page of ours: HTML and SVG of a device are shown as
 * bytes to download, not as documents. */
const char *fpd_fs_type(const char *path)
{
    static const char *const types[][2] = {
        { ".txt", "text/plain; charset=utf-8" },
        { ".log", "text/plain; charset=utf-8" },
        { ".md", "text/plain; charset=utf-8" },
        { ".py", "text/plain; charset=utf-8" },
        { ".csv", "text/csv; charset=utf-8" },
        { ".json", "application/json" },
        { ".png", "image/png" },
        { ".jpg", "image/jpeg" },
        { ".jpeg", "image/jpeg" },
        { ".gif", "image/gif" },
        { ".bmp", "image/bmp" },
        { ".wav", "audio/wav" },
        { ".mp3", "audio/mpeg" },
        { ".gz", "application/gzip" },
        { ".zip", "application/zip" },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

void fpd_fs_disposition(struct fpd_call *call, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = strlen(name);
    char *value;

    if (!fpd_url_flag(&call->url, "download"))
        return;
    value = malloc(3 * len + 64);
    if (!value)
        return;
    /* Source: RFC 8187; the encoded form can't break out of the header. */
    strcpy(value, "attachment; filename*=UTF-8''");
    fpd_url_encode(name, len, false, value + strlen(value));
    fpd_reply_header(call, "Content-Disposition", value);
    free(value);
}
