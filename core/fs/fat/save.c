/* SPDX-License-Identifier: MIT
 *
 * A handle's content becomes the file's, by one program: that of the entry,
 * when the chain begins anew or the size changes; or else that of the one link
 * in the table that leads to the handle's own clusters. All else is written
 * before, and what is replaced is freed after. A file that only grows takes two:
 * a chain may be longer than its file, so the link comes first.
 */
#include "core/fs/fat/vol.h"

/* --- those who have it open --- */

/* Other handles of the file see what this one saved. */
static void tell(struct fp_fat *fs, struct fp_file *file)
{
    struct fp_fat_file *f = fp_fat_file_of(file), *other;
    struct fp_fat_node *node = NULL;

    while ((node = fp_fat_node_at(fs, node, f->node.sector, f->node.off))) {
        struct fp_file *theirs = fp_fat_handle(node);

        if (theirs == file)
            continue;
        other = fp_fat_file_of(theirs);
        if (other->own.count || theirs->size != other->disk_size)
            node->ended = true;
        other->head = f->head;
        theirs->size = other->disk_size = f->disk_size;
        fp_fat_forget(theirs, 0);
    }
}

void fp_fat_abandon(struct fp_fat *fs, const struct fp_fat_place *place,
                    uint32_t head)
{
    bool is_dir = fp_fat_is_dir(place->raw), is_held = false;
    uint32_t sector = is_dir ? FP_FAT_NONE : place->sector;
    uint32_t off = is_dir ? head : place->off;
    struct fp_fat_node *node = NULL;

    while ((node = fp_fat_node_at(fs, node, sector, off))) {
        if (is_dir) {
            node->ended = true;
            continue;
        }
        node->sector = FP_FAT_ORPHAN;
        node->off = head;
        is_held = true;
    }
    if (!is_held)
        fp_fat_free(fs, head, FP_FAT_NONE);
}

/* --- saving --- */

/* Does the link of cluster n lie in two sectors of the table, as some of FAT12
 * do? Then it cannot be changed in one step. */
static bool straddles(const struct fp_fat *fs, uint32_t n)
{
    return ((fp_fat_table_at(fs, n) + 1) & (fs->sector_size - 1)) == 0;
}

/* Makes a handle's own clusters such that one step switches to them. */
static void gather(struct fp_fat *fs, struct fp_file *file, uint32_t have)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (!f->own.count || f->own.first >= fp_fat_clusters(fs, f->disk_size))
        return;
    /* An entry that changes must name all of it, and what is cut off must be
     * cut from what is replaced. */
    if (file->size != f->disk_size) {
        fp_fat_own_cluster(fs, file, have - 1);
        fp_fat_own_cluster(fs, file, 0);
    }
    while (!fs->err && f->own.first &&
           straddles(fs, fp_fat_cluster(fs, file, f->own.first - 1)))
        fp_fat_own_cluster(fs, file, f->own.first - 1);
}

void fp_fat_check_file(struct fp_fat *fs, struct fp_fat_place *place,
                       bool writes)
{
    if (fp_fat_is_dir(place->raw))
        fp_fat_fail(fs, FP_ERR_ISDIR);
    if (!writes)
        return;
    if (place->raw[FP_FAT_AT_ATTR] & FP_FAT_READONLY)
        fp_fat_fail(fs, FP_ERR_ACCES);
    fp_fat_settle_old(fs, place);
}

/* Finds the entry of a handle's file, or makes one, of which nothing is there
 * yet. */
static void find_entry(struct fp_fat *fs, struct fp_file *file,
                       struct fp_fat_place *place)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    place->sector = f->node.sector;
    place->off = f->node.off;
    place->name = f->name;
    place->dir = place->off;
    if (place->sector != FP_FAT_NONE) {
        memcpy(place->raw, fp_fat_show(fs, place->sector) + place->off,
               FP_FAT_SLOT);
    } else if (fp_fat_find_name(fs, place)) {
        fp_fat_check_file(fs, place, true);
    } else {
        fp_fat_room(fs, place);
        fp_fat_entry_init(place->raw, FP_FAT_ARCHIVE, 0);
        return;
    }
    place->slots = 1; /* it changes where it is */
}

/* From where it first changes something that counts, a failure leaves it open
 * which chain the file has: neither is freed then. */
static void save(struct fp_fat *fs, struct fp_file *file,
                 const int64_t *mtime_ns)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    uint32_t size = file->size, have = fp_fat_clusters(fs, size);
    uint32_t link = 0, rest = 0;
    struct fp_fat_stretch own;
    struct fp_fat_place place;
    bool by_entry;

    gather(fs, file, have);
    if (!f->own.count)
        f->own.first = have;
    own = f->own;
    if (own.first + own.count == have) /* what follows is cut off */
        own.count = FP_FAT_NONE;
    if (own.first) {
        link = fp_fat_cluster(fs, file, own.first - 1);
        rest = fp_fat_get(fs, link);
    }
    fp_fat_flush(fs, &fs->win); /* the last of the content */
    by_entry = !link || size != f->disk_size || mtime_ns;
    if (by_entry)
        find_entry(fs, file, &place);
    if (fs->err)
        return;
    memset(&f->own, 0, sizeof f->own);
    f->node.ended = true;
    if (!link) {
        rest = fp_fat_head(place.raw);
        f->head = own.head;
    } else if (own.head) {
        fp_fat_set(fs, link, own.head);
    }
    if (by_entry) {
        fp_fat_head_set(place.raw, f->head, size);
        if (mtime_ns)
            fp_fat_time_set(fs, place.raw, *mtime_ns);
        fp_fat_entry_put(fs, &place);
    }
    fp_fat_flush_all(fs);
    if (fs->err)
        return;
    f->node.ended = false;
    if (link && !own.head)
        fp_fat_set(fs, link, FP_FAT_EOC);
    if (f->node.sector == FP_FAT_NONE) {
        fp_fat_abandon(fs, &place, rest);
        f->node.sector = place.sector;
        f->node.off = place.off;
    } else {
        fp_fat_free(fs, rest, own.count);
    }
    f->disk_size = size;
    tell(fs, file);
}

void fp_fat_save(struct fp_fat *fs, struct fp_file *file,
                 const int64_t *mtime_ns)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (f->node.ended)
        fp_fat_fail(fs, FP_ERR_STALE);
    if (f->node.sector == FP_FAT_ORPHAN)
        fp_fat_fail(fs, FP_ERR_NOENT);
    if (fs->err || (f->node.sector != FP_FAT_NONE && !f->own.count &&
                    file->size == f->disk_size && !mtime_ns))
        return;
    fp_fat_begin(fs);
    save(fs, file, mtime_ns);
}
