/* SPDX-License-Identifier: MIT
 *
 * Changing what is on flash. A step puts bytes wherever it wants them, and reads
 * them there at once, as if all of the partition were memory. Rows that nothing
 * refers to are written as they are. Of those of the tree the new content goes
 * to free rows; then the last row of the partition, which no file gets, says
 * which row gets what, with a CRC over all of it. From then on the change has
 * happened. Then it is applied where it belongs, the head is erased, and the
 * new rows are.
 *
 *     | System | root .. old .. |  new | new |  free  |  head  |
 *                    ^-- 3. copy --' 1. written         ^ 2. says so, 4. erased
 *
 * A cut before 2 ends leaves what was; after it, the next mount reads the
 * journal, and the first change applies it from the start. Applying twice is
 * the same as once, as the new rows are erased only when the head is.
 *
 * One row is in memory. It goes to flash when another one is needed, or at the
 * end; that of a file that is being written is often the last.
 */
#include "core/fs/bonsai/bon.h"

/* From here on reads see what the journal says; so it is made to happen, now
 * or with the next change. */
static void apply(struct fp_bon *fs)
{
    uint32_t count = fs->journal[FP_BON_COUNT];

    fs->is_applying = fs->has_changed = true;
    if (!fp_bon_is_same(fs, fp_bon_head(fs), fs->journal))
        fp_bon_put_row(fs, fp_bon_head(fs), fs->journal);
    for (uint32_t i = 0; i < count; i++) {
        fp_bon_get_row(fs, fp_bon_source(fs, i));
        fp_bon_put_row(fs, fp_bon_target(fs, i), fs->row);
    }
    fp_bon_erase(fs, fp_bon_head(fs));
    if (fs->err)
        return;
    fs->journal[FP_BON_COUNT] = fs->is_applying = 0;
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
    /* A step that failed left a row in memory that is nobody's. */
    if (!(fs->map[fs->cached] & FP_BON_USED))
        fs->cached = fs->rows;
    /* The original put a file where the journal's head goes. */
    if (fs->map[fp_bon_head(fs)] & FP_BON_USED)
        fp_bon_fail(fs, FP_ERR_ROFS);
}

/* The row gets its new content by the journal: where that is to be written. */
static uint32_t add_move(struct fp_bon *fs, uint32_t row)
{
    uint32_t count = fs->journal[FP_BON_COUNT];
    uint32_t source = fp_bon_alloc(fs, 1, 1, 0);

    if (count == FP_BON_MOVES)
        fp_bon_fail(fs, FP_ERR_NOSPC);
    if (fs->err)
        return 0;
    fp_put_le32(fp_bon_move(fs, count), row | source << 16);
    fs->journal[FP_BON_COUNT]++;
    return source;
}

void fp_bon_flush(struct fp_bon *fs)
{
    uint32_t row = fs->cached, to = fp_bon_place(fs, row);

    if (row == fs->rows)
        return;
    if (!fp_bon_is_same(fs, to, fs->cache)) {
        if (to == row && fs->map[row] & FP_BON_TREE)
            to = add_move(fs, row);
        fp_bon_put_row(fs, to, fs->cache);
    }
    if (!fs->err)
        fs->cached = fs->rows;
}

/* The row comes to memory, or there is an error. */
static void fetch(struct fp_bon *fs, uint32_t row)
{
    if (fs->cached == row)
        return;
    fp_bon_flush(fs);
    if (fs->err)
        return;
    fp_bon_get(fs, fp_bon_place(fs, row) * FP_BON_ROW, fs->cache, FP_BON_ROW);
    if (!fs->err)
        fs->cached = row;
}

void fp_bon_put(struct fp_bon *fs, uint32_t off, const void *from,
                uint32_t size)
{
    const uint8_t *src = from;

    for (; size > 0; size--, off++) {
        fetch(fs, off / FP_BON_ROW);
        if (fs->err)
            return;
        fs->cache[off % FP_BON_ROW] = src != NULL ? *src++ : 0;
    }
}

void fp_bon_commit(struct fp_bon *fs)
{
    fp_bon_flush(fs);
    if (fs->err || fs->journal[FP_BON_COUNT] == 0)
        return;
    fp_put_le32(fs->journal + FP_BON_START, fs->start);
    fp_bon_compose_journal(fs);
    if (!fs->err)
        apply(fs);
}
