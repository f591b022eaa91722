/* SPDX-License-Identifier: MIT
 *
 * What a restore programs: the image of a snapshot, or one that was uploaded,
 * seen on the chunk grid of the range it goes to.
 *
 * Memory  the caller's struct; open to close
 * Errors  CORRUPT: the store is damaged; IO: the spool could not be read
 * Thread  the job's
 */
#ifndef FPD_JOBS_SOURCE_H
#define FPD_JOBS_SOURCE_H

#include "daemon/jobs/flash.h"
#include "daemon/store/snapshot.h"

struct fpd_source {
    struct fpd_job *job;
    uint64_t size;
    const char *device; /* whose image it is; NULL: nobody knows */
    const char *region; /* that it is of; "" */
    /* private */
    struct fpd_snapshot_reader *reader;
    struct fpd_spool *spool;
    struct fpd_snapshot info;
    uint8_t buf[FPD_STORE_CHUNK_MAX];
};

/* Opens the snapshot, or waits until the spool has its end. The sentence is
 * set. */
int fpd_source_open(struct fpd_source *src, struct fpd_job *job,
                    const char *snapshot, struct fpd_spool *spool);
void fpd_source_close(struct fpd_source *src);

/* What chunk `index` of the range shall be; beyond the image's last byte it is
 * filled up with 0xff. UNREADABLE: the snapshot does not know. */
int fpd_source_entry(struct fpd_source *src, const struct fpd_flash *flash,
                     uint32_t index, struct fpd_snapshot_entry *out);
/* Its bytes: buf[0..fpd_flash_chunk_len()). */
int fpd_source_read(struct fpd_source *src, const struct fpd_flash *flash,
                    uint32_t index, uint8_t *buf);

/* What filesystem begins at byte `off` of the image, and the size of its
 * blocks; "" and 0 where none is found. */
void fpd_source_probe(struct fpd_source *src, uint64_t off, uint64_t size,
                      char fs[17], uint32_t *block_size);

#endif
