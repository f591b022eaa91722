/* SPDX-License-Identifier: MIT
 *
 * How a file that was written becomes the file of its name. Its record lies
 * finished in rows that nothing refers to. In one step, missing parents come
 * to be, and its directory gets it as a child, or for the old one; or the
 * directory whose own data it is gets that.
 */
#include "core/fs/bonsai/bon.h"

/* Makes the parents that are missing, in rows that are fresh. The last. */
static uint32_t make_parents(struct fp_bon *fs, const char *rest,
                             uint32_t parent)
{
    while (strchr(rest, '/') != NULL && !fs->err) {
        struct fp_bon_edit e = { .node.parent = parent,
                                 .at = FP_BON_HEAD,
                                 .put = fs->handle };
        uint32_t row;

        fp_bon_fail(fs, fp_bon_component(fs, rest, &rest));
        rest++;
        e.node.handle_size = fs->handle_size;
        e.size = fs->handle_size;
        e.node.data_size = 4; /* its child's */
        row = fp_bon_alloc_node(fs, &e.node);
        e.node.data_size = 0;
        fp_bon_edit(fs, &e, row);
        fp_bon_relink(fs, parent, 0, row);
        parent = row;
    }
    return parent;
}

static int find(struct fp_bon *fs, struct fp_bon_file *f,
                struct fp_bon_place *place)
{
    if (f->node == 0)
        return fp_bon_find(fs, (const char *)f->buf + FP_BON_ROW, true, place);
    place->is_own_data = f->is_own_data;
    fp_bon_load(fs, f->node, &place->node);
    fp_bon_load(fs, place->node.parent, &place->parent);
    return FP_OK;
}

/* Finds its place, and makes room there. What it will replace, 0: nothing. */
static uint32_t prepare(struct fp_bon *fs, struct fp_file *file,
                        struct fp_bon_place *place)
{
    struct fp_bon_node *node = &place->node;
    uint32_t old, more;
    int err;

    do {
        err = find(fs, fp_bon_file_of(file), place);
        old = err ? 0 : node->row;
        more = old == 0 ? 4 : 0;
        if (place->is_own_data) {
            more = file->size - node->data_size;
            old = node->row;
            err = FP_OK;
        } else if (old != 0 && fp_bon_is_dir(node)) {
            err = FP_ERR_ISDIR;
        }
        if (err != FP_ERR_NOENT)
            fp_bon_fail(fs, err);
    } while (!fs->err &&
             fp_bon_room(fs, place->is_own_data ? node : &place->parent, more));
    return old;
}

/* The file has its name. Whoever else writes it goes on from here. */
static void become(struct fp_bon *fs, struct fp_bon_file *f, uint32_t old)
{
    f->node = f->is_own_data ? old : f->shadow;
    if (old != 0)
        (void)fp_bon_tell_moved(fs, old, f->node, true);
}

int fp_bon_publish(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_place place;
    uint32_t old, parent;

    fp_bon_begin(fs);
    fp_bon_shadow_finish(fs, file, f->parent);
    old = prepare(fs, file, &place);
    if (fs->err)
        return fp_bon_end(fs);
    if (!place.is_own_data) {
        parent = place.parent.row;
        if (old == 0)
            parent = make_parents(fs, place.rest, parent);
        fp_bon_shadow_finish(fs, file, parent);
        fp_bon_relink(fs, parent, old, f->shadow);
    } else {
        fp_bon_put_data(fs, &place.node,
                        f->shadow * FP_BON_ROW + FP_BON_HEAD + f->handle_size,
                        file->size);
    }
    if (fs->err)
        return fp_bon_end(fs);
    fp_bon_commit(fs);
    /* After an error it may have happened: the shadow's rows are the tree's. */
    f->is_stale = fs->err != FP_OK;
    if (!fs->err)
        become(fs, f, old);
    fp_bon_shadow_drop(f);
    return fp_bon_end(fs);
}
