/* SPDX-License-Identifier: MIT
 *
 * flashport image put: files and directories from here, or what comes on
 * stdin, go into the volume. Files that are there are replaced, as cp does. It
 * is all or nothing: what does not fit as a whole leaves the image as it was.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/image/losses.h"
#include "cli/image/place.h"
#include "cli/image/source.h"
#include "cli/out.h"
#include "cli/say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct putting {
    char **operands;
    struct fpc_sources *lists; /* one an operand */
    int count;
    struct fpc_place to;
    uint64_t files, dirs; /* put */
    char **names;         /* of these files, in the volume */
    struct fpc_losses losses;
};

/* --- what there is to put in, before the image is touched ------------------ */

static int gather(const struct fpc_image *image, struct putting *p)
{
    int status = FPC_EXIT_OK;

    for (int i = 0; i < p->count && status == FPC_EXIT_OK; i++) {
        status =
            fpc_sources_read(&p->lists[i], p->operands[i], FPC_SOURCES_STDIN);
        if (status == FPC_EXIT_OK)
            status = fpc_sources_check(&p->lists[i], image->path, image->lossy);
    }
    return status;
}

/* --- putting it in -------------------------------------------------------- */

static int not_put(struct fpc_image *image, const char *name, uint64_t size,
                   int err)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_statfs st;
    char text[16];

    if (err > 0)
        return err; /* told */
    if (err == FP_ERR_NOSPC && fpc_place_root_full(mnt, name, size)) {
        fpc_error("%s: %s: " FPC_PLACE_ROOT_FULL, image->path, name);
        return FPC_EXIT_NO_SPACE;
    }
    if (err == FP_ERR_NOSPC &&
        fp_fs_statfs(&image->host.vol.mnt, &st) == FP_OK) {
        fpc_error("%s: %s: does not fit: %s free", image->path, name,
                  fpc_size_text(st.free, text));
        return FPC_EXIT_NO_SPACE;
    }
    if (err == FP_ERR_NOENT && fpc_place_is_flat(mnt)) {
        fpc_error("%s: a %s has no directories: a name must do without '/'",
                  image->path, mnt->ops->name);
        return FPC_EXIT_FAILED;
    }
    fpc_image_failed(image, name, err);
    if (err == FP_ERR_NOENT)
        fpc_error_more(
            "a directory on the way is missing: image mkdir -p makes it");
    return (int)fpc_exit_of(err);
}

static bool is_kept(struct fpc_image *image, const char *name)
{
    struct fp_stat st;

    return image->keep && fp_fs_stat(&image->host.vol.mnt, name, &st) == FP_OK;
}

/* Was it this very put that wrote the file which is there, maybe under a name
 * that is the same to the filesystem, as A and a are to FAT? */
static bool is_own(const struct putting *p, struct fp_mount *mnt,
                   const char *name)
{
    struct fp_stat st;

    if (fp_fs_stat(mnt, name, &st) != FP_OK)
        return false;
    for (uint64_t i = 0; i < p->files; i++)
        if (fp_host_drivers_is_same(mnt, p->names[i], name))
            return true;
    return false;
}

/* Notes the name of the next file. */
static int note_name(struct putting *p, const char *name)
{
    char **names = realloc(p->names, (p->files + 1) * sizeof *names);

    if (names)
        p->names = names;
    if (!names || !(names[p->files] = strdup(name)))
        return FP_ERR_NOMEM;
    p->files++;
    return FP_OK;
}

static int put_one(struct fpc_image *image, struct putting *p,
                   const struct fpc_sources *list,
                   const struct fpc_source *source, const char *name)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    int err;

    if (source->is_dir) {
        p->dirs++;
        return fpc_source_mkdir(mnt, name, &source->meta);
    }
    if (is_own(p, mnt, name)) {
        fpc_error("%s: another file of this put has its name already",
                  source->path);
        return FPC_EXIT_CONFLICT;
    }
    if (is_kept(image, name))
        return FP_OK;
    err = note_name(p, name);
    return err ? err : fpc_source_store(list, source, mnt, name, 0);
}

static int put_list(struct fpc_image *image, struct putting *p, int i)
{
    const struct fpc_sources *list = &p->lists[i];
    char name[FP_PATH_MAX + 1];
    uint64_t size = 0;
    int err = fpc_place_name(&p->to, p->operands[i], "", name);

    if (err == FP_OK && list->of_dir)
        err = fpc_source_mkdir(&image->host.vol.mnt, name, &list->meta);
    for (size_t k = 0; err == FP_OK && k < list->count; k++) {
        const struct fpc_source *source = &list->items[k];

        err = fpc_place_name(&p->to, p->operands[i],
                             fpc_source_below(list, source), name);
        if (err == FP_OK)
            err = put_one(image, p, list, source, name);
        size = source->size; /* known by now */
    }
    return err ? not_put(image, name, size, err) : FPC_EXIT_OK;
}

static int check_stdin(const struct putting *p)
{
    for (int i = 0; i < p->count && p->to.is_dir; i++)
        if (strcmp(p->operands[i], "-") == 0) {
            fpc_error("-: what comes on stdin needs a name: PATH is a "
                      "directory");
            return FPC_EXIT_USAGE;
        }
    return FPC_EXIT_OK;
}

static json_t *report(const struct putting *p)
{
    return json_pack("{s:I,s:I,s:o}", "files", (json_int_t)p->files, "dirs",
                     (json_int_t)p->dirs, "lost", fpc_losses_json(&p->losses));
}

static int note_hollow(struct putting *p, struct fp_mount *mnt, int i)
{
    const struct fpc_sources *list = &p->lists[i];
    char name[FP_PATH_MAX + 1];
    int err = FP_OK;

    if (list->of_dir && list->count == 0) {
        err = fpc_place_name(&p->to, p->operands[i], "", name);
        err = err ? err : fpc_losses_add_hollow(&p->losses, mnt, name);
    }
    for (size_t k = 0; err == FP_OK && k < list->count; k++) {
        const struct fpc_source *source = &list->items[k];

        if (!source->is_dir)
            continue;
        err = fpc_place_name(&p->to, p->operands[i],
                             fpc_source_below(list, source), name);
        err = err ? err : fpc_losses_add_hollow(&p->losses, mnt, name);
    }
    return err;
}

/* Folders that the volume does not keep for they hold nothing, listed as
 * convert does. */
static int check_losses(struct fpc_image *image, struct putting *p)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    int err = FP_OK;

    for (int i = 0; i < p->count && err == FP_OK && fpc_place_is_flat(mnt); i++)
        err = note_hollow(p, mnt, i);
    if (err)
        return fpc_image_failed(image, "/", err);
    if (!image->json)
        fpc_losses_print(&p->losses, mnt->ops->name);
    if (fpc_losses_none(&p->losses) || image->lossy)
        return FPC_EXIT_OK;
    if (image->json)
        fpc_image_answer(report(p));
    fflush(stdout);
    fpc_error("%s: not changed: %s cannot keep all of it, as listed; --lossy "
              "puts in what it can",
              image->path, mnt->ops->name);
    return FPC_EXIT_FAILED;
}

static int put_all(struct fpc_image *image, void *ctx)
{
    struct putting *p = ctx;
    int status = fpc_place_look(image, &p->to);

    if (status == FPC_EXIT_OK)
        status = check_stdin(p);
    for (int i = 0; i < p->count && status == FPC_EXIT_OK; i++)
        status = put_list(image, p, i);
    return status ? status : check_losses(image, p);
}

int fpc_image_put(struct fpc_image *image)
{
    struct putting p = { .operands = image->args,
                         .count = image->arg_count - 1 };
    int status;

    p.to.must_be_dir =
        p.count > 1 || fpc_place_is_slashed(image->args[p.count]);
    status = fpc_image_root_paths(image, p.count);
    p.to.path = image->args[p.count];
    p.lists = calloc((size_t)p.count, sizeof *p.lists);
    if (!p.lists)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    if (status == FPC_EXIT_OK)
        status = gather(image, &p);
    if (status == FPC_EXIT_OK)
        status = fpc_image_edit(image, put_all, &p);
    if (status == FPC_EXIT_OK && image->json)
        fpc_image_answer(report(&p));
    fpc_losses_clear(&p.losses);
    for (int i = 0; i < p.count; i++)
        fpc_sources_free(&p.lists[i]);
    for (uint64_t i = 0; i < p.files; i++)
        free(p.names[i]);
    free(p.names);
    free(p.lists);
    return status;
}
