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

static void check_padding(struct fp_bon *fs, const struct fp_bon_node *node,
                          struct fp_step *step)
{
    uint32_t at = node->row * FP_BON_ROW + fp_bon_size(node);

    for (; at % FP_BON_ROW != 0; at++) {
        uint8_t byte;

        fp_bon_read(fs, at, &byte, 1);
        if (byte == 0)
            continue;
        say(step, FP_FINDING_WARNING, node->row,
            "the padding behind a record is not zero");
        return;
    }
}

/* All children are there, each of another handle. */
static void check_kids(struct fp_bon *fs, const struct fp_bon_node *node,
                       struct fp_step *step)
{
    struct fp_bon_node kid, same;
    uint32_t index = 0, count = 0;

    while (fp_bon_kid(fs, node, &index, &kid)) {
        count++;
        fp_bon_read(fs, fp_bon_handle_at(&kid), fs->handle, kid.handle_size);
        fs->handle_size = kid.handle_size;
        if (!fp_bon_kid_named(fs, node, &same))
            return;
        if (kid.handle_size == 0)
            say(step, FP_FINDING_ERROR, kid.row, "a file has no name");
        if (same.row != kid.row)
            say(step, FP_FINDING_ERROR, kid.row,
                "two files of a directory have one name");
    }
    if (count < node->kids && !fs->err)
        say(step, FP_FINDING_ERROR, node->row,
            "a directory lists what is no file or another one's");
}

static void check_node(struct fp_bon *fs, uint32_t row, struct fp_step *step)
{
    struct fp_bon_node node;
    uint32_t end;

    if (!fp_bon_load(fs, row, &node))
        return;
    end = row + fp_bon_rows(fp_bon_size(&node));
    for (uint32_t at = row + 1; at < end; at++)
        if (fs->map[at] & FP_BON_BEGUN)
            say(step, FP_FINDING_ERROR, at, "two files lie in one row");
    check_padding(fs, &node, step);
    check_kids(fs, &node, step);
}

static void check_system(struct fp_bon *fs, struct fp_step *step)
{
    uint8_t fsa[4];

    fp_bon_read(fs, FP_BON_FSA, fsa, sizeof fsa);
    if (!fs->err && fp_get_le32(fsa) != fp_bon_addr(fs, fs->last))
        say(step, FP_FINDING_PENDING, 0,
            "the free space address is not that behind the last file");
    if (fp_bon_is_committed(fs))
        say(step, FP_FINDING_PENDING, fp_bon_head(fs),
            "a power cut left a journal to be applied");
    if (!(fs->map[FP_BON_ROOT] & FP_BON_BEGUN))
        say(step, FP_FINDING_ERROR, FP_BON_ROOT, "there is no root");
}

static void check_free(struct fp_bon *fs, uint32_t row, struct fp_step *step)
{
    if (!fp_bon_is_same(fs, row, NULL) && !fs->err)
        say(step, FP_FINDING_PENDING, row, "a free row is not erased");
}

int fp_bon_check_step(struct fp_bon *fs, struct fp_step *step)
{
    uint32_t row = step->progress;

    fp_bon_map(fs);
    if (fs->err)
        return fp_bon_result(fs);
    if (row == 0)
        check_system(fs, step);
    else if (fs->map[row] & FP_BON_BEGUN)
        check_node(fs, row, step);
    else if (!(fs->map[row] & FP_BON_USED))
        check_free(fs, row, step);
    step->total = fs->rows;
    step->progress++;
    step->done = step->progress == step->total;
    return fp_bon_result(fs);
}

int fp_bon_step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    return fp_bon_check_step(fp_bon_of(mnt), step);
}
