/* SPDX-License-Identifier: MIT
 *
 * How a file that was written becomes the file of its name. Its record lies
 * finished in rows that nothing refers to. In one step, missing parents come
 * to be, and its directory gets it as a child, or for the old one; or the
 * directory whose own data it is gets that.
 */
#include "core/fs/bonsai/bon.h"

/* Rows for the next of the parents that are missing; there is none: `record`.
 * A name takes no more of it than of the path. */
static uint32_t next_row(struct fp_bon *fs, const char *rest, uint32_t record)
{
    const char *end = strchr(rest, '/');
    uint32_t count;

    if (end == NULL)
        return record;
    count = fp_bon_rows(FP_BON_HEAD + (uint32_t)(end - rest) + 4);
    return fp_bon_alloc(fs, count, count, FP_BON_KEEP);
}

/* Makes the parents that are missing, in fresh rows, each with the next as its
 * child and the last with `record`. The first of all these; *parent becomes
 * the last parent. */
static uint32_t make_parents(struct fp_bon *fs, const char *rest,
                             uint32_t record, uint32_t *parent)
{
    uint32_t first = next_row(fs, rest, record), row = first;

    while (row != record && !fs->err) {
        struct fp_bon_edit e = { .node.parent = *parent, .handle = fs->handle };

        (void)fp_bon_component(fs, rest, &rest);
        rest++;
        e.node.handle_size = fs->handle_size;
        e.put = next_row(fs, rest, record);
        fp_bon_edit(fs, &e, row);
        *parent = row;
        row = e.put;
    }
    return first;
}

static void find(struct fp_bon *fs, struct fp_bon_file *f,
                 struct fp_bon_place *place)
{
    if (f->node == 0) {
        (void)fp_bon_find(fs, (const char *)f->buf + FP_BON_ROW, true, place);
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

int fp_bon_publish(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_place place;
    struct fp_bon_edit e;
    uint32_t old, row;

    fp_bon_begin(fs);
    fp_bon_shadow_finish(fs, file);
    if (file->flags & FP_O_STAGE)
        return fp_bon_end(fs); /* it is not to be seen yet */
    prepare(fs, file, &place);
    old = place.node.row;
    fp_bon_edit_begin(fs, &e, place.parent.row);
    row = f->parent = e.old.row;
    if (place.is_own_data) {
        e.data_at = f->shadow * FP_BON_ROW + FP_BON_HEAD + f->handle_size;
        e.node.data_size = file->size;
    } else {
        row = f->shadow;
        e.out = old;
        e.put = make_parents(fs, place.rest, row, &f->parent);
        fp_bon_shadow_finish(fs, file);
    }
    fp_bon_edit(fs, &e, e.old.row);
    if (fs->err)
        return fp_bon_end(fs);
    fp_bon_commit(fs);
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
