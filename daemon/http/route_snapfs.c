/* SPDX-License-Identifier: MIT
 *
 * The files inside a snapshot, read by the same filesystem core as the device
 * uses, without any device.
 *
 * Mounting and walking run on the pool; a call has a mount of its own, so no
 * two threads share one. A file's bytes are read as they are sent.
 *
 * Where there is no volume at the start but a table of partitions, the root has
 * a directory for each, part1 and so on, as a device calls them.
 */
#include "core/bdev/mbr.h"
#include "core/error.h"
#include "core/host/drivers.h"
#include "core/host/volume.h"
#include "daemon/http/cond.h"
#include "daemon/http/fspath.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/store/bdev.h"
#include "daemon/store/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     4096
#define SECTOR        512

struct look {
    char path[FPD_PATH_MAX + 1];
    const char *inner; /* of the path, what is in the volume */
    struct fpd_snapshot_reader *reader;
    struct fpd_store_bdev dev;
    struct fp_bdev_mbr mbr; /* count 0: no partitions */
    struct fp_bdev_slice part;
    uint8_t sector[SECTOR];
    struct fp_host_volume vol;
    struct fp_file file;
    bool mounted, open;
    struct fp_stat st;
    int err;
    const char *step; /* that failed */
    uint64_t cursor, limit, next;
    uint64_t off, len;
    bool ranged;
    json_t *entries;
};

static void look_free(void *state)
{
    struct look *l = state;

    if (l->open)
        fp_fs_close(&l->file);
    if (l->mounted)
        fp_host_volume_close(&l->vol);
    fpd_store_snapshot_close(l->reader);
    json_decref(l->entries);
    free(l);
}

/* ---- on the pool ---- */

/* That local time is ahead of UTC: a FAT has the times of our wall. */
static int32_t zone_min(void)
{
    time_t now = time(NULL);
    struct tm tm;

    return localtime_r(&now, &tm) ? (int32_t)(tm.tm_gmtoff / 60) : 0;
}

static bool has_parts(struct look *l)
{
    if (fpd_store_bdev_init(&l->dev, l->reader, SECTOR) != FP_OK ||
        fp_bdev_mbr_read(&l->mbr, &l->dev.bdev, l->sector, SECTOR) != FP_OK)
        return false;
    fp_bdev_mbr_read_logical(&l->mbr, &l->dev.bdev, l->sector);
    return l->mbr.count > 0;
}

static void part_name(const struct fp_bdev_part *part, char name[16])
{
    snprintf(name, 16, "part%u", part->number);
}

/* Mounts that of "/part2/dir/file"; of "/" none. */
static int open_part(struct look *l, const struct fp_host_volume_config *cfg)
{
    size_t len = strcspn(l->path + 1, "/");
    char name[16];
    int err = FP_ERR_NOENT;

    if (l->path[1] == 0)
        return FP_OK;
    l->step = "path";
    for (uint32_t i = 0; i < l->mbr.count; i++) {
        part_name(&l->mbr.parts[i], name);
        if (strlen(name) != len || memcmp(name, l->path + 1, len) != 0)
            continue;
        l->step = "partition";
        err = fp_bdev_mbr_slice(&l->mbr, i, &l->dev.bdev, &l->part);
        if (!err)
            err = fp_host_volume_open(&l->vol, &l->part.bdev, cfg);
        l->mounted = !err;
    }
    l->inner = l->path[1 + len] ? l->path + 1 + len : "/";
    return err;
}

static int mount_it(struct fpd_call *call, struct look *l)
{
    struct fp_host_volume_config cfg = {
        .drivers = fp_host_drivers,
        .cfg = { .flags = FP_MOUNT_RDONLY, .zone_min = zone_min() },
    };
    int err;

    l->step = "store";
    err = fpd_store_snapshot_open(call->http->cfg.store, call->param[0],
                                  &l->reader);
    if (!err &&
        !fpd_call_covers(call, fpd_store_snapshot_info(l->reader)->device))
        err = FP_ERR_NOENT;
    if (err)
        return err;
    l->step = "mount";
    err = fpd_store_bdev_init(&l->dev, l->reader, 0);
    if (!err)
        err = fp_host_volume_open(&l->vol, &l->dev.bdev, &cfg);
    if (err == FP_ERR_NOENT && has_parts(l))
        return open_part(l, &cfg);
    l->mounted = !err;
    return err;
}

static int list_parts(struct fpd_call *call, struct look *l)
{
    char prefix[128], name[16];

    snprintf(prefix, sizeof prefix, "/api/v1/snapshots/%s/fs/", call->param[0]);
    l->entries = json_array();
    for (uint32_t i = 0; i < l->mbr.count; i++) {
        part_name(&l->mbr.parts[i], name);
        json_array_append_new(
            l->entries,
            fpd_json_entry(prefix, name, strlen(name), true, 0, false, 0));
    }
    return FP_OK;
}

static int list_dir(struct fpd_call *call, struct look *l)
{
    char prefix[128], *href;
    struct fp_dirent *e = malloc(sizeof *e);
    struct fp_dir dir;
    uint64_t n = 0;
    int err;

    snprintf(prefix, sizeof prefix, "/api/v1/snapshots/%s/fs", call->param[0]);
    href = fpd_fs_href(prefix, l->path);
    l->entries = json_array();
    err = e && href ? fp_fs_opendir(&l->vol.mnt, &dir, l->inner) : FP_ERR_NOMEM;
    if (err)
        goto out;
    while ((err = fp_fs_readdir(&dir, e)) == 1 && !fpd_call_over(call)) {
        if (n++ < l->cursor)
            continue;
        if (json_array_size(l->entries) == l->limit) {
            l->next = n - 1;
            break;
        }
        json_array_append_new(
            l->entries, fpd_json_entry(href, e->name, e->name_len,
                                       e->st.type == FP_TYPE_DIR, e->st.size,
                                       e->st.has_mtime, e->st.mtime_ns));
    }
    fp_fs_closedir(&dir);
out:
    free(e);
    free(href);
    return err < 0 ? err : FP_OK;
}

static void work(struct fpd_call *call)
{
    struct look *l = call->state;

    l->inner = l->path;
    l->err = mount_it(call, l);
    if (l->err)
        return;
    l->step = "path";
    if (!l->mounted) {
        l->err = list_parts(call, l);
        return;
    }
    l->err = fp_fs_stat(&l->vol.mnt, l->inner, &l->st);
    if (l->err)
        return;
    if (call->url.slash || l->path[1] == 0) {
        l->err = l->st.type == FP_TYPE_DIR ? list_dir(call, l) : FP_ERR_NOTDIR;
        return;
    }
    if (l->st.type == FP_TYPE_DIR) {
        l->err = FP_ERR_ISDIR;
        return;
    }
    l->err = fp_fs_open(&l->vol.mnt, &l->file, l->inner, FP_O_READ);
    l->open = !l->err;
    l->len = l->st.size;
}

/* ---- the answer ---- */

/* The partition of the path has no volume that can be read. */
static void refuse_part(struct fpd_call *call, const struct look *l)
{
    char name[16];

    for (uint32_t i = 0; i < l->mbr.count; i++) {
        const struct fp_bdev_part *part = &l->mbr.parts[i];

        part_name(part, name);
        if (strncmp(name, l->path + 1, strlen(name)) == 0 && part->why) {
            fpd_problem(call, FP_ERR_NOTSUP, "Partition %u: %s.", part->number,
                        fp_bdev_mbr_text(part->why));
            return;
        }
    }
    fpd_problem(call, l->err,
                l->err == FP_ERR_NOENT
                    ? "There is no filesystem in this partition that is known."
                    : NULL);
}

static void refuse(struct fpd_call *call, struct look *l)
{
    struct fpd_failure none = { 0 };

    if (strcmp(l->step, "store") == 0)
        fpd_problem(call, l->err == FP_ERR_INVAL ? FP_ERR_NOENT : l->err,
                    l->err == FP_ERR_NOENT || l->err == FP_ERR_INVAL
                        ? "There is no such snapshot."
                        : NULL);
    else if (strcmp(l->step, "mount") == 0 && l->err == FP_ERR_NOENT)
        fpd_problem(call, FP_ERR_NOENT,
                    "There is no filesystem at the start of this snapshot. "
                    "What lies in a region is seen in a snapshot of that "
                    "region alone, or in an exported image, by flashport "
                    "image.");
    else if (strcmp(l->step, "partition") == 0)
        refuse_part(call, l);
    else
        fpd_problem_failure(call, NULL, l->path, l->err, &none);
}

static void reply_list(struct fpd_call *call, struct look *l)
{
    json_t *doc = json_object();
    char next[24];

    json_object_set_new(doc, "path", fpd_json_bytes(l->path, strlen(l->path)));
    json_object_set(doc, "entries", l->entries);
    if (l->next) {
        snprintf(next, sizeof next, "%llu", (unsigned long long)l->next);
        json_object_set_new(doc, "next", json_string(next));
    }
    json_object_set_new(doc, "writable", json_false());
    fpd_reply_json(call, 200, doc);
}

static ssize_t read_file(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct fpd_call *call = cls;
    struct look *l = call->state;
    int32_t n;

    if (pos >= l->len)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (max > l->len - pos)
        max = (size_t)(l->len - pos);
    n = fp_fs_read(&l->file, buf, (uint32_t)max);
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static bool take_range(struct fpd_call *call, struct look *l, const char *etag)
{
    const char *if_range = fpd_call_header(call, "If-Range");
    const char *header = if_range && strcmp(if_range, etag) != 0
                             ? NULL
                             : fpd_call_header(call, "Range");

    switch (fpd_range_parse(header, l->st.size, &l->off, &l->len)) {
    case FPD_RANGE_NEVER:
        fpd_reply_range_never(call, "The file", l->st.size);
        return false;
    case FPD_RANGE_OK:
        l->ranged = true;
        if (fp_fs_seek(&l->file, (int64_t)l->off, FP_SEEK_SET) < 0) {
            fpd_problem(call, FP_ERR_CORRUPT, NULL);
            return false;
        }
        return true;
    default:
        return true;
    }
}

static void after_work(struct fpd_call *call)
{
    const char *none = fpd_call_header(call, "If-None-Match");
    struct look *l = call->state;
    char etag[48];

    if (l->err) {
        refuse(call, l);
        return;
    }
    if (l->entries) {
        reply_list(call, l);
        return;
    }
    /* A snapshot never changes, so its id is a tag for each file in it. */
    snprintf(etag, sizeof etag, "\"%.40s\"",
             fpd_store_snapshot_info(l->reader)->id);
    if (none && fpd_etags_have(none, etag, true)) {
        fpd_reply_empty(call, 304);
        fpd_reply_header(call, "ETag", etag);
        return;
    }
    if (!take_range(call, l, etag))
        return;
    fpd_reply_stream(call, l->ranged ? 206 : 200, fpd_fs_type(l->path), l->len,
                     read_file);
    fpd_reply_header(call, "ETag", etag);
    fpd_reply_header(call, "Accept-Ranges", "bytes");
    fpd_reply_header(call, "Cache-Control", "private, no-cache");
    fpd_fs_mtime_header(call, l->st.has_mtime, l->st.mtime_ns);
    fpd_fs_disposition(call, l->path);
    if (l->ranged)
        fpd_reply_content_range(call, l->off, l->len, l->st.size);
}

static bool number(struct fpd_call *call, const char *name, uint64_t max,
                   uint64_t *out)
{
    char text[24];

    if (!fpd_url_query(&call->url, name, text, sizeof text) || !text[0] ||
        fpd_u64_parse(text, max, out))
        return true;
    fpd_problem(call, FP_ERR_INVAL, "?%s is a number up to %llu.", name,
                (unsigned long long)max);
    return false;
}

void fpd_route_snapshot_fs(struct fpd_call *call)
{
    struct look *l = calloc(1, sizeof *l);

    if (!l) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = l;
    call->state_free = look_free;
    l->limit = LIMIT_DEFAULT;
    if (!fpd_fs_path(call, l->path) ||
        !number(call, "cursor", UINT32_MAX, &l->cursor) ||
        !number(call, "limit", LIMIT_MAX, &l->limit))
        return;
    if (l->limit == 0)
        l->limit = LIMIT_DEFAULT;
    fpd_call_offload(call, work, after_work);
}
