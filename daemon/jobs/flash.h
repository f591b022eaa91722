/* SPDX-License-Identifier: MIT
 *
 * The flash of a device as a job sees it: one storage or region, in chunks that
 * count from 0 at its start, asked over a link that comes and goes.
 *
 * Memory  struct fpd_flash is the caller's; open takes a reference to the
 *         device, close gives it back
 * Errors  a lost link is waited for, with the job in state "waiting". Besides
 *         what the device answers:
 *         FP_ERR_STALE     the device started anew (another epoch) or, inside
 *                          of a restore, the link was lost: what was learnt is
 *                          void, start again with fpd_flash_reopen()
 *         FP_ERR_NODEV     it stayed away for longer than a job waits
 *         FP_ERR_CANCELED  the job should end
 *         Each has its sentence set with fpd_job_fail(), STALE aside
 * Thread  the job's
 */
#ifndef FPD_JOBS_FLASH_H
#define FPD_JOBS_FLASH_H

#include "daemon/jobs/job.h"

/* The most chunks of one range. A device that claims a larger storage is
 * refused before anything is sized by its word. */
#define FPD_FLASH_CHUNKS_MAX (1u << 22)

/* The most bytes of one request; daemon/device lets others in between. */
#define FPD_FLASH_SLICE 262144u

/* Runs of changed chunks kept of one answer. */
#define FPD_FLASH_RUNS_MAX 256u

struct fpd_flash {
    struct fpd_job *job;
    struct fpd_device *device;
    char storage[17];
    char region[17]; /* "" : the whole storage */
    struct fpd_storage_info info;
    char firmware[33];
    char fs[17]; /* of the volume that the device has there; "" */
    uint32_t fs_block_size;
    uint32_t baud;        /* 0: not a serial line */
    double progress_unit; /* bytes of one unit of the job's progress */
    uint8_t epoch[8];
    uint64_t off;  /* of the range in the storage, bytes */
    uint64_t size; /* of the range, bytes */
    uint32_t chunk_size;
    uint32_t first; /* the range's chunk 0 on the storage */
    uint32_t count;
    bool exclusive; /* between begin and end */
    uint8_t nonce[8];
    int64_t asked_ms; /* the device, what its time went to */
    struct fpd_flash_spent {
        uint64_t flash, hash, line; /* microseconds, since it was started */
    } spent;
};

/* Waits for the device and looks at the range. FP_ERR_NOENT: no such storage or
 * region; FP_ERR_NOTSUP: a region that is not on the chunk grid;
 * FP_ERR_PROTO: a geometry that no device has. */
int fpd_flash_open(struct fpd_flash *flash, struct fpd_job *job,
                   const char *storage, const char *region);
/* After FP_ERR_STALE: waits, and looks at it again. FP_ERR_INVAL: it has
 * another geometry now. */
int fpd_flash_reopen(struct fpd_flash *flash);
void fpd_flash_close(struct fpd_flash *flash);

/* Finds the range in what a device told; pure. As fpd_flash_open(), with the
 * sentence in why. */
int fpd_flash_locate(struct fpd_flash *flash, const char *device,
                     const struct fpd_device_info *info, char *why,
                     size_t size);

/* May an image of that size be written to it? FP_ERR_FBIG: it is larger.
 * FP_ERR_PRECOND: it is smaller, and not `smaller`. */
int fpd_flash_fits(const struct fpd_flash *flash, uint64_t image, bool smaller,
                   char *why, size_t size);

/* Bytes of chunk `index`: chunk_size, or less for the last. */
uint32_t fpd_flash_chunk_len(const struct fpd_flash *flash, uint32_t index);
/* Chunks that go into one request. */
uint32_t fpd_flash_slice(const struct fpd_flash *flash);

/* digests[0..16*count), status[0..count). *gen, if given: the storage's
 * generation when the answer began, or before. */
int fpd_flash_digests(struct fpd_flash *flash, uint32_t first, uint32_t count,
                      uint8_t *digests, uint8_t *status, uint32_t *gen);
/* Marks in dirty[0..flash->count) what changed after `since`; *n counts
 * those that were not marked already, *gen is the generation of the answer. */
int fpd_flash_changed(struct fpd_flash *flash, uint32_t since, bool *dirty,
                      uint32_t *n, uint32_t *gen);
/* data[0..count*chunk_size), packed; the last chunk of a storage may be
 * shorter. At most fpd_flash_slice() chunks. */
int fpd_flash_read(struct fpd_flash *flash, uint32_t first, uint32_t count,
                   uint8_t *data, uint8_t *status);
/* No writes for up to ms. Never waits for a lost link. */
int fpd_flash_freeze(struct fpd_flash *flash, uint32_t ms);
void fpd_flash_thaw(struct fpd_flash *flash);

/* Exclusive use, for writing. */
int fpd_flash_begin(struct fpd_flash *flash);
int fpd_flash_write(struct fpd_flash *flash, uint32_t first, uint32_t count,
                    const uint8_t *data);
/* Mounts again what is there. */
int fpd_flash_end(struct fpd_flash *flash);

/* Tells the job what holds it back: "flash", "hash" or "link", by what the
 * device says that its time went to since it was asked last, at most every two
 * seconds. Of a device without a clock: by how fast bytes come on a line whose
 * speed is known. */
void fpd_flash_tell_limit(struct fpd_flash *flash);

#endif
