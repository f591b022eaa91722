/* SPDX-License-Identifier: MIT
 *
 * flashport image convert: what one volume holds, in a new image with another
 * filesystem.
 *
 * What a target cannot keep is not foretold from rules about it: the new image
 * is made, without a name yet, and looked at. Each name is tried; afterwards
 * times, folders and attributes are compared with the source's. Then the losses
 * are listed, and only with --lossy, or where there are none, it gets its name.
 *
 * Attributes 1 and 't' are how littlefs keeps times; they count as such.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/losses.h"
#include "cli/image/make.h"
#include "cli/image/opts.h"
#include "cli/image/place.h"
#include "cli/out.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTR_MAX    1022 /* bytes. Source: littlefs SPEC.md */
#define FAT_TICK_NS INT64_C(2000000000)

struct converting {
    struct fpc_make make; /* first: what its hooks are called with */
    struct fpc_image *source;
    struct fpc_sources files;
    struct fpc_losses losses;
    uint64_t file_count, dir_count; /* kept */
};

/* --- names and contents --------------------------------------------------- */

/* Why the target does not take it, for a sentence; NULL: it is no matter of
 * what it can keep. */
static const char *why_not(struct fp_mount *mnt, const char *path, int err,
                           char text[120])
{
    struct fp_statfs st = { 0 };
    const char *fs = mnt->ops->name, *fault;

    fp_fs_statfs(mnt, &st);
    switch (err) {
    case FP_ERR_NAMETOOLONG:
        snprintf(text, 120, "the name is too long: %s takes %" PRIu32 " bytes",
                 fs, st.name_max);
        break;
    case FP_ERR_FBIG:
        snprintf(text, 120,
                 "larger than the %" PRIu64
                 " bytes that %s takes with these blocks",
                 st.file_max, fs);
        break;
    case FP_ERR_EXIST:
        snprintf(text, 120, "%s does not tell its name from another's", fs);
        break;
    case FP_ERR_INVAL:
        fault = fpc_image_name_why(mnt, path, err);
        if (fault)
            return fault;
        snprintf(text, 120, "%s cannot store this name", fs);
        break;
    case FP_ERR_NOENT:
    case FP_ERR_NOTDIR:
        snprintf(text, 120,
                 fpc_place_is_flat(mnt) ? "%s has no folders"
                                        : "its folder is lost: %s",
                 fs);
        break;
    default:
        return NULL;
    }
    return text;
}

/* An enum fp_error, or an exit code. */
static int store(struct converting *c, struct fp_mount *mnt,
                 const struct fpc_source *source)
{
    struct fp_statfs volume;
    struct fp_stat st;
    int err = fp_fs_stat(mnt, source->path, &st);

    /* Where upper and lower case are one, it would replace another. */
    if (err == FP_OK &&
        !(source->is_dir && st.type == FP_TYPE_DIR && fpc_place_is_flat(mnt)))
        return FP_ERR_EXIST;
    if (source->is_dir)
        return fpc_source_mkdir(mnt, source->path, NULL);
    if (fp_fs_statfs(mnt, &volume) == FP_OK && source->size > volume.file_max)
        return FP_ERR_FBIG;
    return fpc_source_store(&c->files, source, mnt, source->path, 0);
}

static int store_all(struct converting *c, struct fp_mount *mnt)
{
    for (size_t i = 0; i < c->files.count; i++) {
        const struct fpc_source *source = &c->files.items[i];
        int err = store(c, mnt, source);
        char text[120];
        const char *why =
            err < 0 ? why_not(mnt, source->path, err, text) : NULL;

        if (why && !fpc_losses_add(&c->losses, source->path, "%s", why))
            err = FP_ERR_NOMEM;
        else if (why)
            continue;
        if (err) {
            c->make.failed_at = source;
            return err;
        }
    }
    return FP_OK;
}

/* --- what is kept beside them --------------------------------------------- */

static int copy_attr(struct fp_mount *from, struct fp_mount *to,
                     const char *path, uint8_t type)
{
    static uint8_t buf[ATTR_MAX];
    int32_t n = fp_fs_getattr(from, path, type, buf, sizeof buf);

    return n < 0 ? n : fp_fs_setattr(to, path, type, buf, (uint32_t)n);
}

static bool is_time(const struct fpc_source *source, uint8_t type)
{
    return source->meta.has_mtime && (type == 1 || type == 't');
}

/* Attributes that the target has no place for are counted. */
static int copy_attrs(struct converting *c, struct fp_mount *to,
                      const struct fpc_source *source)
{
    struct fp_mount *from = &c->source->host.vol.mnt;
    uint8_t types[256];
    int n = fp_fs_listattr(from, source->path, types, sizeof types);
    unsigned lost = 0;

    for (int i = 0; i < n; i++) {
        int err = copy_attr(from, to, source->path, types[i]);

        if (err == FP_ERR_NOTSUP || err == FP_ERR_FBIG)
            lost += !is_time(source, types[i]);
        else if (err)
            return err;
    }
    if (lost && !fpc_losses_add(&c->losses, source->path, "%u user attribute%s",
                                lost, lost == 1 ? "" : "s"))
        return FP_ERR_NOMEM;
    return n < 0 && n != FP_ERR_NOTSUP ? n : FP_OK;
}

static void compare_time(struct fpc_losses *losses,
                         const struct fp_commit_meta *was,
                         const struct fp_stat *is)
{
    int64_t d =
        is->has_mtime && was->has_mtime ? is->mtime_ns - was->mtime_ns : 0;

    if (!was->has_mtime)
        return;
    if (!is->has_mtime || d <= -FAT_TICK_NS || d >= FAT_TICK_NS)
        losses->times++;
    else if (d != 0)
        losses->rounded++;
}

/* What was stored, and nothing that only stands under its name. */
static bool is_kept(const struct converting *c, const struct fpc_source *source,
                    size_t *next)
{
    const struct fpc_losses *losses = &c->losses;

    if (*next == losses->count ||
        strcmp(losses->items[*next].path, source->path) != 0)
        return true;
    ++*next;
    return false;
}

/* A folder that is not there, where names of files make folders. */
static int lose_dir(struct converting *c, struct fp_mount *mnt,
                    const struct fpc_source *source)
{
    const struct fpc_source *next = source + 1;
    size_t n = strlen(source->path);
    const bool holds = next < c->files.items + c->files.count &&
                       strncmp(next->path, source->path, n) == 0 &&
                       next->path[n] == '/';
    const bool added =
        holds ? fpc_losses_add(&c->losses, source->path,
                               "nothing that it holds is kept")
              : fpc_losses_add(&c->losses, source->path,
                               "%s has no empty folders", mnt->ops->name);

    return added ? FP_OK : FP_ERR_NOMEM;
}

static int finish_one(struct converting *c, struct fp_mount *mnt,
                      const struct fpc_source *source)
{
    struct fp_stat st;
    int err = FP_OK;

    if (fp_fs_stat(mnt, source->path, &st) == FP_ERR_NOENT && source->is_dir)
        return lose_dir(c, mnt, source);
    if (source->is_dir && source->meta.has_mtime)
        err = fp_fs_settime(mnt, source->path, source->meta.mtime_ns);
    if (err == FP_OK || err == FP_ERR_NOTSUP)
        err = copy_attrs(c, mnt, source);
    if (err == FP_OK)
        err = fp_fs_stat(mnt, source->path, &st);
    if (err == FP_OK && !source->is_dir && st.size != source->size)
        err = FP_ERR_CORRUPT;
    if (err)
        return err;
    compare_time(&c->losses, &source->meta, &st);
    c->file_count += !source->is_dir;
    c->dir_count += source->is_dir;
    return FP_OK;
}

/* The losses so far stand in the order of the sources. */
static int put(struct fpc_make *make, struct fp_mount *mnt)
{
    struct converting *c = (struct converting *)make;
    size_t next = 0;
    int err;

    fpc_losses_clear(&c->losses);
    c->file_count = c->dir_count = 0;
    err = store_all(c, mnt);
    for (size_t i = 0; i < c->files.count && err == FP_OK; i++) {
        const struct fpc_source *source = &c->files.items[i];

        if (!is_kept(c, source, &next))
            continue;
        err = finish_one(c, mnt, source);
        if (err)
            make->failed_at = source;
    }
    return err;
}

/* --- the report ----------------------------------------------------------- */

static json_t *report(const struct converting *c)
{
    return json_pack(
        "{s:I,s:I,s:o,s:I,s:I}", "files", (json_int_t)c->file_count, "dirs",
        (json_int_t)c->dir_count, "lost", fpc_losses_json(&c->losses),
        "times_lost", (json_int_t)c->losses.times, "times_rounded",
        (json_int_t)c->losses.rounded);
}

static int accept(struct fpc_make *make)
{
    struct converting *c = (struct converting *)make;
    const struct fpc_image *image = make->image;

    if (image->json)
        fpc_image_answer(report(c));
    else
        fpc_losses_print(&c->losses, image->fs);
    fflush(stdout);
    if (fpc_losses_none(&c->losses) || image->lossy)
        return FPC_EXIT_OK;
    fpc_error("%s: not made: %s cannot keep all that %s has, as listed; "
              "--lossy makes it without that",
              image->path, image->fs, c->source->path);
    return FPC_EXIT_FAILED;
}

/* --- the verb ------------------------------------------------------------- */

/* A size out of --from, or its default. False: told. */
static bool take_size(const char *name, const char *value, uint32_t *size)
{
    uint64_t n;

    if (!fp_host_number(value, UINT32_MAX, &n) || n == 0) {
        fpc_error("--from %s=%s: a number above 0 is wanted", name, value);
        return false;
    }
    *size = (uint32_t)n;
    return true;
}

/* --from FS,K=V,...: the sizes are fields, the rest, left in `rest`, is as
 * --opt. */
static int take_sizes(struct fp_fs_config *cfg, char *items, char *rest)
{
    char *at = items, *item;

    while ((item = at) != NULL) {
        at = strchr(item, ',');
        if (at)
            *at++ = 0;
        if (strncmp(item, "block_size=", 11) == 0) {
            if (!take_size("block_size", item + 11, &cfg->block_size))
                return FPC_EXIT_USAGE;
        } else if (strncmp(item, "page_size=", 10) == 0) {
            if (!take_size("page_size", item + 10, &cfg->page_size))
                return FPC_EXIT_USAGE;
        } else {
            sprintf(rest + strlen(rest), "%s%s", rest[0] ? "," : "", item);
        }
    }
    return FPC_EXIT_OK;
}

/* The rest of it is no longer than all of it, and stands behind it. */
static int take_from(struct fpc_image *source, char *text)
{
    char *rest = text + strlen(text) + 1, *items = strchr(text, ',');
    int status = FPC_EXIT_OK;

    source->fs = text;
    rest[0] = 0;
    if (items) {
        *items++ = 0;
        status = take_sizes(&source->cfg, items, rest);
    }
    if (status || !rest[0])
        return status;
    source->opts = rest;
    return fpc_image_take_opts("--from", source->fs, FP_HOST_OPTION_MOUNT, rest,
                               &source->cfg, (char **)&source->cfg.options);
}

/* What is said of the volume is the target's, but for where the source is. */
static struct fpc_image *new_source(const struct fpc_image *image)
{
    struct fpc_image *source = calloc(1, sizeof *source);

    if (!source)
        return NULL;
    source->path = image->path;
    source->verb = image->verb;
    source->has_offset = image->has_offset;
    source->offset = image->offset;
    source->volume = image->volume;
    return source;
}

static int convert(struct converting *c)
{
    int status = fpc_make_check(&c->make);

    if (status)
        return status;
    status = fpc_image_open(c->source);
    if (status)
        return status;
    if (fpc_image_say_cut(c->source))
        status = FPC_EXIT_REFUSED;
    if (status == FPC_EXIT_OK)
        status = fpc_sources_volume(&c->files, c->source);
    if (status == FPC_EXIT_OK)
        status = fpc_make(&c->make);
    fpc_sources_free(&c->files);
    fpc_losses_clear(&c->losses);
    fpc_image_close(c->source);
    return status;
}

/* As typed, with room for it once more. */
static char *copy_twice(const char *text)
{
    char *copy = malloc(2 * strlen(text) + 2);

    return copy ? strcpy(copy, text) : NULL;
}

int fpc_image_convert(struct fpc_image *image)
{
    char *from = copy_twice(image->from ? image->from : "");
    struct fpc_image *source = new_source(image);
    struct converting c = {
        .make = { .image = image, .put = put, .accept = accept },
        .source = source
    };
    int status = FPC_EXIT_OK;

    c.make.files = &c.files;
    image->path = image->args[0];
    if (!source || !from) {
        fpc_error("out of memory");
        status = FPC_EXIT_FAILED;
    } else if (!image->fs) {
        fpc_error("--fs NAME: into which filesystem?");
        status = FPC_EXIT_USAGE;
    } else if (image->from) {
        status = take_from(source, from);
    }
    if (status == FPC_EXIT_OK)
        status = convert(&c);
    if (source)
        free((char *)source->cfg.options);
    free(source);
    free(from);
    return status;
}
