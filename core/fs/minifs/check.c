/* SPDX-License-Identifier: MIT
 *
 * Check: an entry a slice, each held against all before it; then the blocks,
 * some a slice, for metadata besides.
 */
#include "core/fs/minifs/mini.h"

#define BLOCKS_A_SLICE 64u

static void say(struct fp_step *step, enum fp_finding_level level,
                uint32_t block, const char *text)
{
    if (level == FP_FINDING_ERROR)
        step->errors++;
    else if (level == FP_FINDING_WARNING)
        step->warnings++;
    else
        step->pending++;
    if (step->on_finding != NULL)
        step->on_finding(step->ctx, level, block, text);
}

/* The name ends with its first 0xff and has no NUL. */
static void check_name(const struct fp_mini *fs, const uint8_t *entry,
                       struct fp_step *step)
{
    bool has_ended = false;

    if (entry[0] == 0xff)
        say(step, FP_FINDING_ERROR, fs->block, "an entry has no name");
    if (entry[0] == '.' && entry[entry[1] == '.' ? 2 : 1] == 0xff)
        say(step, FP_FINDING_WARNING, fs->block,
            "a name is \".\" or \"..\", which no path leads to");
    for (uint32_t i = 0; i < FP_MINI_NAME; i++) {
        if (has_ended && entry[i] != 0xff) {
            say(step, FP_FINDING_WARNING, fs->block,
                "bytes behind the end of a name are not erased");
            return;
        }
        has_ended |= entry[i] == 0xff;
        if (entry[i] == '\0')
            say(step, FP_FINDING_WARNING, fs->block, "a name has a NUL");
    }
}

static void check_entry(const struct fp_mini *fs, uint32_t index,
                        struct fp_step *step)
{
    const uint8_t *entry = fp_mini_entry(fs, index);
    uint32_t block = fp_mini_block(fs, entry);

    check_name(fs, entry, step);
    if (fp_mini_size(fs, entry) > fs->block_size)
        say(step, FP_FINDING_ERROR, fs->block,
            "a file is larger than its block");
    if (block >= fs->block_count)
        say(step, FP_FINDING_ERROR, fs->block,
            "a file's block lies behind the end of the volume");
    if (block == fs->block)
        say(step, FP_FINDING_ERROR, block, "a file's block is the metadata");
    for (uint32_t i = 0; i < index; i++) {
        const uint8_t *other = fp_mini_entry(fs, i);

        if (fp_mini_block(fs, other) == block)
            say(step, FP_FINDING_ERROR, block, "two files have this block");
        if (memcmp(other, entry, FP_MINI_NAME) == 0)
            say(step, FP_FINDING_ERROR, fs->block, "a name is there twice");
    }
}

static void check_behind(const struct fp_mini *fs, struct fp_step *step)
{
    uint32_t at = FP_MINI_SECTION * (fp_mini_count(fs) + 1);

    while (at < fs->block_size && fs->meta[at] == 0xff)
        at++;
    if (at < fs->block_size)
        say(step, FP_FINDING_WARNING, fs->block,
            "bytes behind the last entry are not erased");
}

static int check_blocks(const struct fp_mini *fs, struct fp_step *step,
                        uint32_t from)
{
    for (uint32_t i = 0; i < BLOCKS_A_SLICE; i++) {
        uint32_t block = from + i;
        int marked;

        if (block >= fs->block_count)
            break;
        marked = fp_mini_is_marked(fs, block);
        if (marked < 0)
            return marked;
        if (marked > 0 && block != fs->block)
            say(step, FP_FINDING_PENDING, block,
                "a power cut left this metadata besides that which counts");
    }
    return FP_OK;
}

int fp_mini_check(struct fp_mini *fs, struct fp_step *step)
{
    uint32_t at = step->progress;
    int err = fp_mini_look(fs);

    if (err)
        return err;
    step->total = fp_mini_count(fs) + fs->block_count;
    if (at < fp_mini_count(fs)) {
        check_entry(fs, at, step);
        step->progress++;
    } else {
        if (at == fp_mini_count(fs))
            check_behind(fs, step);
        err = check_blocks(fs, step, at - fp_mini_count(fs));
        step->progress += BLOCKS_A_SLICE;
    }
    if (step->progress < step->total)
        return err;
    step->progress = step->total;
    step->done = true;
    return err;
}

int fp_mini_step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    return fp_mini_check(fp_mini_of(mnt), step);
}
