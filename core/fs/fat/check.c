/* SPDX-License-Identifier: MIT
 *
 * The check, in slices, and the walk that a repair shares with it (check.h).
 *
 * A pass looks at as many clusters as the bitmap has bits. It walks all
 * directories and chains and marks those clusters of theirs that are among
 * them; then it goes through the table, where what is taken but not marked is
 * lost. A volume with more clusters takes more passes.
 *
 * The walk keeps no stack. On the way down a directory's ".." must name its
 * parent; so it leads back up, where the entry that was left is looked for. A
 * count of the directories entered ends what goes in circles.
 */
#include "core/fs/fat/check.h"

#define SLICE 256u /* clusters or entries looked at in one slice */

_Static_assert(sizeof(struct fp_fat_check) <=
                   sizeof(((struct fp_step *)0)->state),
               "struct fp_step is too small for FAT's check");

static void find(struct fp_step *step, enum fp_finding_level level,
                 uint32_t sector, const char *text)
{
    if (level == FP_FINDING_ERROR)
        step->errors++;
    else if (level == FP_FINDING_WARNING)
        step->warnings++;
    else
        step->pending++;
    if (step->on_finding)
        step->on_finding(step->ctx, level, sector, text);
}

static uint32_t bits_of(const struct fp_fat *fs)
{
    return fs->layout.bitmap * 8;
}

/* Marks a cluster; false: it was, or it is none. */
static bool mark(struct fp_fat *fs, const struct fp_fat_check *c, uint32_t n)
{
    uint32_t at = n - c->window;
    uint8_t bit = (uint8_t)(1u << (at & 7));

    if (!fp_fat_is_cluster(fs, n))
        return false;
    if (at >= bits_of(fs))
        return true;
    if (fs->bitmap[at / 8] & bit)
        return false;
    fs->bitmap[at / 8] |= bit;
    return true;
}

static bool is_marked(const struct fp_fat *fs, const struct fp_fat_check *c,
                      uint32_t n)
{
    uint32_t at = n - c->window;

    return fs->bitmap[at / 8] >> (at & 7) & 1;
}

/* --- the walk --- */

/* Follows a chain from the next slice of work on. A head that is none still is
 * to be complained about. */
static void start_chain(const struct fp_fat *fs, struct fp_fat_check *c,
                        uint32_t head, bool is_dir, uint32_t size)
{
    c->cluster = head ? head : 1;
    c->is_dir = is_dir;
    c->left = is_dir ? (FP_FAT_SLOTS_MAX * FP_FAT_SLOT) >> fs->cluster_shift
                     : fp_fat_clusters(fs, size);
}

static void start_pass(struct fp_fat *fs, struct fp_fat_check *c)
{
    memset(fs->bitmap, 0, fp_fat_min(fs->layout.bitmap, fs->last / 8 + 1));
    c->changes = fs->changes;
    c->dirs = 0;
    c->cluster = 0;
    c->phase = FP_FAT_WALK;
    c->table = c->window;
    c->enter = 0;
    fp_fat_cursor_start(&c->at, fs->root_cluster);
    if (fs->root_cluster)
        start_chain(fs, c, fs->root_cluster, true, 0);
}

/* One more cluster of the chain that is being followed. */
static void follow(struct fp_fat *fs, struct fp_step *step,
                   struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    uint32_t n = c->cluster, next;

    c->cluster = 0;
    if (!mark(fs, c, n)) {
        find(step, FP_FINDING_ERROR, c->sector,
             "a chain leads into another, or outside the volume");
        c->enter = 0;
        return;
    }
    next = fp_fat_get(fs, n);
    c->left--;
    if (next > FP_FAT_BAD) {
        if (c->left && !c->is_dir)
            find(step, FP_FINDING_ERROR, c->sector,
                 "a file's chain is shorter than the file");
    } else if (c->left) {
        c->cluster = next ? next : 1; /* which is none */
    } else if (c->is_dir) {
        find(step, FP_FINDING_ERROR, c->sector, "a directory has no end");
    } else {
        find(step, FP_FINDING_PENDING, c->sector,
             "a file's chain is longer than the file");
        if (fix)
            fix(fs, FP_FAT_FIX_END, n, 0, NULL);
    }
}

/* What ".." of the directory at `head` names. */
static uint32_t parent_of(struct fp_fat *fs, uint32_t head)
{
    const uint8_t *raw =
        fp_fat_show(fs, fp_fat_sector_of(fs, head)) + FP_FAT_SLOT;
    uint32_t parent = fp_fat_head(raw);

    if (memcmp(raw, "..         ", 11) != 0)
        return FP_FAT_NONE;
    return parent ? parent : fs->root_cluster;
}

static void look_at_dir(struct fp_fat *fs, struct fp_step *step,
                        struct fp_fat_check *c,
                        const struct fp_fat_place *place, fp_fat_fix_fn fix)
{
    uint32_t head = fp_fat_head(place->raw);

    if (!fp_fat_is_cluster(fs, head))
        return; /* who follows it says so */
    if (parent_of(fs, head) != c->at.head && !fs->err) {
        find(step, FP_FINDING_WARNING, place->sector,
             "a directory's \"..\" is not its parent");
        if (!fix)
            return; /* there would be no way back */
        fix(fs, FP_FAT_FIX_PARENT, head, c->at.head, NULL);
    }
    c->enter = head;
}

/* Back to the entry of the directory that was walked. */
static void climb(struct fp_fat *fs, struct fp_fat_check *c)
{
    uint32_t child = c->at.head;
    struct fp_fat_place place;

    fp_fat_cursor_start(&c->at, parent_of(fs, child));
    while (fp_fat_entry(fs, &c->at, &place))
        if (fp_fat_is_dir(place.raw) && fp_fat_head(place.raw) == child)
            return;
    fp_fat_fail(fs, FP_ERR_CORRUPT);
}

static void look_at(struct fp_fat *fs, struct fp_step *step,
                    struct fp_fat_check *c, struct fp_fat_place *place,
                    fp_fat_fix_fn fix)
{
    uint32_t size = fp_fat_size(place->raw);
    bool is_dir = fp_fat_is_dir(place->raw);
    bool has_moved = place->raw[FP_FAT_AT_CASE] & FP_FAT_ARRIVED;

    c->sector = place->sector;
    if (is_dir || size)
        start_chain(fs, c, fp_fat_head(place->raw), is_dir, size);
    else if (fp_fat_head(place->raw))
        find(step, FP_FINDING_PENDING, place->sector,
             "an empty file has clusters");
    if (has_moved) {
        find(step, FP_FINDING_PENDING, place->sector,
             "an entry was being moved");
        if (fix)
            fix(fs, FP_FAT_FIX_MOVE, 0, 0, place);
    }
    /* The ".." of one that was being moved may not be right yet: what is below
     * it is left for a repair. */
    if (is_dir && (fix || !has_moved))
        look_at_dir(fs, step, c, place, fix);
}

/* The next entry, or whatever comes after the last. */
static void walk(struct fp_fat *fs, struct fp_step *step,
                 struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    struct fp_fat_place place;

    if (c->enter) {
        fp_fat_cursor_start(&c->at, c->enter);
        c->enter = 0;
        if (++c->dirs > fs->last)
            fp_fat_fail(fs, FP_ERR_CORRUPT);
    }
    if (fp_fat_entry(fs, &c->at, &place))
        look_at(fs, step, c, &place, fix);
    else if (!fs->err && c->at.head != fs->root_cluster)
        climb(fs, c);
    else
        c->phase = FP_FAT_OPEN;
}

/* --- the table --- */

static void mark_chain(struct fp_fat *fs, const struct fp_fat_check *c,
                       uint32_t n, uint32_t count)
{
    for (; count && fp_fat_is_cluster(fs, n); count--) {
        (void)mark(fs, c, n);
        n = fp_fat_get(fs, n);
    }
}

/* Files that are open have clusters that no entry knows. */
static void mark_open(struct fp_fat *fs, struct fp_fat_check *c)
{
    for (struct fp_fat_node *node = fs->nodes; node; node = node->next) {
        const struct fp_fat_file *f = (const struct fp_fat_file *)node;

        if (node->is_dir)
            continue;
        mark_chain(fs, c, f->own.head, f->own.count);
        if (node->sector == FP_FAT_ORPHAN)
            mark_chain(fs, c, f->head, fp_fat_clusters(fs, f->disk_size));
    }
    c->phase = FP_FAT_TABLE;
}

static void look_at_cluster(struct fp_fat *fs, struct fp_step *step,
                            struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    uint32_t n = c->table++, value;

    if (n > fs->last || n - c->window >= bits_of(fs)) {
        c->window += bits_of(fs);
        c->phase = c->window <= fs->last ? FP_FAT_START : FP_FAT_COPIES;
        c->table = 0;
        return;
    }
    value = fp_fat_get(fs, n);
    c->free += !value;
    if (fs->err || !value || value == FP_FAT_BAD || is_marked(fs, c, n))
        return;
    find(step, FP_FINDING_PENDING, fp_fat_sector_of(fs, n),
         "a cluster is lost");
    /* Where something is wrong it may be all that is left of a file. */
    if (!fix || step->errors)
        return;
    c->free++;
    fix(fs, FP_FAT_FIX_LOST, n, 0, NULL);
}

/* A sector of the table in all copies. */
static void compare_copies(struct fp_fat *fs, struct fp_step *step,
                           struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    uint32_t sector = fs->fat_start + c->table;

    if (fs->fat_count < 2 || c->table >= fs->fat_sectors) {
        c->phase = FP_FAT_COUNT;
        return;
    }
    c->table++;
    fp_fat_load(fs, &fs->fat, sector);
    fp_fat_show(fs, sector + fs->fat_sectors);
    if (fs->err || !memcmp(fs->fat.buf, fs->win.buf, fs->sector_size))
        return;
    find(step, FP_FINDING_PENDING, sector, "the tables differ");
    if (fix)
        fix(fs, FP_FAT_FIX_COPY, 0, 0, NULL);
}

static void compare_count(struct fp_fat *fs, struct fp_step *step,
                          struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    if (fp_fat_is_counted(fs) && fs->free != c->free)
        find(step, FP_FINDING_WARNING, fs->info,
             "the count of free clusters is wrong");
    if (fs->dirty)
        find(step, FP_FINDING_PENDING, 0, "the volume was not unmounted");
    step->done = true;
    if (fix)
        fix(fs, FP_FAT_FIX_COUNT, c->free, step->errors, NULL);
}

int fp_fat_check(struct fp_fat *fs, struct fp_step *step, fp_fat_fix_fn fix)
{
    struct fp_fat_check *c = (struct fp_fat_check *)(void *)step->state;

    /* If somebody wrote, what was marked may not be so any more. */
    if (c->phase != FP_FAT_START && c->changes != fs->changes)
        *c = (struct fp_fat_check){ .window = 0 };
    if (!c->window)
        c->window = 2;
    for (uint32_t i = 0; i < SLICE && !fs->err && !step->done; i++) {
        if (c->phase == FP_FAT_START)
            start_pass(fs, c);
        else if (c->cluster)
            follow(fs, step, c, fix);
        else if (c->phase == FP_FAT_WALK)
            walk(fs, step, c, fix);
        else if (c->phase == FP_FAT_OPEN)
            mark_open(fs, c);
        else if (c->phase == FP_FAT_TABLE)
            look_at_cluster(fs, step, c, fix);
        else if (c->phase == FP_FAT_COPIES)
            compare_copies(fs, step, c, fix);
        else
            compare_count(fs, step, c, fix);
    }
    c->changes = fs->changes;
    step->progress = fp_fat_min(c->window, fs->last);
    step->total = fs->last;
    if (fs->err != FP_ERR_CORRUPT) {
        if (fs->err) /* what was marked is not all: once more from the start */
            *c = (struct fp_fat_check){ .window = 0 };
        return fs->err;
    }
    find(step, FP_FINDING_ERROR, c->sector,
         "directories or chains contradict each other");
    step->done = true;
    return FP_OK;
}

int fp_fat_step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    return fp_fat_check(fp_fat_enter(mnt), step, NULL);
}
