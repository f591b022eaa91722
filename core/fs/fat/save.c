/* SPDX-License-Identifier: MIT
 *
 * A handle's content becomes the file's, by one program: that of the entry,
 * when the chain begins anew or the size changes; or else that of the one link
 * in the table that leads to the handle's own clusters. All else is written
 * before, and what is replaced is freed after. A file that only grows takes two:
 * a chain may be longer than its file, so the link comes first.
 */
#include "core/fs/fat/vol.h"

#define NO_DATE 0x21

/* --- those who have it open --- */

static bool is_at(const struct fp_fat_node *node, uint32_t sector, uint32_t off)
{
    const struct fp_fat_file *f = (const struct fp_fat_file *)node;

    return !node->is_dir && f->sector == sector && f->off == off;
}

/* Other handles of the file see what this one saved. */
static void tell(struct fp_fat *fs, const struct fp_fat_file *f)
{
    for (struct fp_fat_node *node = fs->nodes; node; node = node->next) {
        struct fp_fat_file *other = (struct fp_fat_file *)node;

        if (!is_at(node, f->sector, f->off) || other == f)
            continue;
        if (other->own_count || other->size != other->disk_size)
            node->ended = true;
        other->head = f->head;
        other->size = other->disk_size = f->disk_size;
        other->run_count = 0;
    }
}

void fp_fat_abandon(struct fp_fat *fs, const struct fp_fat_place *place)
{
    uint32_t head = fp_fat_head(place->raw);
    uint32_t size = fp_get_le32(place->raw + FP_FAT_AT_SIZE);
    bool is_dir = fp_fat_is_dir(place->raw), is_held = false;

    for (struct fp_fat_node *node = fs->nodes; node; node = node->next) {
        struct fp_fat_file *f = (struct fp_fat_file *)node;

        if (is_dir && (node->is_dir ? ((struct fp_fat_dir *)node)->at.head
                                    : f->dir) == head) {
            node->ended = true;
        } else if (!is_dir && is_at(node, place->sector, place->off)) {
            f->sector = FP_FAT_NONE;
            f->orphan = is_held = true;
        }
    }
    if (!is_held)
        fp_fat_free(fs, head, is_dir ? fs->last : fp_fat_clusters(fs, size));
}

/* --- in place --- */

/* Does the link of cluster n lie in two sectors of the table? Then it cannot
 * be changed in one step. */
static bool straddles(const struct fp_fat *fs, uint32_t n)
{
    return fs->bits == 12 &&
           ((fp_fat_table_at(fs, n) + 1) & (fp_fat_sector_size(fs) - 1)) == 0;
}

/* What of the file's chain is given up. */
struct rest {
    uint32_t head, count;
    uint32_t link; /* the cluster before, or 0 */
};

static int before(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index,
                  uint32_t *cluster)
{
    uint32_t count = 1;

    return fp_fat_find(fs, f, index - 1, cluster, &count);
}

/* Makes a handle's own clusters such that one step switches to them. */
static int gather(struct fp_fat *fs, struct fp_fat_file *f)
{
    uint32_t have = fp_fat_clusters(fs, f->size), link;
    uint32_t had = fp_fat_clusters(fs, f->disk_size);
    int err = FP_OK;

    if (!f->own_count || f->own_first >= had)
        return FP_OK;
    /* An entry that changes must name all of it, and what is cut off must be
     * cut from what is replaced. */
    if (have < had)
        err = fp_fat_own_cluster(fs, f, have - 1);
    if (!err && f->size != f->disk_size)
        return fp_fat_own_cluster(fs, f, 0);
    while (f->own_first && !err) {
        err = before(fs, f, f->own_first, &link);
        if (err || !straddles(fs, link))
            break;
        err = fp_fat_own_cluster(fs, f, f->own_first - 1);
    }
    return err;
}

static int find_rest(struct fp_fat *fs, struct fp_fat_file *f,
                     struct rest *rest)
{
    uint32_t have = fp_fat_clusters(fs, f->size);
    uint32_t had = fp_fat_clusters(fs, f->disk_size);
    uint32_t first = f->own_count ? f->own_first : have;
    int err = FP_OK;

    *rest = (struct rest){ .head = f->head };
    if (first)
        err = before(fs, f, first, &rest->link);
    if (err || first >= had)
        return err;
    rest->count = had - first;
    if (f->own_count && have > f->own_first + f->own_count)
        rest->count = f->own_count;
    return first ? fp_fat_next(fs, rest->link, &rest->head) : FP_OK;
}

static int save_entry(struct fp_fat *fs, struct fp_fat_file *f, uint32_t head,
                      const int64_t *mtime_ns)
{
    uint8_t *raw;
    int err;

    if (head == f->head && f->size == f->disk_size && !mtime_ns)
        return FP_OK;
    err = fp_fat_edit(fs, f->sector, f->off, &raw);
    if (err)
        return err;
    fp_fat_head_set(raw, head, f->size);
    if (mtime_ns)
        fp_fat_time_set(fs, raw, *mtime_ns);
    return fp_fat_flush_all(fs);
}

/* From here on a failure leaves it open which chain the file has: none is
 * freed. */
static int switch_over(struct fp_fat *fs, struct fp_fat_file *f,
                       const struct rest *rest, const int64_t *mtime_ns)
{
    bool has_own = f->own_count, is_cut;
    uint32_t head = f->size ? f->head : 0;
    int err = FP_OK;

    f->own_count = 0;
    if (has_own && rest->link)
        err = fp_fat_set(fs, rest->link, f->own_head);
    else if (has_own)
        head = f->own_head;
    if (!err)
        err = fp_fat_flush_all(fs);
    if (!err)
        err = save_entry(fs, f, head, mtime_ns);
    if (err) {
        f->node.ended = true;
        return err;
    }
    is_cut = !has_own && rest->count;
    if (!is_cut || !rest->link || !fp_fat_set(fs, rest->link, FP_FAT_EOC))
        fp_fat_free(fs, rest->head, rest->count);
    f->head = head;
    f->disk_size = f->size;
    tell(fs, f);
    return FP_OK;
}

static int save_in_place(struct fp_fat *fs, struct fp_fat_file *f,
                         const int64_t *mtime_ns)
{
    struct rest rest;
    int err = gather(fs, f);

    if (!err)
        err = find_rest(fs, f, &rest);
    if (!err)
        err = fp_fat_flush(fs, &fs->win); /* the last of the content */
    return err ? err : switch_over(fs, f, &rest, mtime_ns);
}

/* --- under its name --- */

void fp_fat_entry_init(struct fp_fat_place *place, uint8_t attr)
{
    place->raw[FP_FAT_AT_ATTR] = attr;
    fp_put_le16(place->raw + 16, NO_DATE); /* of creation */
    fp_put_le16(place->raw + 18, NO_DATE); /* of access */
    fp_put_le16(place->raw + FP_FAT_AT_DATE, NO_DATE);
}

/* The place of the entry that is there, or of a new one. */
static int find_place(struct fp_fat *fs, struct fp_fat_file *f,
                      struct fp_fat_place *place, bool *is_new)
{
    static const uint8_t unknown[7];
    int err = fp_fat_find_name(fs, f->dir, f->name, place);

    *is_new = err == FP_ERR_NOENT;
    if (*is_new) {
        err = fp_fat_room(fs, f->dir, f->name, place);
        fp_fat_entry_init(place, FP_FAT_ARCHIVE);
        return err;
    }
    if (!err && fp_fat_is_dir(place->raw))
        err = FP_ERR_ISDIR;
    if (!err && place->raw[FP_FAT_AT_ATTR] & FP_FAT_READONLY)
        err = FP_ERR_ACCES;
    if (!err && fp_fat_is_moving(place->raw, FP_FAT_ARRIVED))
        err = fp_fat_settle(fs, place, f->dir, unknown);
    return err;
}

static int save_as(struct fp_fat *fs, struct fp_fat_file *f,
                   const int64_t *mtime_ns)
{
    struct fp_fat_place place, old;
    uint8_t *raw;
    bool is_new;
    int err = find_place(fs, f, &place, &is_new);

    if (err)
        return err;
    old = place;
    f->head = f->own_count ? f->own_head : 0;
    f->own_count = 0;
    fp_fat_head_set(place.raw, f->head, f->size);
    if (mtime_ns)
        fp_fat_time_set(fs, place.raw, *mtime_ns);
    if (is_new) {
        err = fp_fat_entry_put(fs, &place);
    } else {
        err = fp_fat_edit(fs, place.sector, place.off, &raw);
        if (!err)
            memcpy(raw, place.raw, FP_FAT_SLOT);
    }
    if (!err)
        err = fp_fat_flush_all(fs);
    if (err) {
        f->node.ended = true;
        return err;
    }
    if (!is_new)
        fp_fat_abandon(fs, &old);
    fp_fat_take(f, &place);
    f->by_name = false;
    f->dir = 0;
    return FP_OK;
}

int fp_fat_save(struct fp_fat *fs, struct fp_fat_file *f,
                const int64_t *mtime_ns)
{
    int err;

    if (f->node.ended)
        return FP_ERR_STALE;
    if (f->orphan)
        return FP_ERR_NOENT;
    if (!f->by_name && !f->own_count && f->size == f->disk_size && !mtime_ns)
        return FP_OK;
    err = fp_fat_begin(fs);
    if (err)
        return err;
    return f->by_name ? save_as(fs, f, mtime_ns)
                      : save_in_place(fs, f, mtime_ns);
}
