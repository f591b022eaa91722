/* SPDX-License-Identifier: MIT */
#include "daemon/http/json.h"
#include "core/bdev/bdev.h"
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/reply.h"
#include "daemon/http/server.h"
#include "daemon/http/url.h"
#include "daemon/store/devices.h"
#include "daemon/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value ? value : json_null());
}

static json_t *text(const char *s)
{
    return fpd_json_bytes(s, strlen(s));
}

json_t *fpd_json_u64(uint64_t value)
{
    return json_integer((json_int_t)(value & INT64_MAX));
}

json_t *fpd_json_time(int64_t ms)
{
    char out[32];

    fpd_time_format(ms, out);
    return json_string(out);
}

static json_t *hex(const uint8_t *bytes, size_t size)
{
    char *out = malloc(2 * size + 1);
    json_t *json;

    if (!out)
        return NULL;
    for (size_t i = 0; i < size; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
    json = json_stringn(out, 2 * size);
    free(out);
    return json;
}

struct flag {
    uint32_t bit;
    const char *name;
};

static json_t *flags(uint32_t value, const struct flag *names, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (value & names[i].bit)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

/* ---- devices ---- */

static json_t *limits(const struct fpd_volume_info *v)
{
    json_t *o = json_object();

    set(o, "name_max", fpd_json_u64(v->name_max));
    set(o, "file_max", fpd_json_u64(v->file_max));
    set(o, "files_max", v->files_max ? fpd_json_u64(v->files_max) : NULL);
    return o;
}

static json_t *volume(const struct fpd_volume_info *v)
{
    static const struct flag caps[] = {
        { FP_CAP_DIRS, "dirs" },
        { FP_CAP_STAGE, "stage" },
        { FP_CAP_ATOMIC_REPLACE, "atomic-replace" },
        { FP_CAP_MTIME, "mtime" },
        { FP_CAP_ATTRS, "attrs" },
        { FP_CAP_SEEKWRITE, "seekwrite" },
        { FP_CAP_APPEND, "append" },
        { FP_CAP_RENAME_DIR, "rename-dir" },
        { FP_CAP_HOLES, "holes" },
    };
    json_t *o = json_object();

    set(o, "path", text(v->path));
    set(o, "storage", text(v->storage));
    if (v->region[0])
        set(o, "region", text(v->region));
    set(o, "fs", v->fs[0] ? text(v->fs) : json_null());
    set(o, "version", text(v->version));
    set(o, "mounted", json_boolean(v->mounted));
    set(o, "writable", json_boolean(v->writable));
    if (v->reason[0])
        set(o, "reason", text(v->reason));
    set(o, "promise",
        json_string(v->promise == FP_PROMISE_OLD_OR_NEW ? "old-or-new"
                                                        : "none"));
    set(o, "caps", flags(v->caps, caps, sizeof caps / sizeof caps[0]));
    if (v->mounted)
        set(o, "limits", limits(v));
    if (v->needs_repair)
        set(o, "needs_repair", json_true());
    set(o, "size", fpd_json_u64(v->size));
    set(o, "free", fpd_json_u64(v->free));
    set(o, "block_size", fpd_json_u64(v->block_size));
    set(o, "name_max", fpd_json_u64(v->name_max));
    set(o, "file_max", fpd_json_u64(v->file_max));
    set(o, "fs_gen", fpd_json_u64(v->fs_gen));
    return o;
}

json_t *fpd_json_storage(const struct fpd_storage_info *s)
{
    static const struct flag media[] = {
        { FP_BDEV_OVERWRITE, "overwrite" },
        { FP_BDEV_REPROG, "reprog" },
        { FP_BDEV_ERASED_FF, "erased-ff" },
        { FP_BDEV_ATOMIC_PROG, "atomic-prog" },
        { FP_BDEV_XIP, "xip" },
        { FP_BDEV_REMOVABLE, "removable" },
    };
    static const struct flag region_flags[] = {
        { FPD_REGION_RDONLY, "read-only" },
        { FPD_REGION_XIP, "xip" },
        { FPD_REGION_UNIQUE, "unique" },
        { FPD_REGION_PARTITION, "partition" },
    };
    json_t *o = json_object(), *regions = json_array();

    for (uint32_t i = 0; i < s->region_count && i < FPD_REGIONS_MAX; i++) {
        const struct fpd_region_info *r = &s->regions[i];
        json_t *region;

        if (r->flags & FPD_REGION_HIDDEN)
            continue;
        region = json_object();
        set(region, "name", text(r->name));
        set(region, "off", fpd_json_u64(r->off));
        set(region, "size", fpd_json_u64(r->size));
        set(region, "flags",
            flags(r->flags, region_flags,
                  sizeof region_flags / sizeof region_flags[0]));
        json_array_append_new(regions, region);
    }
    set(o, "name", text(s->name));
    set(o, "size", fpd_json_u64(s->size));
    set(o, "read_size", fpd_json_u64(s->read_size));
    set(o, "prog_size", fpd_json_u64(s->prog_size));
    set(o, "block_size", fpd_json_u64(s->block_size));
    set(o, "block_count", fpd_json_u64(s->block_count));
    set(o, "chunk_size", fpd_json_u64(s->chunk_size));
    set(o, "flags", flags(s->flags, media, sizeof media / sizeof media[0]));
    set(o, "medium", json_boolean(!s->no_medium));
    set(o, "gen", fpd_json_u64(s->gen));
    set(o, "gen_trusted", json_boolean(s->gen_trusted));
    set(o, "regions", regions);
    return o;
}

static void add_live(json_t *o, const struct fpd_device_info *info)
{
    json_t *link = json_object(), *volumes = json_array(),
           *storages = json_array();

    set(o, "model", text(info->model));
    set(o, "firmware", text(info->firmware));
    set(o, "state",
        json_string(fpd_device_state_serves(info->state)
                        ? "online"
                        : fpd_device_state_name(info->state)));
    if (info->reason[0])
        set(o, "reason", text(info->reason));
    if (info->released_until_ms)
        set(o, "released_until", fpd_json_time(info->released_until_ms));
    if (info->conflict[0])
        set(o, "conflict", text(info->conflict));
    set(o, "epoch", hex(info->epoch, sizeof info->epoch));
    if (info->online_since_ms)
        set(o, "online_since", fpd_json_time(info->online_since_ms));
    if (info->last_seen_ms)
        set(o, "last_seen", fpd_json_time(info->last_seen_ms));
    set(link, "name", text(info->link.name));
    set(link, "kind", json_string(info->link.kind ? info->link.kind : ""));
    set(link, "rate", fpd_json_u64(info->link.rate));
    set(link, "features", fpd_json_words(info->link_features));
    set(o, "link", link);
    set(o, "default_volume", text(info->default_volume));
    set(o, "filesystems", fpd_json_words(info->filesystems));
    set(o, "left_out", fpd_json_words(info->left_out));
    for (uint32_t i = 0; i < info->volume_count && i < FPD_VOLUMES_MAX; i++)
        json_array_append_new(volumes, volume(&info->volumes[i]));
    for (uint32_t i = 0; i < info->storage_count && i < FPD_STORAGES_MAX; i++)
        json_array_append_new(storages, fpd_json_storage(&info->storages[i]));
    set(o, "volumes", volumes);
    set(o, "storages", storages);
}

static void add_known(json_t *o, const struct fpd_store_device *known)
{
    json_t *link = json_object();

    set(o, "model", text(known->model));
    set(o, "firmware", text(known->firmware));
    set(o, "state", json_string("absent"));
    set(o, "last_seen", fpd_json_time(known->last_seen_ms));
    set(link, "name", text(known->link));
    set(o, "link", link);
    set(o, "volumes", json_array());
    set(o, "storages", json_array());
}

json_t *fpd_json_device(struct fpd_http *http, const char *id,
                        struct fpd_device *device)
{
    struct fpd_device_info *info = malloc(sizeof *info);
    struct fpd_store_device known;
    json_t *o = NULL;
    int err;

    err = fpd_store_device_get(http->cfg.store, id, &known);
    if (!info || (err && !device))
        goto out;
    if (err)
        memset(&known, 0, sizeof known);
    o = json_object();
    set(o, "id", text(id));
    set(o, "label", known.label[0] ? text(known.label) : json_null());
    if (device) {
        fpd_device_describe(device, info);
        add_live(o, info);
    } else {
        add_known(o, &known);
    }
    set(o, "tags", fpd_json_tags(known.tags));
    if (known.last_backup_ms)
        set(o, "last_backup", fpd_json_time(known.last_backup_ms));
out:
    free(info);
    return o;
}

json_t *fpd_json_device_by_id(struct fpd_http *http, const char *id)
{
    struct fpd_device *device = fpd_devices_find(http->cfg.devices, id);
    json_t *json = fpd_json_device(http, id, device);

    if (device)
        fpd_device_unref(device);
    return json;
}

/* ---- listings ---- */

json_t *fpd_json_entry(const char *dir_href, const char *name, size_t name_len,
                       bool is_dir, uint64_t size, bool has_mtime,
                       int64_t mtime_ns)
{
    size_t href_len = strlen(dir_href);
    char *href = malloc(href_len + 3 * name_len + 2);
    json_t *o;

    if (!href)
        return NULL;
    o = json_object();
    memcpy(href, dir_href, href_len);
    fpd_url_encode(name, name_len, false, href + href_len);
    if (is_dir)
        strcat(href, "/");
    set(o, "name", fpd_json_bytes(name, name_len));
    set(o, "href", json_string(href));
    if (!fpd_utf8_valid(name, name_len))
        set(o, "name_hex", hex((const uint8_t *)name, name_len));
    set(o, "type", json_string(is_dir ? "dir" : "file"));
    if (!is_dir)
        set(o, "size", fpd_json_u64(size));
    if (has_mtime)
        set(o, "mtime", fpd_json_time(mtime_ns / 1000000));
    free(href);
    return o;
}

/* ---- snapshots, tokens ---- */

json_t *fpd_json_words(const char *tags)
{
    json_t *list = json_array();

    while (*tags) {
        size_t n = strcspn(tags, ",");

        json_array_append_new(list, fpd_json_bytes(tags, n));
        tags += n + (tags[n] == ',');
    }
    return list;
}

bool fpd_json_parse_words(const json_t *json, char *out, size_t size)
{
    size_t n = 0, i;
    json_t *tag;

    out[0] = 0;
    if (!json_is_array(json))
        return false;
    json_array_foreach(json, i, tag)
    {
        const char *s = json_string_value(tag);

        if (!s || !*s || strchr(s, ',') ||
            strlen(s) != json_string_length(tag) || n + strlen(s) + 2 > size)
            return false;
        n += (size_t)sprintf(out + n, "%s%s", n ? "," : "", s);
    }
    return n > 0;
}

json_t *fpd_json_tags(const char *tags)
{
    json_t *list = *tags ? json_loads(tags, 0, NULL) : NULL;

    if (json_is_array(list))
        return list;
    json_decref(list);
    return json_array();
}

static bool is_tag(const json_t *tag)
{
    const char *s = json_string_value(tag);
    size_t len = json_string_length(tag);

    if (!s || len == 0 || len > 63 || strlen(s) != len)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

bool fpd_json_parse_tags(json_t *json, char *out, size_t size)
{
    size_t i, n;
    json_t *tag;

    if (!json_is_array(json))
        return false;
    json_array_foreach(json, i, tag) if (!is_tag(tag)) return false;
    n = json_dumpb(json, out, size - 1, JSON_COMPACT);
    if (n == 0 || n >= size)
        return false;
    out[json_array_size(json) ? n : 0] = 0;
    return true;
}

json_t *fpd_json_snapshot(const struct fpd_snapshot *s)
{
    json_t *o = json_object();

    set(o, "id", json_string(s->id));
    set(o, "device", text(s->device));
    set(o, "storage", text(s->storage));
    if (s->region[0])
        set(o, "region", text(s->region));
    set(o, "taken", fpd_json_time(s->taken_ms));
    set(o, "size", fpd_json_u64(s->size));
    set(o, "chunk_size", fpd_json_u64(s->chunk_size));
    set(o, "complete", json_boolean(s->complete));
    set(o, "unreadable", fpd_json_u64(s->unreadable));
    set(o, "consistency", json_string(fpd_consistency_name(s->consistency)));
    set(o, "fs", s->fs[0] ? text(s->fs) : json_null());
    set(o, "firmware", text(s->firmware));
    set(o, "new_bytes", fpd_json_u64(s->new_bytes));
    set(o, "pinned", json_boolean(s->pinned));
    set(o, "tags", fpd_json_tags(s->tags));
    return o;
}

json_t *fpd_json_token(const struct fpd_token *token)
{
    json_t *o = json_object();

    set(o, "id", json_string(token->id));
    set(o, "name", text(token->name));
    set(o, "scope", json_string(fpd_scope_name(token->scope)));
    set(o, "devices", fpd_json_words(token->devices));
    set(o, "created", fpd_json_time(token->created_ms));
    if (token->expires_ms)
        set(o, "expires", fpd_json_time(token->expires_ms));
    return o;
}
