/* SPDX-License-Identifier: MIT
 *
 * A restore: the range of a device becomes an image, by programming only what
 * is different.
 *
 *   exclusive use ─► digests of the device ─► plan: what differs
 *     ─► erase the anchors ─► program the rest ─► its digests again
 *     ─► program the anchors ─► their digests ─► the device mounts
 *
 * Anchors are where a filesystem is looked for: its first blocks. They are
 * erased first and written last, so that whoever pulls the plug in between
 * finds no filesystem, rather than an old one whose blocks are new. Running
 * the restore again finishes it: what was programmed is no longer different.
 * So does the job itself when the link was lost, whereupon the device ended
 * the exclusive use: it begins again at the digests.
 *
 * Flash is erased by block, images are compared by chunk: what is programmed at
 * once is a unit, the smallest piece that is whole in both. Chunks of a unit
 * that the image has nothing for are read first and written back.
 */
#include "daemon/jobs/source.h"

#include "core/digest/sha256.h"
#include "core/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 256,   /* digests a request */
    PASSES = 3,    /* of programming until the digests are right */
    RESTARTS = 10, /* of the whole without a chunk programmed in between */
};

#define UNIT_MAX (8u << 20) /* bytes; larger erase blocks are not for us */

static const char PHASE_PROGRAM[] = "programming";
static const char PHASE_ANCHORS[] = "programming what mounts it";
static const char PHASE_VERIFY[] = "verifying";

/* A chunk of the range. */
enum {
    C_KEEP = 1,   /* the image has nothing for it */
    C_ANCHOR = 2, /* belongs to a unit in which a filesystem begins */
    C_DIFFERS = 4,
    C_ERASED = 8, /* all 0xff on the device */
};

enum left {
    LEFT_OLD,   /* nothing was erased yet */
    LEFT_MIXED, /* between two images */
    LEFT_NEW,   /* all is programmed and verified */
};

struct restore {
    struct fpd_job *job;
    struct fpd_flash flash;
    struct fpd_source src;
    uint8_t *chunks; /* C_* of each */
    uint8_t *buf;    /* a run of units */
    uint32_t unit;   /* chunks */
    uint32_t run;    /* chunks in buf, whole units */
    uint64_t programmed, same;
    uint64_t done;   /* chunks of this phase */
    enum left left;  /* what a person finds when it ends now */
    json_t *skipped; /* names of regions */
    uint8_t digests[BATCH * FPD_DIGEST_SIZE];
    uint8_t status[BATCH];
};

static const char *left_sentence(enum left left)
{
    switch (left) {
    case LEFT_OLD:
        return "Nothing was changed on the device.";
    case LEFT_NEW:
        return "The image is on the device, whole; it is mounted when the "
               "device starts again.";
    default:
        return "Until the restore is run again, which programs only what is "
               "missing, the device has no filesystem there.";
    }
}

const char *fpd_restore_left(const char *phase)
{
    bool mixed = strcmp(phase, PHASE_PROGRAM) == 0 ||
                 strcmp(phase, PHASE_ANCHORS) == 0 ||
                 strcmp(phase, PHASE_VERIFY) == 0;

    return left_sentence(mixed ? LEFT_MIXED : LEFT_OLD);
}

/* ---- what the range is made of ---- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static int make_units(struct restore *r)
{
    struct fpd_flash *flash = &r->flash;
    uint64_t block = flash->info.block_size, chunk = flash->chunk_size;
    uint64_t unit = block / gcd(block, chunk) * chunk;

    if (unit > UNIT_MAX)
        return fpd_job_fail(r->job, FP_ERR_NOTSUP,
                            "%s has erase blocks of %" PRIu64 " bytes, which "
                            "is more than a restore handles.",
                            flash->storage, block);
    if (flash->off % unit || ((flash->off + flash->size) % unit &&
                              flash->off + flash->size != flash->info.size))
        return fpd_job_fail(r->job, FP_ERR_NOTSUP,
                            "Region %s shares erase blocks with its "
                            "neighbours; restore the whole of %s instead.",
                            flash->region, flash->storage);
    r->unit = (uint32_t)(unit / chunk);
    r->run = fpd_flash_slice(flash);
    r->run -= r->run % r->unit;
    if (r->run == 0)
        r->run = r->unit;
    r->chunks = calloc(flash->count, 1);
    r->buf = malloc((size_t)r->run * flash->chunk_size);
    if (!r->chunks || !r->buf)
        return fpd_job_fail(r->job, FP_ERR_NOMEM, "Out of memory.");
    return FP_OK;
}

static bool named(const struct restore *r, const char *region)
{
    json_t *names = json_object_get(r->job->params, "regions");
    const char *own = r->flash.region;
    size_t i;
    json_t *name;

    json_array_foreach(
        names, i,
        name) if (strcmp(json_string_value(name) ? json_string_value(name) : "",
                         region) == 0) return true;
    return own[0] && strcmp(own, region) == 0 &&
           json_is_true(json_object_get(r->job->params, "named"));
}

/* Firmware and read-only regions stay unless named, or unless they are the
 * image's own, on the device it is of; what is unique to a device (keys,
 * calibration) goes back to that device only. */
static bool skips(const struct restore *r, const struct fpd_region_info *region)
{
    bool home = r->src.device && strcmp(r->src.device, r->job->device) == 0;
    bool own =
        home && r->src.region[0] && strcmp(r->src.region, region->name) == 0;

    if (region->flags & FPD_REGION_HIDDEN)
        return true;
    if (named(r, region->name))
        return false;
    if (region->flags & FPD_REGION_UNIQUE && !home)
        return true;
    return region->flags & (FPD_REGION_RDONLY | FPD_REGION_XIP) && !own;
}

static void keep(struct restore *r, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end && i < r->flash.count; i++)
        r->chunks[i] |= C_KEEP;
}

static int skip_region(struct restore *r, const struct fpd_region_info *region)
{
    struct fpd_flash *flash = &r->flash;
    uint64_t from = region->off, to = region->off + region->size;
    uint64_t unit = (uint64_t)r->unit * flash->chunk_size;

    if (to < from || to > flash->info.size)
        return fpd_job_fail(r->job, FP_ERR_PROTO,
                            "The device tells a region %s beyond the end of "
                            "%s.",
                            region->name, flash->storage);
    if (from < flash->off)
        from = flash->off;
    if (to > flash->off + flash->size)
        to = flash->off + flash->size;
    if (from >= to)
        return FP_OK;
    if (from % unit || (to % unit && to != flash->info.size))
        return fpd_job_fail(r->job, FP_ERR_NOTSUP,
                            "Region %s is to be left alone, but shares erase "
                            "blocks with its neighbours; name it in "
                            "\"regions\" to restore it too.",
                            region->name);
    keep(r, (uint32_t)((from - flash->off) / flash->chunk_size),
         (uint32_t)((to - flash->off + flash->chunk_size - 1) /
                    flash->chunk_size));
    if (region->flags & FPD_REGION_HIDDEN)
        return FP_OK;
    json_array_append_new(r->skipped, json_string(region->name));
    fpd_job_log(r->job, "Region %s is left as it is", region->name);
    return FP_OK;
}

/* The device would refuse it half-way. */
static int check_writable(struct restore *r,
                          const struct fpd_region_info *region)
{
    const struct fpd_flash *flash = &r->flash;

    if (!(region->flags & FPD_REGION_RDONLY) ||
        region->off >= flash->off + flash->size ||
        flash->off >= region->off + region->size)
        return FP_OK;
    return fpd_job_fail(r->job, FP_ERR_ACCES,
                        "The firmware of the device makes region %s "
                        "read-only. Nothing was changed.",
                        region->name);
}

static int skip_regions(struct restore *r)
{
    int err = FP_OK;

    json_array_clear(r->skipped);
    for (uint32_t i = 0; !err && i < r->flash.info.region_count; i++)
        if (skips(r, &r->flash.info.regions[i]))
            err = skip_region(r, &r->flash.info.regions[i]);
        else
            err = check_writable(r, &r->flash.info.regions[i]);
    return err;
}

/* ---- anchors ---- */

/* How many blocks of a filesystem are looked at to find it. Where nothing is
 * known of it, the first one. */
static uint32_t anchor_blocks(const char *fs)
{
    static const struct {
        const char *fs;
        uint32_t blocks;
    } table[] = {
        { "littlefs", 2 }, /* the superblock pair. Source: SPEC.md */
        { "fat", 1 },      /* the boot sector */
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].fs, fs) == 0)
            return table[i].blocks;
    return 1;
}

/* A filesystem may begin at byte `off` of the range: that of the image, and the
 * one that is there now, of which the device told the fs mounted. */
static void anchor_at(struct restore *r, uint64_t off, uint64_t size,
                      const char *now_fs, uint32_t now_block)
{
    uint32_t chunk = r->flash.chunk_size, block, n;
    uint64_t bytes, was;
    char fs[17];

    fpd_source_probe(&r->src, off, size, fs, &block);
    if (!block)
        block = r->flash.info.block_size;
    bytes = (uint64_t)anchor_blocks(fs) * block;
    /* Unmounted, the old one may be of any kind: as the widest of the table. */
    if (!now_block)
        now_block = r->flash.info.block_size;
    was = (uint64_t)(now_fs[0] ? anchor_blocks(now_fs) : 2) * now_block;
    if (was > bytes)
        bytes = was;
    if (bytes > size)
        bytes = size;
    n = (uint32_t)((bytes + chunk - 1) / chunk);
    n += (r->unit - n % r->unit) % r->unit;
    for (uint32_t i = (uint32_t)(off / chunk), k = 0;
         k < n && i < r->flash.count; i++, k++)
        r->chunks[i] |= C_ANCHOR;
}

static void find_anchors(struct restore *r)
{
    struct fpd_flash *flash = &r->flash;

    anchor_at(r, 0, flash->size, flash->fs, flash->fs_block_size);
    if (flash->region[0])
        return;
    for (uint32_t i = 0; i < flash->info.region_count; i++) {
        const struct fpd_region_info *region = &flash->info.regions[i];
        uint64_t unit = (uint64_t)r->unit * flash->chunk_size;

        if (region->off < flash->info.size &&
            region->size <= flash->info.size - region->off)
            anchor_at(r, region->off - region->off % unit, region->size, "", 0);
    }
}

/* ---- the plan ---- */

/* Two ways to say what a chunk holds: a digest, or the byte it is full of. */
static bool equal(const struct fpd_flash *flash, uint32_t index,
                  const uint8_t *digest, uint8_t status,
                  const struct fpd_snapshot_entry *want)
{
    uint8_t buf[4096];
    uint32_t len = fpd_flash_chunk_len(flash, index);
    bool dev_fill = status == FPD_CHUNK_FILL;
    uint8_t full[FP_SHA256_SIZE];
    struct fp_sha256 sha;

    if (status == FPD_CHUNK_UNREADABLE)
        return false;
    if (dev_fill && want->kind == FPD_KIND_FILL)
        return digest[0] == want->fill;
    if (!dev_fill && want->kind == FPD_KIND_CHUNK)
        return memcmp(digest, want->id, FPD_DIGEST_SIZE) == 0;
    memset(buf, dev_fill ? digest[0] : want->fill, sizeof(buf));
    fp_sha256_init(&sha);
    for (uint32_t n; len > 0; len -= n) {
        n = len < sizeof(buf) ? len : (uint32_t)sizeof(buf);
        fp_sha256_update(&sha, buf, n);
    }
    fp_sha256_final(&sha, full);
    return memcmp(full, dev_fill ? want->id : digest, FPD_DIGEST_SIZE) == 0;
}

static int compare(struct restore *r, uint32_t index, const uint8_t *digest,
                   uint8_t status)
{
    uint8_t *c = &r->chunks[index];
    struct fpd_snapshot_entry want;
    int err;

    *c &= (uint8_t) ~(C_DIFFERS | C_ERASED);
    if (status == FPD_CHUNK_FILL && digest[0] == 0xff)
        *c |= C_ERASED;
    if (*c & C_KEEP)
        return FP_OK;
    err = fpd_source_entry(&r->src, &r->flash, index, &want);
    if (err)
        return err;
    if (want.kind == FPD_KIND_UNREADABLE)
        *c |= C_KEEP;
    else if (!equal(&r->flash, index, digest, status, &want))
        *c |= C_DIFFERS;
    return FP_OK;
}

/* Digests of [first, end), compared. *n grows by what differs. */
static int compare_range(struct restore *r, uint32_t first, uint32_t end,
                         uint32_t *n)
{
    for (uint32_t i = first; i < end;) {
        uint32_t count = end - i < BATCH ? end - i : BATCH;
        int err =
            fpd_flash_digests(&r->flash, i, count, r->digests, r->status, NULL);

        for (uint32_t k = 0; !err && k < count; k++) {
            err = compare(r, i + k, r->digests + (size_t)k * FPD_DIGEST_SIZE,
                          r->status[k]);
            *n += !!(r->chunks[i + k] & C_DIFFERS);
        }
        if (err)
            return err;
        i += count;
        r->done += count;
        fpd_job_progress(r->job, r->done);
    }
    return FP_OK;
}

static uint32_t image_chunks(const struct restore *r)
{
    uint64_t n = (r->src.size + r->flash.chunk_size - 1) / r->flash.chunk_size;

    return n < r->flash.count ? (uint32_t)n : r->flash.count;
}

/* A filesystem of which the image lacks the beginning would never mount. */
static int check_anchors(struct restore *r)
{
    for (uint32_t i = 0; i < image_chunks(r); i++) {
        struct fpd_snapshot_entry want;
        int err;

        if ((r->chunks[i] & (C_ANCHOR | C_KEEP)) != (C_ANCHOR | C_KEEP))
            continue;
        err = fpd_source_entry(&r->src, &r->flash, i, &want);
        if (err)
            return err;
        if (want.kind == FPD_KIND_UNREADABLE)
            return fpd_job_fail(r->job, FP_ERR_PRECOND,
                                "The snapshot lacks chunk %" PRIu32
                                ", in which a filesystem begins.",
                                i);
    }
    return FP_OK;
}

static int plan(struct restore *r, uint32_t *differ)
{
    uint32_t count = r->flash.count;
    int err;

    *differ = 0;
    memset(r->chunks, 0, count);
    keep(r, image_chunks(r), count);
    err = skip_regions(r);
    if (err)
        return err;
    find_anchors(r);
    fpd_job_phase(r->job, "comparing", "chunks", count);
    fpd_job_limit(r->job, "hash");
    r->done = 0;
    err = compare_range(r, 0, count, differ);
    return err ? err : check_anchors(r);
}

/* ---- programming ---- */

static bool unit_has(const struct restore *r, uint32_t first, uint8_t flag)
{
    for (uint32_t i = first; i < first + r->unit && i < r->flash.count; i++)
        if (r->chunks[i] & flag)
            return true;
    return false;
}

static int read_back(struct restore *r, uint32_t index, uint8_t *to)
{
    uint8_t status;
    int err = fpd_flash_read(&r->flash, index, 1, to, &status);

    if (err || status != FPD_CHUNK_UNREADABLE)
        return err;
    fpd_job_log(r->job,
                "Chunk %" PRIu32 " is neither in the image nor readable on the "
                "device; it is erased with its neighbours",
                index);
    memset(to, 0xff, fpd_flash_chunk_len(&r->flash, index));
    return FP_OK;
}

static int fill_buf(struct restore *r, uint32_t first, uint32_t count)
{
    int err = FP_OK;

    for (uint32_t i = 0; !err && i < count; i++) {
        uint8_t *to = r->buf + (size_t)i * r->flash.chunk_size;

        err = r->chunks[first + i] & C_KEEP
                  ? read_back(r, first + i, to)
                  : fpd_source_read(&r->src, &r->flash, first + i, to);
    }
    return err;
}

static int write_run(struct restore *r, uint32_t first, uint32_t count)
{
    int err;

    r->left = LEFT_MIXED;
    err = fpd_flash_write(&r->flash, first, count, r->buf);
    if (err)
        return err;
    r->done += count;
    fpd_job_progress(r->job, r->done);
    fpd_flash_tell_limit(&r->flash);
    return FP_OK;
}

typedef bool (*unit_test)(const struct restore *r, uint32_t first);

static bool is_rest(const struct restore *r, uint32_t first)
{
    return unit_has(r, first, C_DIFFERS) && !unit_has(r, first, C_ANCHOR);
}

static bool is_anchor(const struct restore *r, uint32_t first)
{
    return unit_has(r, first, C_ANCHOR) && unit_has(r, first, C_DIFFERS);
}

/* Anchors that are not erased yet. */
static bool is_standing(const struct restore *r, uint32_t first)
{
    if (!unit_has(r, first, C_ANCHOR))
        return false;
    for (uint32_t i = first; i < first + r->unit && i < r->flash.count; i++)
        if (!(r->chunks[i] & (C_ERASED | C_KEEP)))
            return true;
    return false;
}

/* Runs of units for which test holds, as long as buf: first, and how many. */
static uint32_t next_run(const struct restore *r, uint32_t *at, unit_test test)
{
    uint32_t count = r->flash.count, n = 0;

    while (*at < count && !test(r, *at))
        *at += r->unit;
    while (*at < count && n < r->run && n < count - *at && test(r, *at + n))
        n += r->unit;
    return *at < count && n > count - *at ? count - *at : n;
}

static int program(struct restore *r, unit_test test)
{
    uint32_t at = 0, n;

    while ((n = next_run(r, &at, test)) > 0) {
        int err = fill_buf(r, at, n);

        if (!err)
            err = write_run(r, at, n);
        if (err)
            return err;
        r->programmed += n;
        at += n;
    }
    return FP_OK;
}

static int erase_run(struct restore *r, uint32_t first, uint32_t count)
{
    uint32_t differ = 0;
    int err = FP_OK;

    memset(r->buf, 0xff, (size_t)count * r->flash.chunk_size);
    for (uint32_t i = 0; !err && i < count; i++)
        if (r->chunks[first + i] & C_KEEP)
            err = read_back(r, first + i,
                            r->buf + (size_t)i * r->flash.chunk_size);
    if (!err)
        err = write_run(r, first, count);
    return err ? err : compare_range(r, first, first + count, &differ);
}

static int erase_anchors(struct restore *r)
{
    uint32_t at = 0, n;

    while ((n = next_run(r, &at, is_standing)) > 0) {
        int err = erase_run(r, at, n);

        if (err)
            return err;
        at += n;
    }
    return FP_OK;
}

/* Programs what `test` picks until its digests are those of the image. */
static int program_checked(struct restore *r, const char *phase, unit_test test)
{
    for (int pass = 0; pass < PASSES; pass++) {
        uint32_t left = 0;
        int err;

        for (uint32_t at = 0, n; (n = next_run(r, &at, test)) > 0; at += n)
            left += n;
        if (!left)
            return FP_OK;
        fpd_job_phase(r->job, phase, "chunks", left);
        r->done = 0;
        err = program(r, test);
        if (err)
            return err;
        fpd_job_phase(r->job, PHASE_VERIFY, "chunks", left);
        left = 0;
        r->done = 0;
        for (uint32_t at = 0, n; (n = next_run(r, &at, test)) > 0; at += n) {
            err = compare_range(r, at, at + n, &left);
            if (err)
                return err;
        }
        if (!left)
            return FP_OK;
        fpd_job_log(r->job,
                    "%" PRIu32 " chunks do not hold what was "
                    "programmed",
                    left);
    }
    return fpd_job_fail(r->job, FP_ERR_IO,
                        "%s does not keep what is programmed, tried %d times: "
                        "the flash may be worn out.",
                        r->flash.storage, PASSES);
}

/* ---- the whole ---- */

/* Under exclusive use. */
static int pass(struct restore *r)
{
    uint32_t differ;
    int err = plan(r, &differ);

    if (err)
        return err;
    r->same = image_chunks(r) - differ;
    if (!differ)
        return FP_OK;
    fpd_job_log(r->job, "%" PRIu32 " of %" PRIu32 " chunks differ", differ,
                image_chunks(r));
    fpd_job_phase(r->job, PHASE_PROGRAM, "chunks", differ);
    r->flash.progress_unit = r->flash.chunk_size;
    r->done = 0;
    err = erase_anchors(r);
    if (!err)
        err = program_checked(r, PHASE_PROGRAM, is_rest);
    if (!err)
        err = program_checked(r, PHASE_ANCHORS, is_anchor);
    return err;
}

static int once(struct restore *r)
{
    int err = fpd_flash_begin(&r->flash), end_err;

    if (err)
        return err;
    err = pass(r);
    if (!err && r->left == LEFT_MIXED)
        r->left = LEFT_NEW;
    end_err = fpd_flash_end(&r->flash);
    /* All is programmed and verified: a device that is lost now mounts when it
     * starts again. */
    if (!err && end_err && end_err != FP_ERR_STALE)
        return end_err;
    return err;
}

static int passes(struct restore *r)
{
    int idle = 0;

    for (;;) {
        uint64_t before = r->programmed;
        int err = once(r);

        if (err != FP_ERR_STALE)
            return err;
        idle = r->programmed == before ? idle + 1 : 0;
        if (idle >= RESTARTS)
            return fpd_job_fail(r->job, FP_ERR_NODEV,
                                "The device was lost %d times in a row before "
                                "anything could be programmed.",
                                RESTARTS);
        fpd_job_log(r->job, "The link was lost: from the digests again");
        err = fpd_flash_reopen(&r->flash);
        if (!err)
            err = fpd_job_sleep(r->job, 200);
        if (err)
            return err;
    }
}

static int check_size(struct restore *r)
{
    char why[120];
    int err;

    if (r->src.size == 0)
        return fpd_job_fail(r->job, FP_ERR_INVAL, "The image is empty.");
    err =
        fpd_flash_fits(&r->flash, r->src.size,
                       json_is_true(json_object_get(r->job->params, "smaller")),
                       why, sizeof(why));
    if (err)
        return fpd_job_fail(r->job, err, "%s", why);
    if (r->src.reader && !r->src.info.complete &&
        !json_is_true(json_object_get(r->job->params, "incomplete")))
        return fpd_job_fail(r->job, FP_ERR_PRECOND,
                            "The snapshot is incomplete.");
    return FP_OK;
}

static const char *param(const struct fpd_job *job, const char *name)
{
    return json_string_value(json_object_get(job->params, name));
}

static int restore(struct restore *r, const char *storage)
{
    int err;

    fpd_job_phase(r->job, r->job->spool ? "receiving the image" : "opening",
                  "bytes", 0);
    err = fpd_source_open(&r->src, r->job, param(r->job, "snapshot"),
                          r->job->spool);
    if (err)
        return err;
    fpd_job_phase(r->job, "finding the device", "chunks", 0);
    err = fpd_flash_open(&r->flash, r->job, storage, param(r->job, "region"));
    if (!err)
        err = check_size(r);
    if (!err)
        err = make_units(r);
    if (!err)
        err = passes(r);
    return err;
}

int fpd_job_run_restore(struct fpd_job *job)
{
    const char *storage = param(job, "storage");
    struct restore *r = calloc(1, sizeof(*r));
    int err;

    if (r)
        r->skipped = json_array();
    if (!r || !r->skipped || !storage) {
        if (r)
            json_decref(r->skipped);
        free(r);
        return fpd_job_fail(job, FP_ERR_INVAL, "The job names no storage.");
    }
    r->job = job;
    err = restore(r, storage);
    if (err)
        fpd_job_append(job, left_sentence(r->left));
    if (!err)
        fpd_job_result(job,
                       json_pack("{sI sI sO}", "programmed",
                                 (json_int_t)r->programmed, "same",
                                 (json_int_t)r->same, "skipped", r->skipped));
    fpd_source_close(&r->src);
    fpd_flash_close(&r->flash);
    json_decref(r->skipped);
    free(r->chunks);
    free(r->buf);
    free(r);
    return err;
}
