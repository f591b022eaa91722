/* SPDX-License-Identifier: MIT
 *
 * Paths. Upstream looks for the last component anywhere in the tree; here a
 * path is one. The last component ".data" is the directory's own data.
 */
#include "core/fs/bonsai/bon.h"

/* One component down from `place`. FP_ERR_NOENT: that ends it. */
static int enter(struct fp_bon *fs, struct fp_bon_place *place, bool for_create)
{
    const char *rest;
    int err;

    place->parent = place->node;
    if (!fp_bon_is_dir(&place->node) &&
        (!for_create || place->node.data_size > 0))
        return FP_ERR_NOTDIR;
    err = fp_bon_component(fs, place->rest, &rest);
    if (err == FP_ERR_INVAL && *rest == '\0') {
        place->is_own_data = true;
        place->rest = rest;
        return place->node.data_size > 0 ? FP_OK : FP_ERR_NOENT;
    }
    if (place->node.handle_size == FP_BON_NO_FILE)
        return FP_ERR_CORRUPT; /* the root is lost */
    if (!err && !fp_bon_kid_named(fs, &place->parent, &place->node))
        err = FP_ERR_NOENT;
    if (!err)
        place->rest = rest;
    if (err == FP_ERR_INVAL || (err == FP_ERR_NAMETOOLONG && !for_create))
        err = FP_ERR_NOENT; /* no handle is that */
    return err;
}

int fp_bon_find(struct fp_bon *fs, const char *path, bool for_create,
                struct fp_bon_place *place)
{
    int err = FP_OK, io_err;

    place->is_own_data = false;
    fp_bon_load(fs, FP_BON_ROOT, &place->node);
    place->rest = fs->is_raw ? fp_bon_raw_path(path) : path;
    if (place->rest == NULL)
        err = FP_ERR_NOENT;
    while (!err && place->rest[0] == '/' && place->rest[1] != '\0') {
        place->rest++;
        err = enter(fs, place, for_create);
    }
    io_err = fp_bon_result(fs);
    return io_err ? io_err : err;
}

int fp_bon_find_file(struct fp_bon *fs, const char *path, uint32_t flags,
                     struct fp_bon_place *place)
{
    int err = fp_bon_find(fs, path, flags & FP_O_CREATE, place);

    if (err)
        return err;
    return path[1] == '\0' || (fp_bon_is_dir(&place->node) &&
                               !place->is_own_data && !fs->is_raw)
               ? FP_ERR_ISDIR
               : FP_OK;
}
