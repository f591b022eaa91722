/* SPDX-License-Identifier: MIT
 *
 * Which options a SPIFFS has, where its place, its blocks and its pages are
 * known. The driver's probe says, for lengths of names that it tries; where
 * files cannot be read with that, others are tried, and the layout is the
 * better, the more files can be read with it.
 */
#include "core/host/scan/pass.h"

#include <stdlib.h>
#include <string.h>

#define FILES_TRIED 256u

/* Options that the driver's probe does not come upon by itself. */
static const char *const longer[] = {
    "name_len=64,meta_len=64,magic_length=0",
    "name_len=64,meta_len=64",
    "name_len=64,magic_length=0",
    "name_len=64",
    "name_len=64,meta_len=4",
    "meta_len=64",
    "meta_len=64,magic_length=0",
    "name_len=128",
    "name_len=128,meta_len=4",
};

/* Tells whether the first byte of each file can be read. */
static int try_files(struct fp_mount *mnt, void *ctx)
{
    struct fp_host_scan_reads *reads = ctx;
    struct fp_dirent *entry = malloc(sizeof *entry);
    char path[FP_NAME_MAX + 2] = "/", byte;
    struct fp_dir dir;
    struct fp_file file;
    int err = entry ? fp_fs_opendir(mnt, &dir, "/") : FP_ERR_NOMEM;
    uint32_t tried = 0;

    if (err)
        goto out;
    while (tried++ < FILES_TRIED && fp_fs_readdir(&dir, entry) > 0) {
        if (entry->st.size == 0 || entry->st.type != FP_TYPE_FILE)
            continue;
        memcpy(path + 1, entry->name, entry->name_len + 1u);
        err = fp_fs_open(mnt, &file, path, FP_O_READ);
        if (err == FP_OK) {
            err = fp_fs_read(&file, &byte, 1) == 1 ? FP_OK : FP_ERR_CORRUPT;
            fp_fs_close(&file);
        }
        reads->good += err == FP_OK;
        reads->bad += err != FP_OK;
    }
    err = fp_fs_closedir(&dir);
out:
    free(entry);
    return err;
}

static struct fp_host_scan_reads reads_with(struct fp_host_scan_pass *pass,
                                            const struct fp_fs_ops *ops,
                                            const struct fp_fs_config *cfg,
                                            uint64_t at, uint64_t size)
{
    struct fp_host_scan_reads reads = { 0 };
    struct fp_fs_config use = *cfg;

    use.flags |= FP_MOUNT_STORED;
    if (fp_host_scan_with(pass, ops, &use, at, size, try_files, &reads))
        return (struct fp_host_scan_reads){ 0, 1 };
    return reads;
}

bool fp_host_scan_reads_better(struct fp_host_scan_reads a,
                               struct fp_host_scan_reads b)
{
    return a.good > b.good || (a.good == b.good && a.bad < b.bad);
}

int fp_host_scan_settle_spiffs(struct fp_host_scan_pass *pass,
                               uint32_t block_size, uint32_t page_size,
                               uint64_t at, uint64_t size,
                               struct fp_host_region *found,
                               struct fp_host_scan_reads *reads)
{
    const struct fp_fs_ops *ops = fp_host_scan_driver(pass, "spiffs");
    struct fp_fs_config cfg = { .block_size = block_size,
                                .page_size = page_size };
    int err = fp_host_scan_settle(pass, ops, &cfg, at, size, false, found);
    struct fp_host_region other;

    if (err == FP_ERR_CANCELED)
        return err;
    *reads = err ? (struct fp_host_scan_reads){ 0, 1 }
                 : reads_with(pass, ops, &found->cfg, at, size);
    for (size_t i = 0; reads->bad && i < sizeof longer / sizeof *longer; i++) {
        struct fp_host_scan_reads now;

        cfg.options = longer[i];
        if (fp_host_scan_settle(pass, ops, &cfg, at, size, false, &other))
            continue;
        now = reads_with(pass, ops, &cfg, at, size);
        if (err || fp_host_scan_reads_better(now, *reads)) {
            *found = other;
            *reads = now;
            err = FP_OK;
        }
    }
    return err;
}
