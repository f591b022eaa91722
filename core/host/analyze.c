/* SPDX-License-Identifier: MIT
 *
 * The driver says which blocks something refers to; of the others each is read
 * to see whether it is erased. What only one format knows is a row of `kinds`.
 */
#include "core/host/analyze.h"

#include "core/bytes.h"
#if FP_WITH_SPIFFS
#include "core/fs/spiffs/spiffs.h"
#endif

#include <stdlib.h>
#include <string.h>

#define PIECE 65536u

/* No flash lives through more: littlefs takes the first word of a block that a
 * file left behind for a count. */
#define ERASES_MAX 10000000u

#define NO_BLOCK UINT32_MAX

struct survey;

struct kind {
    const char *fs;
    /* So many of the blocks that the driver reports first are the anchor. */
    uint32_t anchor_count;
    /* Cards erase to either. Source: SD Physical Layer Simplified
     * Specification, SCR, DATA_STAT_AFTER_ERASE. */
    bool zero_is_erased;
    bool tells_by_block; /* there is a->erases */
    /* What the format tells of a block whose use by the driver is known: its
     * wear, and a use that it knows better. NULL: nothing. */
    int (*look)(const struct survey *survey, uint32_t block);
};

/* A walk over a volume; `use` of a block is ERASED until it is told better. */
struct survey {
    struct fp_host_analysis *analysis;
    struct fp_mount *mnt;
    const struct kind *kind;
    uint8_t *buf;
    uint32_t piece; /* size of buf: whole units of reading */
    /* partner[0..block_count), where the kind tells by block: the other half of
     * a metadata pair, whose blocks the driver reports one after the other. */
    uint32_t *partner;
    bool has_half; /* first_half was reported, and its partner not yet */
    uint32_t first_half;
};

static bool is_anchor(const struct fp_host_analysis *a, uint32_t block)
{
    return (a->anchor_count > 0 && a->anchors[0] == block) ||
           (a->anchor_count > 1 && a->anchors[1] == block);
}

/* How often a pair was compacted at the least: since the format if it is the
 * superblock's, which stays where it is; else since it began or moved, which it
 * does at multiples of a number made of block_cycles. It also begins behind
 * what erased flash reads as, which is just short of such a multiple. Source:
 * docs/formats/littlefs.md, 3.6, "New pairs" and "Wear". */
static uint32_t compactions(const struct survey *survey, uint32_t block,
                            uint32_t revision)
{
    const int32_t cycles = survey->mnt->cfg.block_cycles;
    const uint32_t turn = cycles > 0 ? ((uint32_t)cycles + 1) | 1 : 0;
    uint32_t behind_erased;

    if (turn == 0 || is_anchor(survey->analysis, block))
        return revision;
    behind_erased = turn - 1 - UINT32_MAX % turn;
    revision %= turn;
    return revision >= behind_erased ? revision - behind_erased : revision;
}

static int read_revision(const struct survey *survey, uint32_t block,
                         uint32_t *revision)
{
    struct fp_bdev *dev = survey->mnt->dev;
    uint32_t size = (4 + dev->read_size - 1) / dev->read_size * dev->read_size;
    fp_addr off = (fp_addr)block * survey->analysis->block_size;
    int err = fp_bdev_read(dev, off, survey->buf, size);

    *revision = fp_get_le32(survey->buf);
    return err;
}

/* A pair begins with one half that holds whatever was there before: only halves
 * that follow each other were both written. Both were erased for that.
 * Source: docs/formats/littlefs.md, the revision count at offset 0 of both
 * blocks of a pair, which are erased in turn. */
static int look_littlefs(const struct survey *survey, uint32_t block)
{
    struct fp_host_analysis *a = survey->analysis;
    const uint32_t other = survey->partner[block];
    uint32_t revision, others, count;
    int err;

    if (a->use[block] != FP_HOST_USE_METADATA || other == NO_BLOCK)
        return FP_OK;
    err = read_revision(survey, block, &revision);
    if (!err)
        err = read_revision(survey, other, &others);
    if (err)
        return err == FP_ERR_CORRUPT ? FP_OK : err;
    count = compactions(survey, block, revision);
    if ((revision - others == 1 || others - revision == 1) &&
        count <= ERASES_MAX)
        a->erases[block] = count > 0 ? (count + 1) / 2 : 1;
    return FP_OK;
}

#if FP_WITH_SPIFFS
/* A block that is erased has its magic and its stamp. */
static int look_spiffs(const struct survey *survey, uint32_t block)
{
    struct fp_host_analysis *a = survey->analysis;
    struct fp_fs_spiffs_block info;
    int err = fp_fs_spiffs_block(survey->mnt, block, &info);

    if (err)
        return err;
    if (a->use[block] == FP_HOST_USE_STALE && info.is_blank)
        a->use[block] = FP_HOST_USE_ERASED;
    if (info.has_stamp && (a->erases_together == FP_HOST_NOT_TOLD ||
                           info.stamp > a->erases_together))
        a->erases_together = info.stamp;
    return FP_OK;
}
#else
#define look_spiffs NULL
#endif

static const struct kind kinds[] = {
    { .fs = "littlefs",
      .anchor_count = 2,
      .tells_by_block = true,
      .look = look_littlefs },
    { .fs = "fat", .anchor_count = 1, .zero_is_erased = true },
    { .fs = "bonsai", .anchor_count = 1 },
    { .fs = "minifs", .anchor_count = 1 },
    { .fs = "spiffs", .look = look_spiffs },
};

static const struct kind *kind_of(const struct fp_mount *mnt)
{
    static const struct kind plain = { .fs = "" };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].fs, mnt->ops->name) == 0)
            return &kinds[i];
    return &plain;
}

static uint8_t use_of(enum fp_block_use use)
{
    switch (use) {
    case FP_BLOCK_METADATA:
        return FP_HOST_USE_METADATA;
    case FP_BLOCK_DATA:
        return FP_HOST_USE_DATA;
    case FP_BLOCK_BAD:
        return FP_HOST_USE_BAD;
    default:
        return FP_HOST_USE_STALE;
    }
}

/* What a damaged volume refers to may be out of range, one half or both. */
static void take_half(struct survey *survey, uint32_t block)
{
    const uint32_t count = survey->analysis->block_count;
    const uint32_t first = survey->first_half;

    if (survey->has_half && first < count && block < count) {
        survey->partner[block] = first;
        survey->partner[first] = block;
    }
    survey->has_half = !survey->has_half;
    survey->first_half = block;
}

/* A block that is reported twice keeps its first use: a metadata pair comes
 * before a file that a damaged volume lays over it. */
static int take(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct survey *survey = ctx;
    struct fp_host_analysis *a = survey->analysis;

    if (survey->partner && use == FP_BLOCK_METADATA)
        take_half(survey, block);
    if (block >= a->block_count)
        return FP_OK;
    if (a->anchor_count < survey->kind->anchor_count)
        a->anchors[a->anchor_count++] = block;
    if (a->use[block] == FP_HOST_USE_ERASED)
        a->use[block] = use_of(use);
    return FP_OK;
}

static bool is_all(const uint8_t *buf, uint32_t size, uint8_t byte)
{
    return buf[0] == byte && memcmp(buf, buf + 1, size - 1) == 0;
}

/* `first` is what the first piece was full of. */
static bool is_erased(const struct survey *survey, uint32_t size, uint8_t first)
{
    return (first == 0xff || (first == 0 && survey->kind->zero_is_erased)) &&
           is_all(survey->buf, size, first);
}

/* Sets the use of a block that nothing refers to. What cannot be read is not
 * erased. */
static int look_at_free(const struct survey *survey, uint32_t block)
{
    struct fp_host_analysis *a = survey->analysis;
    fp_addr off = (fp_addr)block * a->block_size;
    uint8_t first = 0;

    for (uint32_t done = 0, n; done < a->block_size; done += n) {
        int err;

        n = a->block_size - done;
        if (n > survey->piece)
            n = survey->piece;
        err = fp_bdev_read(survey->mnt->dev, off + done, survey->buf, n);
        if (err && err != FP_ERR_CORRUPT)
            return err;
        if (done == 0)
            first = survey->buf[0];
        if (err || !is_erased(survey, n, first)) {
            a->use[block] = FP_HOST_USE_STALE;
            return FP_OK;
        }
    }
    return FP_OK;
}

static int look_at_all(const struct survey *survey)
{
    struct fp_host_analysis *a = survey->analysis;
    int err = FP_OK;

    for (uint32_t b = 0; b < a->block_count && !err; b++) {
        if (a->erases)
            a->erases[b] = FP_HOST_NOT_TOLD;
        if (a->use[b] == FP_HOST_USE_ERASED)
            err = look_at_free(survey, b);
        if (!err && survey->kind->look)
            err = survey->kind->look(survey, b);
        a->count[a->use[b]]++;
    }
    return err;
}

static bool new_pairs(struct survey *survey)
{
    struct fp_host_analysis *a = survey->analysis;

    a->erases = calloc(a->block_count, sizeof *a->erases);
    survey->partner = malloc(a->block_count * sizeof *survey->partner);
    for (uint32_t b = 0; survey->partner && b < a->block_count; b++)
        survey->partner[b] = NO_BLOCK;
    return a->erases && survey->partner;
}

static int survey_all(struct survey *survey)
{
    struct fp_host_analysis *a = survey->analysis;
    uint32_t unit = survey->mnt->dev->read_size;
    int err;

    a->use = calloc(a->block_count, sizeof *a->use);
    if (survey->kind->tells_by_block && !new_pairs(survey))
        return FP_ERR_NOMEM;
    survey->piece = unit < PIECE ? PIECE - PIECE % unit : unit;
    if (survey->piece > a->block_size)
        survey->piece = a->block_size;
    survey->buf = malloc(survey->piece);
    if (!a->use || !survey->buf)
        return FP_ERR_NOMEM;
    err = fp_fs_blocks(survey->mnt, take, survey);
    return err ? err : look_at_all(survey);
}

int fp_host_analyze(struct fp_host_analysis *analysis, struct fp_mount *mnt)
{
    struct survey survey = { .analysis = analysis,
                             .mnt = mnt,
                             .kind = kind_of(mnt) };
    struct fp_statfs st;
    fp_addr blocks;
    int err = fp_fs_statfs(mnt, &st);

    *analysis = (struct fp_host_analysis){
        .erases_together = FP_HOST_NOT_TOLD,
    };
    if (err)
        return err;
    /* A volume may state more than the medium has: what is there counts. */
    blocks = fp_bdev_size(mnt->dev) / st.block_size;
    if (blocks > st.block_count)
        blocks = (fp_addr)st.block_count;
    if (blocks == 0 || blocks >= UINT32_MAX)
        return FP_ERR_NOTSUP;
    analysis->block_size = st.block_size;
    analysis->block_count = (uint32_t)blocks;
    err = survey_all(&survey);
    free(survey.buf);
    free(survey.partner);
    if (err)
        fp_host_analysis_free(analysis);
    return err;
}

void fp_host_analysis_free(struct fp_host_analysis *analysis)
{
    free(analysis->use);
    free(analysis->erases);
    *analysis = (struct fp_host_analysis){ 0 };
}

struct fp_host_run fp_host_analysis_run(const struct fp_host_analysis *analysis,
                                        uint32_t first)
{
    struct fp_host_run run = { (enum fp_host_use)analysis->use[first], first,
                               1 };

    while (first + run.count < analysis->block_count &&
           analysis->use[first + run.count] == run.use)
        run.count++;
    return run;
}

const char *fp_host_use_name(enum fp_host_use use)
{
    static const char *const names[FP_HOST_USES] = {
        [FP_HOST_USE_ERASED] = "erased",     [FP_HOST_USE_STALE] = "stale",
        [FP_HOST_USE_METADATA] = "metadata", [FP_HOST_USE_DATA] = "data",
        [FP_HOST_USE_BAD] = "bad",
    };

    FP_ASSERT(use < FP_HOST_USES);
    return names[use];
}
