/* SPDX-License-Identifier: MIT
 *
 * stat and listings. An open directory stands at a pair and an id and is
 * moved along when the directory changes (fp_lfs_node).
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

_Static_assert(sizeof(struct fp_lfs_dir) <= FP_DIR_STATE,
               "FP_DIR_STATE is too small for littlefs");

static struct fp_lfs_dir *dir_of(struct fp_dir *dir)
{
    return (struct fp_lfs_dir *)(void *)dir->state;
}

void fp_lfs_node_add(struct fp_lfs *fs, struct fp_lfs_node *node)
{
    if (FP_READONLY)
        return; /* nothing moves */
    node->next = fs->nodes;
    fs->nodes = node;
}

void fp_lfs_node_del(struct fp_lfs *fs, struct fp_lfs_node *node)
{
    for (struct fp_lfs_node **p = &fs->nodes; !FP_READONLY && *p;
         p = &(*p)->next)
        if (*p == node) {
            *p = node->next;
            return;
        }
}

int fp_lfs_stat_ent(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    struct fp_stat *st)
{
    fp_lfs_rec rec = m->ents[id].strct;
    uint32_t list[2];
    int err;

    if (fp_lfs_rec_kind(m->ents[id].name) != FP_LFS_FILE) {
        st->type = FP_TYPE_DIR;
    } else {
        st->type = FP_TYPE_FILE;
        st->size = fp_lfs_rec_len(rec);
        if (fp_lfs_rec_kind(rec) == FP_LFS_CTZ) {
            err = fp_lfs_ent_pair(fs, m, id, list);
            if (err)
                return err;
            st->size = list[1];
        }
    }
    return FP_LFS_EXTRAS ? fp_lfs_mtime(fs, m, id, st) : FP_OK;
}

int fp_lfs_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    uint32_t id;
    int err = fp_lfs_find(fs, path, &m, &id);

    return err ? err : fp_lfs_stat_ent(fs, m, id, st);
}

int fp_lfs_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_dir *d = dir_of(dir);
    struct fp_lfs_place place;
    int err = fp_lfs_lookup(fs, path, false, &place);

    if (err)
        return err;
    if (!FP_READONLY)
        d->node.what = FP_LFS_NODE_DIR;
    err = fp_lfs_enter(fs, &place, d->node.pair);
    if (err)
        return err;
    fp_lfs_node_add(fs, &d->node);
    return FP_OK;
}

static int take(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                struct fp_dirent *entry)
{
    fp_lfs_rec rec = m->ents[id].name;
    int err;

    entry->name_len = (uint16_t)fp_lfs_rec_len(rec);
    err = fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(rec), entry->name,
                      entry->name_len);
    if (err)
        return err;
    entry->name[entry->name_len] = 0;
    return fp_lfs_stat_ent(fs, m, id, &entry->st);
}

int fp_lfs_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_lfs *fs = fp_lfs_of(dir->mnt);
    struct fp_lfs_dir *d = dir_of(dir);

    while (!d->node.ended) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, d->node.pair, &m);

        if (err)
            return err;
        while (d->node.id < m->count) {
            uint32_t id = d->node.id++;

            if (!fp_lfs_ent_visible(fs, m, id))
                continue;
            err = take(fs, m, id, entry);
            return err ? err : 1;
        }
        if (!m->hard) {
            d->node.ended = true;
        } else if (d->hops++ > fs->block_count) {
            return FP_ERR_CORRUPT;
        } else {
            fp_lfs_pair_set(d->node.pair, m->tail[0], m->tail[1]);
            d->node.id = 0;
        }
    }
    return 0;
}

int fp_lfs_closedir(struct fp_dir *dir)
{
    fp_lfs_node_del(fp_lfs_of(dir->mnt), &dir_of(dir)->node);
    return FP_OK;
}
