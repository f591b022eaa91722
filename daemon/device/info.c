/* SPDX-License-Identifier: MIT
 *
 * A device is not trusted: nothing it says reaches the registry unchecked.
 */
#include "daemon/device/info.h"

#include "core/error.h"
#include "daemon/text.h"

#include <stdio.h>
#include <string.h>

/* The wire's numbers are ours, positive. */
_Static_assert((int)fp_Error_ERROR_NOENT == -FP_ERR_NOENT, "NOENT");
_Static_assert((int)fp_Error_ERROR_NOSPC == -FP_ERR_NOSPC, "NOSPC");
_Static_assert((int)fp_Error_ERROR_CORRUPT == -FP_ERR_CORRUPT, "CORRUPT");
_Static_assert((int)fp_Error_ERROR_STALE == -FP_ERR_STALE, "STALE");
_Static_assert((int)fp_Error_ERROR_LEASED == -FP_ERR_LEASED, "LEASED");
_Static_assert((int)fp_FileType_FILE_TYPE_FILE == (int)FPD_TYPE_FILE, "file");
_Static_assert((int)fp_FileType_FILE_TYPE_DIR == (int)FPD_TYPE_DIR, "dir");

static int broken(const char **why, const char *sentence)
{
    *why = sentence;
    return FP_ERR_PROTO;
}

bool fpd_info_is_word(const uint8_t *bytes, size_t size, size_t max)
{
    if (size < 1 || size > max)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static void copy_word(char *out, const uint8_t *bytes, size_t size)
{
    memcpy(out, bytes, size);
    out[size] = '\0';
}

/* A word that can stand in a path: neither "." nor "..". */
static bool is_component(const uint8_t *bytes, size_t size, size_t max)
{
    return fpd_info_is_word(bytes, size, max) &&
           !(size <= 2 && bytes[0] == '.' && bytes[size - 1] == '.');
}

/* "/flash" */
static bool is_volume(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == '/' &&
           is_component(bytes + 1, size - 1, 15);
}

struct word {
    uint32_t bit;
    const char *text;
};

/* Those of the bits that are set, with commas. */
static void put_words(char *text, size_t size, uint32_t bits,
                      const struct word *words, size_t count)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (bits & words[i].bit)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? "," : "",
                                  words[i].text);
}

void fpd_info_features(struct fpd_device_info *info, uint32_t features)
{
    static const struct word all[] = {
        { fp_Feature_FEATURE_LZ4_IN, "lz4_in" },
        { fp_Feature_FEATURE_LZ4_OUT, "lz4_out" },
        { fp_Feature_FEATURE_WHOLE_PUT, "whole_put" },
        { fp_Feature_FEATURE_SET_RATE, "set_rate" },
        { fp_Feature_FEATURE_AUTH, "auth" },
    };

    info->features = features;
    put_words(info->link_features, sizeof info->link_features, features, all,
              sizeof all / sizeof all[0]);
}

static void take_left_out(struct fpd_device_info *info, uint32_t parts)
{
    static const struct word all[] = {
        { fp_Part_PART_SNAPSHOTS, "snapshots" },
        { fp_Part_PART_RESTORE, "restore" },
        { fp_Part_PART_VOLUMES, "volumes" },
        { fp_Part_PART_CHECK, "check" },
        { fp_Part_PART_PUT_MODES, "put-modes" },
        { fp_Part_PART_TRUNCATE, "truncate" },
        { fp_Part_PART_REBOOT, "reboot" },
        { fp_Part_PART_ATTRS, "attrs" },
        { fp_Part_PART_STATS, "stats" },
    };

    put_words(info->left_out, sizeof info->left_out, parts, all,
              sizeof all / sizeof all[0]);
}

bool fpd_device_lacks(const struct fpd_device_info *info, const char *part)
{
    const size_t n = strlen(part);
    const char *at = info->left_out;

    while ((at = strstr(at, part)) != NULL) {
        if ((at == info->left_out || at[-1] == ',') &&
            (at[n] == ',' || at[n] == '\0'))
            return true;
        at += n;
    }
    return false;
}

int fpd_info_hello(const fp_HelloReply *reply, struct fpd_device_info *info,
                   const char **why)
{
    if (!is_component(reply->device_id.bytes, reply->device_id.size,
                      FPD_ID_MAX))
        return broken(why, "its id is not [A-Za-z0-9._-]{1,64}, or is . or ..");
    if (reply->epoch.size != sizeof info->epoch)
        return broken(why, "its epoch is not 8 bytes");
    if (reply->max_requests < 2)
        return broken(why, "it takes fewer than 2 requests at once");
    if (reply->default_volume.size > 0 &&
        !is_volume(reply->default_volume.bytes, reply->default_volume.size))
        return broken(why, "its default volume has no proper path");
    copy_word(info->id, reply->device_id.bytes, reply->device_id.size);
    copy_word(info->default_volume, reply->default_volume.bytes,
              reply->default_volume.size);
    fpd_text_clean(reply->filesystems.bytes, reply->filesystems.size,
                   info->filesystems, sizeof info->filesystems);
    fpd_text_clean(reply->model.bytes, reply->model.size, info->model,
                   sizeof info->model);
    fpd_text_clean(reply->firmware.bytes, reply->firmware.size, info->firmware,
                   sizeof info->firmware);
    memcpy(info->epoch, reply->epoch.bytes, sizeof info->epoch);
    info->boot_reason = reply->boot_reason;
    info->path_max = reply->path_max;
    take_left_out(info, reply->left_out);
    return FP_OK;
}

static int take_volume(const fp_VolumeReply *reply,
                       struct fpd_volume_info *info, const char **why)
{
    *info = (struct fpd_volume_info){ 0 };
    if (!is_volume(reply->path.bytes, reply->path.size))
        return broken(why, "a volume of it has no proper path");
    if (!is_component(reply->storage.bytes, reply->storage.size, 16))
        return broken(why, "a volume of it names no proper storage");
    if (reply->fs.size > 0 &&
        !fpd_info_is_word(reply->fs.bytes, reply->fs.size, 16))
        return broken(why, "a volume of it names no proper filesystem");
    copy_word(info->path, reply->path.bytes, reply->path.size);
    copy_word(info->storage, reply->storage.bytes, reply->storage.size);
    copy_word(info->fs, reply->fs.bytes, reply->fs.size);
    fpd_text_clean(reply->version.bytes, reply->version.size, info->version,
                   sizeof info->version);
    fpd_text_clean(reply->reason.bytes, reply->reason.size, info->reason,
                   sizeof info->reason);
    fpd_text_clean(reply->region.bytes, reply->region.size, info->region,
                   sizeof info->region);
    if (!info->reason[0] && !reply->mounted)
        snprintf(info->reason, sizeof info->reason,
                 "it is not mounted, and the device has no words for why");
    info->needs_repair = reply->needs_repair;
    info->mounted = reply->mounted;
    info->writable = reply->writable;
    info->caps = reply->caps;
    info->promise = reply->promise;
    info->size = reply->size;
    info->free = reply->free < reply->size ? reply->free : reply->size;
    info->file_max = reply->file_max;
    info->files_max = reply->files_max;
    info->block_size = reply->block_size;
    info->name_max =
        reply->name_max < FPD_NAME_MAX ? reply->name_max : FPD_NAME_MAX;
    info->fs_gen = reply->fs_gen;
    return FP_OK;
}

/* Requests name a volume by its path: of two with one path the second would be
 * reached by nobody, or the wrong one changed. */
int fpd_info_volume(const fp_VolumeReply *reply, struct fpd_volume_info *list,
                    uint32_t *count, const char **why)
{
    int err;

    if (*count == FPD_VOLUMES_MAX)
        return broken(why, "a device has 8 volumes at most");
    err = take_volume(reply, &list[*count], why);
    for (uint32_t i = 0; i < *count && !err; i++)
        if (strcmp(list[i].path, list[*count].path) == 0)
            err = broken(why, "it tells of one volume twice");
    *count += !err;
    return err;
}

void fpd_info_default(struct fpd_device_info *info)
{
    static const char *const first[] = { "/sd", "/flash" };
    const struct fpd_volume_info *found = NULL;

    for (size_t i = 0; i < 2 && !found; i++)
        for (uint32_t k = 0; k < info->volume_count && !found; k++)
            if (info->volumes[k].mounted &&
                strcmp(info->volumes[k].path, first[i]) == 0)
                found = &info->volumes[k];
    for (uint32_t k = 0; k < info->volume_count && !found; k++)
        if (info->volumes[k].mounted)
            found = &info->volumes[k];
    strcpy(info->default_volume, found ? found->path : "");
}

static int take_region(const fp_Region *region, uint64_t size,
                       struct fpd_region_info *info, const char **why)
{
    if (!fpd_info_is_word(region->name.bytes, region->name.size, 16))
        return broken(why, "a region of it has no proper name");
    if (region->off > size || region->size > size - region->off)
        return broken(why, "a region of it lies outside its storage");
    copy_word(info->name, region->name.bytes, region->name.size);
    info->off = region->off;
    info->size = region->size;
    info->flags = region->flags;
    return FP_OK;
}

static int take_storage(const fp_StorageReply *reply,
                        struct fpd_storage_info *info, const char **why)
{
    int err = FP_OK;

    *info = (struct fpd_storage_info){ 0 };
    if (!is_component(reply->name.bytes, reply->name.size, 16))
        return broken(why, "a storage of it has no proper name");
    if (reply->block_size == 0 || reply->block_count == 0)
        return broken(why, "a storage of it has no blocks");
    if (reply->chunk_size != 4096 && reply->chunk_size != 65536)
        return broken(why, "a storage of it has chunks of neither 4096 nor "
                           "65536 bytes");
    copy_word(info->name, reply->name.bytes, reply->name.size);
    info->read_size = reply->read_size;
    info->prog_size = reply->prog_size;
    info->block_size = reply->block_size;
    info->block_count = reply->block_count;
    info->flags = reply->flags;
    info->chunk_size = reply->chunk_size;
    info->size = (uint64_t)reply->block_size * reply->block_count;
    info->gen = reply->gen;
    info->gen_trusted = reply->gen_trusted;
    info->no_medium = reply->no_medium;
    info->region_count = reply->regions_count;
    for (uint32_t i = 0; i < reply->regions_count && !err; i++)
        err =
            take_region(&reply->regions[i], info->size, &info->regions[i], why);
    return err;
}

int fpd_info_storage(const fp_StorageReply *reply,
                     struct fpd_storage_info *list, uint32_t *count,
                     const char **why)
{
    int err;

    if (*count == FPD_STORAGES_MAX)
        return broken(why, "a device has 8 storages at most");
    err = take_storage(reply, &list[*count], why);
    for (uint32_t i = 0; i < *count && !err; i++)
        if (strcmp(list[i].name, list[*count].name) == 0)
            err = broken(why, "it tells of one storage twice");
    *count += !err;
    return err;
}

int fpd_info_stat(const fp_Entry *entry, struct fpd_stat *out, const char **why)
{
    if (entry->type != fp_FileType_FILE_TYPE_FILE &&
        entry->type != fp_FileType_FILE_TYPE_DIR)
        return broken(why, "an entry is neither file nor directory");
    out->type = (enum fpd_type)entry->type;
    out->size = entry->size;
    out->has_mtime = entry->has_mtime;
    out->mtime_ns = entry->mtime_ns;
    return FP_OK;
}

int fpd_info_entry(const fp_Entry *entry, struct fpd_entry *out,
                   const char **why)
{
    const uint8_t *name = entry->name.bytes;
    size_t size = entry->name.size;

    if (size == 0 || memchr(name, '/', size) || memchr(name, '\0', size) ||
        (size == 1 && name[0] == '.') ||
        (size == 2 && name[0] == '.' && name[1] == '.'))
        return broken(why, "an entry has a name that no entry can have");
    memcpy(out->name, name, size);
    out->name[size] = '\0';
    out->name_len = (uint16_t)size;
    return fpd_info_stat(entry, &out->st, why);
}

int fpd_info_path(const char *path)
{
    size_t size = path ? strnlen(path, FPD_PATH_MAX + 1) : 0;

    if (size == 0 || path[0] != '/')
        return FP_ERR_INVAL;
    if (size > FPD_PATH_MAX)
        return FP_ERR_NAMETOOLONG;
    if (size == 1)
        return FP_OK;
    for (const char *p = path; *p;) {
        const char *name = p + 1;
        size_t n = strcspn(name, "/");

        if (n == 0 || (n == 1 && name[0] == '.') ||
            (n == 2 && name[0] == '.' && name[1] == '.'))
            return FP_ERR_INVAL;
        if (n > FPD_NAME_MAX)
            return FP_ERR_NAMETOOLONG;
        p = name + n;
    }
    return FP_OK;
}

int fpd_info_error(fp_Error error)
{
    switch (error) {
    case fp_Error_ERROR_NOENT:
    case fp_Error_ERROR_IO:
    case fp_Error_ERROR_NOMEM:
    case fp_Error_ERROR_ACCES:
    case fp_Error_ERROR_BUSY:
    case fp_Error_ERROR_EXIST:
    case fp_Error_ERROR_NODEV:
    case fp_Error_ERROR_NOTDIR:
    case fp_Error_ERROR_ISDIR:
    case fp_Error_ERROR_INVAL:
    case fp_Error_ERROR_NFILE:
    case fp_Error_ERROR_FBIG:
    case fp_Error_ERROR_NOSPC:
    case fp_Error_ERROR_ROFS:
    case fp_Error_ERROR_NAMETOOLONG:
    case fp_Error_ERROR_NOTEMPTY:
    case fp_Error_ERROR_NODATA:
    case fp_Error_ERROR_PROTO:
    case fp_Error_ERROR_CORRUPT:
    case fp_Error_ERROR_NOTSUP:
    case fp_Error_ERROR_TIMEDOUT:
    case fp_Error_ERROR_STALE:
    case fp_Error_ERROR_CANCELED:
    case fp_Error_ERROR_OUTCOME:
    case fp_Error_ERROR_DIGEST:
    case fp_Error_ERROR_PRECOND:
    case fp_Error_ERROR_LEASED:
        return -(int)error;
    default:
        return FP_ERR_PROTO;
    }
}
