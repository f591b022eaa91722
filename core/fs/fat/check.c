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
    return fs->bitmap_size * 8;
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
    memset(fs->bitmap, 0, fs->bitmap_size);
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
static int follow(struct fp_fat *fs, struct fp_step *step,
                  struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    uint32_t n = c->cluster, next;
    int err;

    c->cluster = 0;
    if (!mark(fs, c, n)) {
        find(step, FP_FINDING_ERROR, c->sector,
             "a chain leads into another, or outside the volume");
        c->enter = 0;
        return FP_OK;
    }
    err = fp_fat_get(fs, n, &next);
    if (err)
        return err;
    c->left--;
    if (next > FP_FAT_BAD) {
        if (c->left && !c->is_dir)
            find(step, FP_FINDING_ERROR, c->sector,
                 "a file's chain is shorter than the file");
    } else if (c->left) {
        c->cluster = next ? next : 1;
    } else if (c->is_dir) {
        find(step, FP_FINDING_ERROR, c->sector, "a directory has no end");
    } else {
        find(step, FP_FINDING_PENDING, c->sector,
             "a file's chain is longer than the file");
        return fix ? fix(fs, FP_FAT_FIX_END, n, 0, NULL) : FP_OK;
    }
    return FP_OK;
}

static void look_at_file(struct fp_fat *fs, struct fp_step *step,
                         struct fp_fat_check *c,
                         const struct fp_fat_place *place)
{
    uint32_t size = fp_get_le32(place->raw + FP_FAT_AT_SIZE);

    if (size)
        start_chain(fs, c, fp_fat_head(place->raw), false, size);
    else if (fp_fat_head(place->raw))
        find(step, FP_FINDING_PENDING, place->sector,
             "an empty file has clusters");
}

/* What ".." of the directory at `head` names. */
static int parent_of(struct fp_fat *fs, uint32_t head, uint32_t *parent)
{
    uint8_t *raw;
    int err = fp_fat_load(fs, &fs->win, fp_fat_sector_of(fs, head));

    if (err)
        return err;
    raw = fs->win.buf + FP_FAT_SLOT;
    *parent = memcmp(raw, "..         ", 11) ? FP_FAT_NONE : fp_fat_head(raw);
    if (!*parent)
        *parent = fs->root_cluster;
    return FP_OK;
}

static int look_at_dir(struct fp_fat *fs, struct fp_step *step,
                       struct fp_fat_check *c, const struct fp_fat_place *place,
                       fp_fat_fix_fn fix)
{
    uint32_t head = fp_fat_head(place->raw), parent = FP_FAT_NONE;
    int err = FP_OK;

    start_chain(fs, c, head, true, 0);
    if (fp_fat_is_cluster(fs, head))
        err = parent_of(fs, head, &parent);
    if (err)
        return err;
    if (parent != c->at.head) {
        find(step, FP_FINDING_WARNING, place->sector,
             "a directory's \"..\" is not its parent");
        if (!fix || !fp_fat_is_cluster(fs, head))
            return FP_OK; /* there would be no way back */
        err = fix(fs, FP_FAT_FIX_PARENT, head, c->at.head, NULL);
    }
    c->enter = head;
    return err;
}

/* Back to the entry of the directory that was walked. */
static int climb(struct fp_fat *fs, struct fp_fat_check *c)
{
    uint32_t child = c->at.head, parent;
    struct fp_fat_place place;
    int got = parent_of(fs, child, &parent);

    if (got)
        return got;
    fp_fat_cursor_start(&c->at, parent);
    while ((got = fp_fat_entry(fs, &c->at, &place)) == 1)
        if (fp_fat_is_dir(place.raw) && fp_fat_head(place.raw) == child)
            return FP_OK;
    return got ? got : FP_ERR_CORRUPT;
}

/* Follows the chain of a directory, and does not enter it. */
static int skip(const struct fp_fat *fs, struct fp_fat_check *c,
                const struct fp_fat_place *place)
{
    start_chain(fs, c, fp_fat_head(place->raw), fp_fat_is_dir(place->raw),
                fp_get_le32(place->raw + FP_FAT_AT_SIZE));
    if (!c->left)
        c->cluster = 0;
    return FP_OK;
}

/* The next entry, or whatever comes after the last. */
static int walk(struct fp_fat *fs, struct fp_step *step, struct fp_fat_check *c,
                fp_fat_fix_fn fix)
{
    struct fp_fat_place place;
    int got;

    if (c->enter) {
        fp_fat_cursor_start(&c->at, c->enter);
        c->enter = 0;
        if (++c->dirs > fs->last)
            return FP_ERR_CORRUPT;
    }
    got = fp_fat_entry(fs, &c->at, &place);
    if (got < 0)
        return got;
    if (got == 0 && c->at.head != fs->root_cluster)
        return climb(fs, c);
    if (got == 0) {
        c->phase = FP_FAT_OPEN;
        return FP_OK;
    }
    c->sector = place.sector;
    if (fp_fat_is_moving(place.raw, FP_FAT_ARRIVED)) {
        find(step, FP_FINDING_PENDING, place.sector,
             "an entry was being moved");
        got = fix ? fix(fs, FP_FAT_FIX_MOVE, 0, c->at.head, &place) : FP_OK;
        /* Its ".." may not be right yet: what is below is left for a repair. */
        if (got < 0 || !fix)
            return got < 0 ? got : skip(fs, c, &place);
    }
    if (fp_fat_is_dir(place.raw))
        return look_at_dir(fs, step, c, &place, fix);
    look_at_file(fs, step, c, &place);
    return FP_OK;
}

/* --- the table --- */

/* Files that are open have clusters that no entry knows. */
static int mark_open(struct fp_fat *fs, struct fp_fat_check *c)
{
    for (struct fp_fat_node *node = fs->nodes; node; node = node->next) {
        const struct fp_fat_file *f = (const struct fp_fat_file *)node;
        uint32_t n, left;

        for (int own = 0; own < 2 && !node->is_dir; own++) {
            n = own ? f->own_head : f->head;
            left = own         ? f->own_count
                   : f->orphan ? fp_fat_clusters(fs, f->disk_size)
                               : 0;
            for (; left && fp_fat_is_cluster(fs, n); left--) {
                int err;

                (void)mark(fs, c, n);
                err = fp_fat_get(fs, n, &n);
                if (err)
                    return err;
            }
        }
    }
    c->phase = FP_FAT_TABLE;
    return FP_OK;
}

static int look_at_cluster(struct fp_fat *fs, struct fp_step *step,
                           struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    uint32_t n = c->table++, value;
    int err;

    if (n > fs->last || n - c->window >= bits_of(fs)) {
        c->window += bits_of(fs);
        c->phase = c->window <= fs->last ? FP_FAT_START : FP_FAT_COPIES;
        c->table = 0;
        return FP_OK;
    }
    err = fp_fat_get(fs, n, &value);
    c->free += !value;
    if (err || !value || value == FP_FAT_BAD || is_marked(fs, c, n))
        return err;
    find(step, FP_FINDING_PENDING, fp_fat_sector_of(fs, n),
         "a cluster is lost");
    /* Where something is wrong it may be all that is left of a file. */
    if (!fix || step->errors)
        return FP_OK;
    c->free++;
    return fix(fs, FP_FAT_FIX_LOST, n, 0, NULL);
}

/* A sector of the table in all copies. */
static int compare_copies(struct fp_fat *fs, struct fp_step *step,
                          struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    uint32_t sector = fs->fat_start + c->table;
    uint8_t *p;
    int err;

    if (fs->fat_count < 2 || c->table >= fs->fat_sectors) {
        c->phase = FP_FAT_COUNT;
        return FP_OK;
    }
    err = fp_fat_table_byte(fs, c->table << fs->sector_shift, &p);
    if (!err)
        err = fp_fat_load(fs, &fs->win, sector + fs->fat_sectors);
    c->table++;
    if (err || !memcmp(p, fs->win.buf, fp_fat_sector_size(fs)))
        return err;
    find(step, FP_FINDING_PENDING, sector, "the tables differ");
    return fix ? fix(fs, FP_FAT_FIX_COPY, 0, 0, NULL) : FP_OK;
}

static int compare_count(struct fp_fat *fs, struct fp_step *step,
                         struct fp_fat_check *c, fp_fat_fix_fn fix)
{
    if (fp_fat_is_counted(fs) && fs->free != c->free)
        find(step, FP_FINDING_WARNING, fs->info,
             "the count of free clusters is wrong");
    if (fs->dirty)
        find(step, FP_FINDING_PENDING, 0, "the volume was not unmounted");
    step->done = true;
    return fix ? fix(fs, FP_FAT_FIX_COUNT, c->free, step->errors, NULL) : FP_OK;
}

int fp_fat_check(struct fp_fat *fs, struct fp_step *step, fp_fat_fix_fn fix)
{
    struct fp_fat_check *c = (struct fp_fat_check *)(void *)step->state;
    int err = FP_OK;

    if (!c->window)
        c->window = 2;
    if (c->phase != FP_FAT_START && c->changes != fs->changes) {
        /* Somebody wrote: what was marked may not be so any more. */
        *c = (struct fp_fat_check){ .window = 2 };
    }
    for (uint32_t i = 0; i < SLICE && !err && !step->done; i++) {
        if (c->phase == FP_FAT_START)
            start_pass(fs, c);
        else if (c->cluster)
            err = follow(fs, step, c, fix);
        else if (c->phase == FP_FAT_WALK)
            err = walk(fs, step, c, fix);
        else if (c->phase == FP_FAT_OPEN)
            err = mark_open(fs, c);
        else if (c->phase == FP_FAT_TABLE)
            err = look_at_cluster(fs, step, c, fix);
        else if (c->phase == FP_FAT_COPIES)
            err = compare_copies(fs, step, c, fix);
        else
            err = compare_count(fs, step, c, fix);
    }
    c->changes = fs->changes;
    step->progress = fp_fat_min(c->window, fs->last);
    step->total = fs->last;
    if (err != FP_ERR_CORRUPT)
        return err;
    find(step, FP_FINDING_ERROR, c->sector,
         "directories or chains contradict each other");
    step->done = true;
    return FP_OK;
}

int fp_fat_step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    return fp_fat_check(fp_fat_of(mnt), step, NULL);
}
