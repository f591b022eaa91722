/* SPDX-License-Identifier: MIT
 *
 * How a file that was written becomes the file of its name. Its record lies
 * finished in rows that nothing refers to. In one step, missing parents come
 * to be, and its directory gets it as a child, or for the old one; or the
 * directory whose own data it is gets that.
 */
#include "core/fs/bonsai/bon.h"

static void find(struct fp_bon *fs, struct fp_bon_file *f,
                 struct fp_bon_place *place)
{
    if (f->node == 0) {
        (void)fp_bon_find(fs, f->path, true, place);
        return;
    }
    place->is_own_data = f->is_own_data;
    place->rest = "";
    fp_bon_load(fs, f->node, &place->node);
    fp_bon_load(fs, f->is_own_data ? f->node : place->node.parent,
                &place->parent);
}

/* Finds its place, and makes room there. */
static void prepare(struct fp_bon *fs, struct fp_file *file,
                    struct fp_bon_place *place)
{
    uint32_t more;

    do {
        find(fs, fp_bon_file_of(file), place);
        more = place->node.row != 0 ? 0 : 4;
        if (place->is_own_data)
            more = file->size - place->node.data_size;
        else if (more == 0 && fp_bon_is_dir(&place->node))
            fp_bon_fail(fs, FP_ERR_ISDIR);
    } while (!fs->err && fp_bon_room(fs, &place->parent, more));
}

/* Its directory gets the record in `row`, for `place->node` if that is there.
 * Parents that are missing come to be. */
static void link_record(struct fp_bon *fs, const struct fp_bon_place *place,
                        uint32_t row)
{
    uint32_t dir = place->parent.row;
    const char *rest = place->rest;

    while (!fs->err && strchr(rest, '/') != NULL) {
        struct fp_bon_node node = { .parent = dir, .kids = 1 };

        (void)fp_bon_component(fs, rest, &rest);
        rest++;
        node.handle_size = fs->handle_size;
        node.row = fp_bon_alloc_node(fs, &node);
        node.kids = 0;
        fp_bon_put_record(fs, &node, &node);
        fp_bon_relink(fs, dir, 0, 0, node.row);
        dir = node.row;
    }
    fp_bon_put_addr(fs, row * FP_BON_ROW + 3, dir);
    fp_bon_relink(fs, dir, place->node.row, 0, row);
}

int fp_bon_publish(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_place place;
    struct fp_bon_node node;
    uint32_t old, row;

    fp_bon_begin(fs);
    fp_bon_shadow_finish(fs, file);
    if (file->flags & FP_O_STAGE)
        return fp_bon_end(fs); /* it is not to be seen yet */
    prepare(fs, file, &place);
    old = place.node.row;
    row = f->shadow; /* which may have moved */
    if (place.is_own_data) {
        fp_bon_load(fs, row, &node);
        row = old;
        fp_bon_put_data(fs, &place.node, fp_bon_data_at(&node), file->size);
    } else {
        link_record(fs, &place, row);
    }
    fp_bon_commit(fs);
    if (fs->err && !fs->is_applying)
        return fp_bon_end(fs);
    /* After an error it may have happened: the shadow's rows are the tree's. */
    f->is_stale = fs->err != FP_OK;
    if (!fs->err) {
        f->node = row;
        /* Whoever else writes it goes on from here. */
        if (old != 0)
            (void)fp_bon_tell_moved(fs, old, row, true);
    }
    fp_bon_shadow_drop(f);
    return fp_bon_end(fs);
}
