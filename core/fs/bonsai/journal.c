/* SPDX-License-Identifier: MIT
 *
 * The journal: how rows that are in use change in one step. Their new content
 * goes to free rows; then the last row of the partition, which no file gets,
 * says which row gets what, with a CRC over all of it. From then on the change
 * has happened. Then it is applied where it belongs, the head is erased, and
 * the new rows are.
 *
 *     | System | root .. old .. |  new | new |  free  |  head  |
 *                    ^-- 3. copy --' 1. written         ^ 2. says so, 4. erased
 *
 * A cut before 2 ends leaves what was; after it, the next mount reads the
 * journal, and the first change applies it from the start. Applying twice is
 * the same as once, as the new rows are erased only when the head is.
 */
#include "core/fs/bonsai/bon.h"

/* From here on reads see what the journal says; so it is made to happen, now
 * or with the next change. */
static void apply(struct fp_bon *fs)
{
    uint32_t count = fs->journal[FP_BON_COUNT];

    fs->has_changed = true;
    if (!fp_bon_is_same(fs, fp_bon_head(fs), fs->journal))
        fp_bon_put_row(fs, fp_bon_head(fs), fs->journal);
    for (uint32_t i = 0; i < count; i++)
        fp_bon_copy_row(fs, fp_bon_source(fs, i), fp_bon_target(fs, i));
    fp_bon_erase(fs, fp_bon_head(fs));
    if (fs->err)
        return;
    fs->journal[FP_BON_COUNT] = 0;
    fs->err = fp_bdev_sync(fs->dev);
}

/* What a cut or an error left is applied first. Its sources are in nobody's way,
 * and erased when they are needed. */
void fp_bon_begin(struct fp_bon *fs)
{
    if (fp_bon_is_committed(fs)) {
        apply(fs);
        fs->is_mapped = false;
    }
    fp_bon_map(fs);
    /* The original put a file where the journal's head goes. */
    if (fs->map[fp_bon_head(fs)] & FP_BON_USED)
        fp_bon_fail(fs, FP_ERR_ROFS);
}

void fp_bon_journal(struct fp_bon *fs, uint32_t row)
{
    uint32_t source;

    if (fp_bon_is_same(fs, row, fs->row))
        return;
    if (fs->moves == FP_BON_MOVES)
        fp_bon_fail(fs, FP_ERR_NOSPC);
    source = fp_bon_alloc(fs, 1, 1, 0);
    if (fs->err)
        return;
    fp_put_le32(fp_bon_move(fs, fs->moves++), row | source << 16);
    fp_bon_put_row(fs, source, fs->row);
}

void fp_bon_commit(struct fp_bon *fs)
{
    if (fs->err || fs->moves == 0)
        return;
    fs->journal[FP_BON_COUNT] = fs->moves;
    fp_bon_put_addr(fs, fs->journal + FP_BON_START, 0);
    fp_bon_compose_journal(fs);
    apply(fs);
}
