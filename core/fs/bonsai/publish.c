/* SPDX-License-Identifier: MIT
 *
 * How a file that was written becomes the file of its name. Its record lies
 * finished in rows that nothing refers to; so do records for those parents
 * that are missing, a chain down to it. Then one record that is there changes,
 * in one step: the parent, which gets a child or another one for the old; or
 * the directory whose own data it is.
 */
#include "core/fs/bonsai/bon.h"

static uint32_t taken_by(const char *component)
{
    const char *end = strchr(component, '/');
    size_t size = end != NULL ? (size_t)(end - component) : strlen(component);

    return fp_bon_rows(FP_BON_HEAD + (uint32_t)size + 4);
}

/* Writes the missing parents. *top: the first of them, or the file itself;
 * *parent becomes the file's. */
static int write_parents(struct fp_bon *fs, const struct fp_bon_file *f,
                         const char *rest, uint32_t *top, uint32_t *parent)
{
    bool is_last = strchr(rest, '/') == NULL;
    uint32_t row = f->shadow;
    int err = FP_OK;

    if (!is_last)
        err = fp_bon_alloc(fs, taken_by(rest), &row);
    *top = row;
    while (!err && !is_last) {
        struct fp_bon_edit e = { .node.parent = *parent, .put = f->shadow };

        err = fp_bon_component(fs, rest, &rest);
        rest++;
        is_last = strchr(rest, '/') == NULL;
        if (!err && !is_last)
            err = fp_bon_alloc(fs, taken_by(rest), &e.put);
        e.handle = fs->handle;
        e.node.handle_size = fs->handle_size;
        if (!err)
            err = fp_bon_edit_to(fs, &e, row);
        *parent = row;
        row = e.put;
    }
    return err;
}

static int find(struct fp_bon *fs, struct fp_bon_file *f,
                struct fp_bon_place *place)
{
    int err;

    if (f->node == 0)
        return fp_bon_find(fs, (const char *)f->buf + FP_BON_ROW, true, place);
    err = fp_bon_load(fs, f->node, &place->node);
    place->is_own_data = f->is_own_data;
    return err;
}

/* Journals it, once there is room. 1: try again. */
static int change(struct fp_bon *fs, struct fp_bon_file *f)
{
    struct fp_bon_edit e;
    struct fp_bon_place place;
    int err = find(fs, f, &place);
    bool is_new = err == FP_ERR_NOENT && !place.is_own_data;
    uint32_t parent = is_new ? place.parent.row : place.node.parent;

    if (err && err != FP_ERR_NOENT)
        return err;
    if (!is_new && fp_bon_is_dir(&place.node) && !place.is_own_data)
        return FP_ERR_ISDIR;
    err = fp_bon_edit_of(fs, place.is_own_data ? place.node.row : parent, &e);
    if (!err)
        err = fp_bon_shadow_place(fs, f);
    if (err)
        return err;
    if (place.is_own_data) {
        e.node.data_size = f->size;
    } else {
        e.drop = is_new ? 0 : place.node.row;
        e.put = f->shadow;
    }
    err = fp_bon_edit_room(fs, &e);
    if (err)
        return err;
    if (is_new)
        err = write_parents(fs, f, place.rest, &e.put, &parent);
    if (!err)
        err = fp_bon_shadow_finish(fs, f, parent);
    if (place.is_own_data)
        e.data = f->shadow * FP_BON_ROW + FP_BON_HEAD + f->handle_size;
    if (!err)
        err = fp_bon_edit_here(fs, &e);
    f->old = is_new ? 0 : place.node.row;
    return err;
}

/* The file has its name. Whoever else writes it goes on from here. */
static void become(struct fp_bon *fs, struct fp_bon_file *f)
{
    if (f->is_own_data) {
        f->node = f->old;
        fp_bon_shadow_drop(f);
        return;
    }
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_bon_file *other = fs->files[i];

        if (other != NULL && other->is_dirty && other->node == f->old &&
            f->old != 0)
            other->node = f->shadow;
    }
    f->node = f->shadow;
    fp_bon_shadow_drop(f);
}

int fp_bon_publish(struct fp_bon *fs, struct fp_bon_file *f)
{
    int err = fp_bon_prepare(fs);

    if (err)
        return err;
    do {
        err = change(fs, f);
    } while (err == 1);
    if (err)
        return fp_bon_settle(fs, err);
    err = fp_bon_commit(fs);
    if (err) {
        /* It may have happened: then the shadow's rows are the tree's. */
        f->is_stale = true;
        fp_bon_shadow_drop(f);
    } else {
        become(fs, f);
    }
    return fp_bon_settle(fs, err);
}
