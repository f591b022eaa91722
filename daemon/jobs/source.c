/* SPDX-License-Identifier: MIT */
#include "daemon/jobs/source.h"

#include "core/error.h"
#include "core/fs/fs.h"
#include "core/host/drivers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    POLL_MS = 100,
    PROBE_BLOCK = 512
};

/* ---- opening ---- */

static int open_snapshot(struct fpd_source *src, const char *id)
{
    int err =
        fpd_store_snapshot_open(fpd_job_store(src->job), id, &src->reader);

    if (err)
        return fpd_job_fail(src->job, err,
                            "Snapshot %.36s can't be opened: "
                            "%s.",
                            id, fp_strerror(err));
    src->info = *fpd_store_snapshot_info(src->reader);
    src->size = src->info.size;
    src->device = src->info.device;
    src->region = src->info.region;
    return FP_OK;
}

static int open_spool(struct fpd_source *src, struct fpd_spool *spool)
{
    struct fpd_spool_state st;
    int err = FP_OK;

    src->spool = spool;
    src->region = "";
    /* The image is compared before any of it goes out, so all of it must
     * come in. */
    fpd_spool_consumed(spool, UINT64_MAX);
    fpd_spool_state(spool, &st);
    while (!err && !st.ended && !st.err) {
        fpd_job_waiting(src->job, true);
        fpd_job_total(src->job, st.size == FPD_SPOOL_UNKNOWN ? 0 : st.size);
        fpd_job_progress(src->job, st.have);
        err = fpd_job_sleep(src->job, POLL_MS);
        fpd_spool_state(spool, &st);
    }
    fpd_job_waiting(src->job, false);
    if (err)
        return err;
    if (st.err)
        return fpd_job_fail(src->job, st.err,
                            "The upload of the image broke off: %s.",
                            fp_strerror(st.err));
    src->size = st.size;
    return FP_OK;
}

int fpd_source_open(struct fpd_source *src, struct fpd_job *job,
                    const char *snapshot, struct fpd_spool *spool)
{
    memset(src, 0, sizeof(*src));
    src->job = job;
    if (spool)
        return open_spool(src, spool);
    if (snapshot)
        return open_snapshot(src, snapshot);
    return fpd_job_fail(job, FP_ERR_INVAL, "The job names no image.");
}

void fpd_source_close(struct fpd_source *src)
{
    fpd_store_snapshot_close(src->reader);
    if (src->spool)
        fpd_spool_abandon(src->spool);
    src->reader = NULL;
    src->spool = NULL;
}

/* ---- reading ---- */

static int read_bytes(struct fpd_source *src, uint64_t off, void *buf,
                      uint32_t size)
{
    uint8_t *to = buf;
    uint32_t bad;

    if (src->reader)
        return fpd_store_snapshot_read(src->reader, off, buf, size, &bad);
    while (size > 0) {
        int32_t n = fpd_spool_read(src->spool, off, to, size);

        if (n <= 0)
            return n < 0 ? n : FP_ERR_IO;
        to += n;
        off += (uint32_t)n;
        size -= (uint32_t)n;
    }
    return FP_OK;
}

/* Bytes of the chunk that are the image's. */
static uint32_t image_len(const struct fpd_source *src,
                          const struct fpd_flash *flash, uint32_t index)
{
    uint64_t off = (uint64_t)index * flash->chunk_size;
    uint32_t len = fpd_flash_chunk_len(flash, index);

    if (off >= src->size)
        return 0;
    return src->size - off < len ? (uint32_t)(src->size - off) : len;
}

static int read_failed(struct fpd_source *src, uint32_t index, int err)
{
    return fpd_job_fail(src->job, err,
                        src->reader ? "Chunk %" PRIu32 " of the snapshot can't "
                                      "be read from the store: %s."
                                    : "Chunk %" PRIu32 " of the upload can't "
                                      "be read again: %s.",
                        index, fp_strerror(err));
}

int fpd_source_read(struct fpd_source *src, const struct fpd_flash *flash,
                    uint32_t index, uint8_t *buf)
{
    uint32_t len = fpd_flash_chunk_len(flash, index);
    uint32_t have = image_len(src, flash, index);
    int err =
        have ? read_bytes(src, (uint64_t)index * flash->chunk_size, buf, have)
             : FP_OK;

    if (err)
        return read_failed(src, index, err);
    memset(buf + have, 0xff, len - have);
    return FP_OK;
}

/* Does the snapshot have the chunk as one, so that nothing need be read? */
static bool on_grid(const struct fpd_source *src, const struct fpd_flash *flash,
                    uint32_t index)
{
    return src->reader && src->info.chunk_size == flash->chunk_size &&
           image_len(src, flash, index) == fpd_flash_chunk_len(flash, index);
}

int fpd_source_entry(struct fpd_source *src, const struct fpd_flash *flash,
                     uint32_t index, struct fpd_snapshot_entry *out)
{
    uint32_t len = fpd_flash_chunk_len(flash, index);
    int err;

    memset(out, 0, sizeof(*out));
    if (on_grid(src, flash, index)) {
        err = fpd_store_snapshot_entries(src->reader, index, 1, out);
        return err ? read_failed(src, index, err) : FP_OK;
    }
    err = read_bytes(src, (uint64_t)index * flash->chunk_size, src->buf,
                     image_len(src, flash, index));
    /* Of another grid than the snapshot's: a hole of it is a hole here. */
    if (err == FP_ERR_CORRUPT && src->reader && !src->info.complete) {
        out->kind = FPD_KIND_UNREADABLE;
        return FP_OK;
    }
    if (err)
        return read_failed(src, index, err);
    memset(src->buf + image_len(src, flash, index), 0xff,
           len - image_len(src, flash, index));
    out->kind = FPD_KIND_FILL;
    if (!fpd_store_is_fill(src->buf, len, &out->fill)) {
        out->kind = FPD_KIND_CHUNK;
        fpd_store_digest(src->buf, len, out->id);
    }
    return FP_OK;
}

/* ---- what filesystem is in it ---- */

struct source_bdev {
    struct fp_bdev bdev; /* first member */
    struct fpd_source *src;
    uint64_t off;
};

static int bdev_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    struct source_bdev *sb = (struct source_bdev *)dev;

    return read_bytes(sb->src, sb->off + off, buf, size);
}

static const struct fp_bdev_ops bdev_ops = {
    .read = bdev_read,
    /* FP_BDEV_RDONLY: nobody programs or erases it */
};

void fpd_source_probe(struct fpd_source *src, uint64_t off, uint64_t size,
                      char fs[17], uint32_t *block_size)
{
    struct source_bdev sb = { .bdev = { .ops = &bdev_ops,
                                        .read_size = 1,
                                        .prog_size = 1,
                                        .block_size = PROBE_BLOCK,
                                        .flags = FP_BDEV_RDONLY },
                              .src = src,
                              .off = off };
    struct fp_fs_config cfg = { .flags = FP_MOUNT_RDONLY };
    const struct fp_fs_ops *ops;

    fs[0] = '\0';
    *block_size = 0;
    if (off >= src->size)
        return;
    if (size > src->size - off)
        size = src->size - off;
    sb.bdev.block_count = (uint32_t)(size / PROBE_BLOCK);
    if (sb.bdev.block_count == 0 ||
        fp_fs_probe(fp_host_drivers, &sb.bdev, &ops, &cfg) != FP_OK)
        return;
    snprintf(fs, 17, "%s", ops->name);
    *block_size = cfg.block_size;
}
