/* SPDX-License-Identifier: MIT
 *
 * Paths. Upstream looks for the last component anywhere in the tree; here a
 * path is one. The last component ".data" is the directory's own data.
 */
#include "core/fs/bonsai/bon.h"

/* One component down from `place`, if there is something. */
static bool enter(struct fp_bon *fs, struct fp_bon_place *place,
                  bool for_create)
{
    const char *rest;

    place->parent = place->node;
    if (!fp_bon_is_dir(&place->node) &&
        (!for_create || place->node.data_size > 0))
        fp_bon_fail(fs, FP_ERR_NOTDIR);
    if (place->node.handle_size == FP_BON_NO_FILE)
        fp_bon_fail(fs, FP_ERR_CORRUPT); /* the root is lost */
    if (fp_bon_component(fs, place->rest, &rest)) {
        if (!fp_bon_kid_named(fs, &place->parent, &place->node))
            return false;
    } else if (*rest == '\0') {
        place->is_own_data = true;
    } else {
        return false;
    }
    place->rest = rest;
    return !place->is_own_data || place->node.data_size > 0;
}

bool fp_bon_find(struct fp_bon *fs, const char *path, bool for_create,
                 struct fp_bon_place *place)
{
    bool is_there;

    place->is_own_data = false;
    fp_bon_load(fs, FP_BON_ROOT, &place->node);
    place->rest = fp_bon_is_raw(fs) ? fp_bon_raw_path(path) : path;
    is_there = place->rest != NULL;
    while (is_there && place->rest[0] == '/' && place->rest[1] != '\0') {
        place->rest++;
        is_there = enter(fs, place, for_create);
    }
    if (!is_there && !for_create)
        fp_bon_fail(fs, FP_ERR_NOENT);
    return is_there;
}

bool fp_bon_find_file(struct fp_bon *fs, const char *path, uint32_t flags,
                      struct fp_bon_place *place)
{
    bool is_there = fp_bon_find(fs, path, flags & FP_O_CREATE, place);

    if (is_there &&
        (path[1] == '\0' || (fp_bon_is_dir(&place->node) &&
                             !place->is_own_data && !fp_bon_is_raw(fs))))
        fp_bon_fail(fs, FP_ERR_ISDIR);
    return is_there;
}
