/* SPDX-License-Identifier: MIT
 *
 * flashport image rm, mv, mkdir: what changes names and no content.
 *
 * Where directories are there only by the names of files, a directory is moved
 * by moving its files, and is gone with the last of them. Elsewhere (Bonsai) one
 * that has lost its last file is an empty file, to be removed as such. So a
 * path that has gone meanwhile is no fault below the one that was named.
 */
#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/image/place.h"
#include "cli/image/tree.h"

#include <string.h>

/* --- rm ------------------------------------------------------------------- */

struct removed {
    uint64_t files, dirs;
};

static bool has_gone(int err)
{
    return err == FP_ERR_NOENT || err == FP_ERR_NOTDIR;
}

/* What it holds, from the deepest up. */
static int empty(struct fp_mount *mnt, const char *path, struct removed *gone)
{
    struct fpc_tree tree;
    int err = fpc_tree_read(&tree, mnt, path, true);

    if (err)
        return err;
    for (size_t i = tree.count; i > 0 && err == FP_OK; i--) {
        err = fp_fs_remove(mnt, tree.nodes[i - 1].path);
        gone->files += tree.nodes[i - 1].st.type != FP_TYPE_DIR;
        gone->dirs += tree.nodes[i - 1].st.type == FP_TYPE_DIR;
        if (has_gone(err))
            err = FP_OK;
    }
    fpc_tree_free(&tree);
    return err;
}

static int remove_dir(struct fpc_image *image, const char *path,
                      struct removed *gone)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    int err;

    if (!image->recursive) {
        fpc_error("%s: is a directory; remove it with -r", path);
        return FPC_EXIT_USAGE;
    }
    err = empty(mnt, path, gone);
    gone->dirs++;
    if (err == FP_OK)
        err = fp_fs_remove(mnt, path);
    return err && !has_gone(err) ? fpc_image_failed(image, path, err)
                                 : FPC_EXIT_OK;
}

static int remove_one(struct fpc_image *image, const char *path,
                      struct removed *gone)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_stat st;
    int err;

    if (strcmp(path, "/") == 0) {
        fpc_error("/: the root stays: name what is in it");
        return FPC_EXIT_USAGE;
    }
    err = fp_fs_stat(mnt, path, &st);
    if (err == FP_ERR_NOENT && image->force)
        return FPC_EXIT_OK;
    if (err == FP_OK && st.type == FP_TYPE_DIR)
        return remove_dir(image, path, gone);
    if (err == FP_OK)
        err = fp_fs_remove(mnt, path);
    gone->files++;
    return err ? fpc_image_failed(image, path, err) : FPC_EXIT_OK;
}

static int remove_all(struct fpc_image *image, void *ctx)
{
    int status = FPC_EXIT_OK;

    for (int i = 0; i < image->arg_count && status == FPC_EXIT_OK; i++)
        status = remove_one(image, image->args[i], ctx);
    return status;
}

int fpc_image_rm(struct fpc_image *image)
{
    struct removed gone = { 0 };
    int status = fpc_image_root_paths(image, 0);

    if (status == FPC_EXIT_OK)
        status = fpc_image_edit(image, remove_all, &gone);
    if (status == FPC_EXIT_OK && image->json)
        fpc_image_answer(json_pack("{s:I,s:I}", "files", (json_int_t)gone.files,
                                   "dirs", (json_int_t)gone.dirs));
    return status;
}

/* --- mv ------------------------------------------------------------------- */

struct moving {
    struct fpc_place place;
    bool is_kept; /* -n: TO is there, and FROM stays */
};

static int rename_one(struct fpc_image *image, const char *from, const char *to)
{
    int err = fp_fs_rename(&image->host.vol.mnt, from, to,
                           image->keep ? FP_RENAME_NOREPLACE : 0);

    return err == FP_ERR_EXIST && image->keep ? FP_OK : err;
}

/* The files of a directory that is nothing but their names. */
static int rename_files(struct fpc_image *image, const struct fpc_tree *tree,
                        const char *from, const char *to)
{
    const struct fpc_place place = { .path = to };
    char name[FP_PATH_MAX + 1];
    int err = FP_OK;

    for (size_t i = 0; i < tree->count && err == FP_OK; i++) {
        const struct fpc_node *node = &tree->nodes[i];

        if (node->st.type == FP_TYPE_DIR)
            continue;
        err = fpc_place_name(&place, "", node->path + strlen(from), name);
        if (err == FP_OK)
            err = rename_one(image, node->path, name);
    }
    return err;
}

static int rename_flat_dir(struct fpc_image *image, const char *from,
                           const char *to)
{
    struct fpc_tree tree;
    int err = fpc_tree_read(&tree, &image->host.vol.mnt, from, true);

    if (err)
        return err;
    err = rename_files(image, &tree, from, to);
    fpc_tree_free(&tree);
    return err;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static int rename_any(struct fpc_image *image, const char *from, const char *to)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_statfs volume;
    struct fp_stat st;
    int err = fp_fs_stat(mnt, from, &st);

    if (err == FP_OK)
        err = fp_fs_statfs(mnt, &volume);
    if (err)
        return err;
    if (st.type == FP_TYPE_DIR && !(volume.caps & FP_CAP_RENAME_DIR))
        return rename_flat_dir(image, from, to);
    return rename_one(image, from, to);
}

static bool exists(struct fpc_image *image, const char *path)
{
    struct fp_stat st;

    return fp_fs_stat(&image->host.vol.mnt, path, &st) == FP_OK;
}

static int move(struct fpc_image *image, void *ctx)
{
    const char *from = image->args[0];
    struct moving *moving = ctx;
    struct fpc_place *place = &moving->place;
    char to[FP_PATH_MAX + 1];
    int err, status = fpc_place_look(image, place);

    if (status)
        return status;
    err = fpc_place_name(place, from, "", to);
    if (err)
        return fpc_image_failed(image, place->path, err);
    if (strcmp(from, to) == 0 || is_below(to, from)) {
        fpc_error("%s: cannot be moved to %s: that is %s", from, to,
                  strcmp(from, to) == 0 ? "where it is" : "in itself");
        return FPC_EXIT_FAILED;
    }
    err = rename_any(image, from, to);
    moving->is_kept = image->keep && exists(image, from);
    return err ? fpc_image_failed(image, exists(image, from) ? to : from, err)
               : FPC_EXIT_OK;
}

int fpc_image_mv(struct fpc_image *image)
{
    struct moving moving = { .place.must_be_dir =
                                 fpc_place_is_slashed(image->args[1]) };
    int status = fpc_image_root_paths(image, 0);

    moving.place.path = image->args[1];
    if (status == FPC_EXIT_OK)
        status = fpc_image_edit(image, move, &moving);
    if (status == FPC_EXIT_OK && image->json)
        fpc_image_answer(json_pack("{s:b}", "moved", (int)!moving.is_kept));
    return status;
}

/* --- mkdir ---------------------------------------------------------------- */

static bool is_dir(struct fp_mount *mnt, const char *path)
{
    struct fp_stat st;

    return fp_fs_stat(mnt, path, &st) == FP_OK && st.type == FP_TYPE_DIR;
}

/* The directories on the way too, and no fault if they are there. `path` is as
 * it was afterwards. */
static int make_path(struct fp_mount *mnt, char *path)
{
    char *end = path;
    int err = FP_OK;

    while (err == FP_OK && end) {
        end = strchr(end + 1, '/');
        if (end)
            *end = 0;
        err = fp_fs_mkdir(mnt, path);
        if (err == FP_ERR_EXIST && is_dir(mnt, path))
            err = FP_OK;
        else if (err == FP_ERR_EXIST && end)
            err = FP_ERR_NOTDIR;
        if (end)
            *end = '/';
    }
    return err;
}

static int make_dirs(struct fpc_image *image, void *ctx)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    int err = FP_OK;

    (void)ctx;
    if (fpc_place_is_flat(mnt)) {
        fpc_error(fpc_image_kind(mnt->ops->name)->no_folders
                      ? "%s: a %s has no directories"
                      : "%s: a %s has no empty directories: put makes those in "
                        "the name of a file",
                  image->path, mnt->ops->name);
        return FPC_EXIT_FAILED;
    }
    for (int i = 0; i < image->arg_count; i++) {
        err = image->parents ? make_path(mnt, image->args[i])
                             : fp_fs_mkdir(mnt, image->args[i]);
        if (err)
            return fpc_image_failed(image, image->args[i], err);
    }
    return FPC_EXIT_OK;
}

int fpc_image_mkdir(struct fpc_image *image)
{
    int status = fpc_image_root_paths(image, 0);

    if (status == FPC_EXIT_OK)
        status = fpc_image_edit(image, make_dirs, NULL);
    if (status == FPC_EXIT_OK && image->json)
        fpc_image_answer(json_pack("{s:i}", "dirs", image->arg_count));
    return status;
}
