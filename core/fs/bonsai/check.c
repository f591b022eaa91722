/* SPDX-License-Identifier: MIT
 *
 * Check: a row a slice. Where a record begins, it and its children are looked
 * at; a free row must be blank.
 */
#include "core/fs/bonsai/bon.h"

static void say(struct fp_step *step, enum fp_finding_level level, uint32_t row,
                const char *text)
{
    if (level == FP_FINDING_ERROR)
        step->errors++;
    else if (level == FP_FINDING_WARNING)
        step->warnings++;
    else
        step->pending++;
    if (step->on_finding != NULL)
        step->on_finding(step->ctx, level, row, text);
}

static int check_padding(struct fp_bon *fs, const struct fp_bon_node *node,
                         struct fp_step *step)
{
    uint32_t at = node->row * FP_BON_ROW + fp_bon_size(node);

    for (; at % FP_BON_ROW != 0; at++) {
        uint8_t byte;
        int err = fp_bon_read(fs, at, &byte, 1);

        if (err)
            return err;
        if (byte == 0)
            continue;
        say(step, FP_FINDING_WARNING, node->row,
            "the padding behind a record is not zero");
        return FP_OK;
    }
    return FP_OK;
}

/* All children are there, each of another handle. */
static int check_kids(struct fp_bon *fs, const struct fp_bon_node *node,
                      struct fp_step *step)
{
    struct fp_bon_node kid, same;
    uint32_t index = 0, count = 0;
    int got, err;

    while ((got = fp_bon_kid(fs, node, &index, &kid)) > 0) {
        count++;
        err = fp_bon_read(fs, fp_bon_handle_at(&kid), fs->handle,
                          kid.handle_size);
        fs->handle_size = kid.handle_size;
        if (!err)
            err = fp_bon_kid_named(fs, node, &same);
        if (err)
            return err;
        if (kid.handle_size == 0)
            say(step, FP_FINDING_ERROR, kid.row, "a file has no name");
        if (same.row != kid.row)
            say(step, FP_FINDING_ERROR, kid.row,
                "two files of a directory have one name");
    }
    if (count < node->kids)
        say(step, FP_FINDING_ERROR, node->row,
            "a directory lists what is no file or another one's");
    return got;
}

static int check_node(struct fp_bon *fs, uint32_t row, struct fp_step *step)
{
    struct fp_bon_node node;
    int err = fp_bon_load(fs, row, &node);
    uint32_t end = row + fp_bon_rows(fp_bon_size(&node));

    if (err)
        return err;
    for (uint32_t at = row + 1; at < end; at++)
        if (fp_bon_bit(fs->heads, at))
            say(step, FP_FINDING_ERROR, at, "two files lie in one row");
    err = check_padding(fs, &node, step);
    return err ? err : check_kids(fs, &node, step);
}

static int check_system(struct fp_bon *fs, struct fp_step *step)
{
    uint8_t fsa[4];
    int err = fp_bon_read(fs, FP_BON_FSA, fsa, sizeof fsa);

    if (!err && fp_get_le32(fsa) != fp_bon_addr(fs, fs->last))
        say(step, FP_FINDING_PENDING, 0,
            "the free space address is not that behind the last file");
    if (fs->pending > 0)
        say(step, FP_FINDING_PENDING, fp_bon_head(fs),
            "a power cut left a journal to be applied");
    if (!fp_bon_bit(fs->heads, FP_BON_ROOT))
        say(step, FP_FINDING_ERROR, FP_BON_ROOT, "there is no root");
    return err;
}

static int check_free(struct fp_bon *fs, uint32_t row, struct fp_step *step)
{
    int blank = fp_bon_is_blank(fs, row);

    if (blank == 0)
        say(step, FP_FINDING_PENDING, row, "a free row is not erased");
    return blank < 0 ? blank : FP_OK;
}

int fp_bon_check_step(struct fp_bon *fs, struct fp_step *step)
{
    uint32_t row = step->progress;
    int err = fp_bon_map(fs);

    if (err)
        return err;
    if (row == 0)
        err = check_system(fs, step);
    else if (fp_bon_bit(fs->heads, row))
        err = check_node(fs, row, step);
    else if (!fp_bon_bit(fs->used, row))
        err = check_free(fs, row, step);
    step->total = fs->rows;
    step->progress++;
    step->done = step->progress == step->total;
    return err;
}

int fp_bon_step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    return fp_bon_check_step(fp_bon_of(mnt), step);
}
