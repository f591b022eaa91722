/* SPDX-License-Identifier: MIT
 *
 * The pass. First where volumes begin by rule: the dump itself and each
 * partition. Then every byte that nobody has claimed, window by window: each
 * finder has its next candidate there, the first of them is judged, and a
 * volume that is believed takes all its bytes out of the pass. Last, volumes
 * that state no size take what is plausibly theirs of the space behind them.
 */
#include "core/host/scan/pass.h"
#include "core/host/volume.h"

#include <stdlib.h>
#include <string.h>

/* What candidates may cost: this, and so many bytes for each one passed. */
#define BUDGET      (64u << 20)
#define BUDGET_EACH 16u
#define BUDGET_MOST (FP_HOST_SCAN_WINDOW + FP_HOST_SCAN_AHEAD)

/* Of the head only what begins there counts. */
#define HEAD_WINDOW 4096u

/* Where several have a candidate at one place, the surest first. */
static const struct fp_host_scan_finder *const finders[] = {
    &fp_host_scan_littlefs, &fp_host_scan_fat,    &fp_host_scan_mbr,
    &fp_host_scan_bonsai,   &fp_host_scan_spiffs, &fp_host_scan_minifs,
    &fp_host_scan_esp,
};

#define NOT_ASKED UINT64_MAX

#define FINDERS (sizeof finders / sizeof *finders)

_Static_assert(FINDERS <= FP_HOST_SCAN_FINDERS, "each has its hit");

/* --- places --- */

static void narrow(struct fp_host_scan_pass *pass, uint64_t edge, uint64_t at)
{
    if (edge <= at && edge > pass->floor)
        pass->floor = edge;
    if (edge > at && edge < pass->limit)
        pass->limit = edge;
}

/* Settles where a volume that has byte `at` may lie, one region aside that has
 * it already. */
static void set_bounds(struct fp_host_scan_pass *pass, uint64_t at)
{
    const struct fp_host_scan *scan = pass->scan;
    size_t i = fp_host_scan_behind(scan, at);
    const struct fp_host_region *before = i ? &scan->regions[i - 1] : NULL;

    pass->floor = 0;
    pass->limit = pass->size;
    if (before && at - before->offset >= before->size)
        narrow(pass, before->offset + before->size, at);
    if (i < scan->count)
        narrow(pass, scan->regions[i].offset, at);
    for (i = 0; i < scan->part_count; i++) {
        if (scan->parts[i].why != FP_MBR_FINE)
            continue;
        narrow(pass, scan->parts[i].offset, at);
        narrow(pass, scan->parts[i].offset + scan->parts[i].size, at);
    }
    pass->is_head = pass->floor == 0;
    for (i = 0; i < scan->part_count; i++)
        pass->is_head |= scan->parts[i].offset == pass->floor;
}

/* --- candidates --- */

static bool is_wanted(const struct fp_host_scan_pass *pass,
                      const struct fp_host_scan_finder *finder)
{
    return finder->fs == NULL || fp_host_scan_driver(pass, finder->fs) != NULL;
}

/* A window of that size. What candidates in it may cost goes by the largest. */
static int load(struct fp_host_scan_pass *pass, uint64_t at, uint32_t window)
{
    uint64_t rest = pass->size - at;
    const uint32_t most = window + FP_HOST_SCAN_AHEAD;

    pass->win_at = at;
    pass->win_size = rest < most ? (uint32_t)rest : most;
    pass->win_end = at + (rest < window ? rest : window);
    pass->budget +=
        (uint64_t)BUDGET_EACH * (rest < BUDGET_MOST ? rest : BUDGET_MOST);
    for (size_t i = 0; i < FINDERS; i++)
        pass->hits[i] = NOT_ASKED;
    return fp_bdev_read(&pass->whole.bdev, at, pass->buf, pass->win_size);
}

static int look_into_parts(struct fp_host_scan_pass *pass, size_t from);

/* Has one of the finders something that begins, or is marked, at `at`? */
static int judge_at(struct fp_host_scan_pass *pass, uint64_t at,
                    struct fp_host_region *found)
{
    int err = FP_ERR_NOENT;

    set_bounds(pass, at);
    for (size_t i = 0; i < FINDERS && err == FP_ERR_NOENT; i++)
        if (pass->hits[i] == at && is_wanted(pass, finders[i]))
            err = finders[i]->look(pass, at, found);
    return err;
}

static int look_at(struct fp_host_scan_pass *pass, uint64_t at)
{
    size_t parts = pass->scan->part_count;
    struct fp_host_region found;
    int err = judge_at(pass, at, &found);

    if (!err)
        err = fp_host_scan_add(pass->scan, &found);
    return err ? err : look_into_parts(pass, parts);
}

static void find_next(struct fp_host_scan_pass *pass, uint64_t from)
{
    for (size_t i = 0; i < FINDERS; i++)
        if (pass->hits[i] < from || pass->hits[i] == NOT_ASKED)
            pass->hits[i] = is_wanted(pass, finders[i])
                                ? finders[i]->next(pass, from)
                                : pass->win_end;
}

/* --- where volumes begin by rule --- */

/* What is none of a finder's, since its mark is gone or it never had one, may
 * still be a volume that fills all there is. */
static int look_at_whole(struct fp_host_scan_pass *pass, uint64_t at)
{
    const struct fp_fs_ops *const able[] = {
        fp_host_scan_driver(pass, "fat"),
        fp_host_scan_driver(pass, "bonsai"),
        fp_host_scan_driver(pass, "spiffs"),
    };
    const struct fp_fs_ops *list[sizeof able / sizeof *able + 1] = { NULL };
    const struct fp_fs_ops *ops;
    struct fp_fs_config cfg = { 0 };
    struct fp_host_region found;
    uint64_t size = pass->limit - at;
    size_t n = 0;
    int err;

    for (size_t i = 0; i < sizeof able / sizeof *able; i++)
        if (able[i] != NULL)
            list[n++] = able[i];
    fp_host_view_init(&pass->view, pass->dev, at, size, &pass->budget);
    err = fp_fs_probe(list, &pass->view.bdev, &ops, &cfg);
    if (err)
        return err == FP_ERR_CANCELED ? err : FP_ERR_NOENT;
    err =
        fp_host_scan_settle(pass, ops, &cfg, at, size, ops == able[0], &found);
    if (err)
        return err;
    if (!found.states_size)
        found.size -= found.size % found.cfg.block_size;
    return fp_host_scan_add(pass->scan, &found);
}

/* Looks at the beginning of the dump, or of a partition. */
static int look_at_head(struct fp_host_scan_pass *pass, uint64_t at)
{
    int err;

    if (at >= pass->size || fp_host_scan_region_at(pass->scan, at))
        return FP_OK;
    err = load(pass, at, HEAD_WINDOW);
    if (err)
        return err;
    find_next(pass, at);
    err = look_at(pass, at);
    if (err == FP_ERR_NOENT) {
        set_bounds(pass, at);
        err = look_at_whole(pass, at);
    }
    pass->win_size = 0; /* it is the pass' no more */
    pass->win_end = 0;
    return err == FP_ERR_NOENT ? FP_OK : err;
}

/* Partitions in partitions are as many as the list takes. */
static int look_into_parts(struct fp_host_scan_pass *pass, size_t from)
{
    int err = FP_OK;

    if (pass->is_in_parts)
        return FP_OK;
    pass->is_in_parts = true;
    for (; from < pass->scan->part_count && !err; from++)
        if (pass->scan->parts[from].why == FP_MBR_FINE)
            err = look_at_head(pass, pass->scan->parts[from].offset);
    pass->is_in_parts = false;
    return err;
}

/* --- the pass --- */

/* Bytes that the OS knows to be zeros, and none begins with. */
static uint64_t skip_hole(const struct fp_host_scan_pass *pass, uint64_t at)
{
    const struct fp_host_scan_config *cfg = pass->cfg;
    uint64_t data = cfg->next_data ? cfg->next_data(cfg->ctx, at) : at;

    return data < at ? at : data < pass->size ? data : pass->size;
}

static bool is_enough(const struct fp_host_scan_pass *pass, uint64_t at)
{
    const struct fp_host_region *first, *last;

    if (pass->cfg->want == 0)
        return false;
    first = fp_host_scan_volume(pass->scan, 1);
    last = fp_host_scan_volume(pass->scan, pass->cfg->want);
    return (last && at >= last->offset) ||
           (pass->cfg->read_on && first && at > first->offset &&
            pass->read_on >= pass->cfg->read_on);
}

/* Goes on from `*at` by a window, a hole, a region or a candidate. */
static int step(struct fp_host_scan_pass *pass, uint64_t *at)
{
    const struct fp_host_region *taken =
        fp_host_scan_region_at(pass->scan, *at);
    uint64_t next = UINT64_MAX;
    int err = FP_OK;

    if (taken) {
        *at = taken->offset + taken->size;
        return FP_OK;
    }
    if (*at < pass->win_at || *at >= pass->win_end) {
        *at = skip_hole(pass, *at);
        if (*at == pass->size || fp_host_scan_region_at(pass->scan, *at))
            return FP_OK;
        err = load(pass, *at, FP_HOST_SCAN_WINDOW);
        if (pass->scan->volume_count > 0)
            pass->read_on += pass->win_size;
    }
    if (err)
        return err;
    find_next(pass, *at);
    for (size_t i = 0; i < FINDERS; i++)
        next = pass->hits[i] < next ? pass->hits[i] : next;
    set_bounds(pass, *at);
    if (next >= pass->win_end || fp_host_scan_region_at(pass->scan, next)) {
        *at = next;
        return FP_OK;
    }
    err = look_at(pass, next);
    /* A volume may begin before the mark that gave it away. */
    *at = fp_host_scan_region_at(pass->scan, next) ? next : next + 1;
    return err == FP_ERR_NOENT ? FP_OK : err;
}

static int pass_over(struct fp_host_scan_pass *pass)
{
    uint64_t at = 0;
    int err = FP_OK;

    while (!err && at < pass->size && !is_enough(pass, at))
        err = step(pass, &at);
    return err;
}

/* --- sizes that nothing states --- */

static const struct fp_host_scan_finder *finder_of(
    const struct fp_host_region *r)
{
    for (size_t i = 0; i < FINDERS; i++)
        if (r->kind == FP_HOST_VOLUME && finders[i]->fs &&
            strcmp(finders[i]->fs, r->ops->name) == 0)
            return finders[i];
    return NULL;
}

/* A volume that begins where the dump or the partition does, with no other
 * behind it, fills that. */
static int grow(struct fp_host_scan_pass *pass, size_t i)
{
    struct fp_host_region *r = &pass->scan->regions[i], grown;
    const struct fp_host_scan_finder *finder = finder_of(r);
    bool is_last = i + 1 == pass->scan->count;
    struct fp_fs_config cfg = r->cfg;
    uint64_t size, fills;
    int err;

    if (finder == NULL || finder->grow == NULL || r->states_size)
        return FP_OK;
    cfg.block_count = 0;
    set_bounds(pass, r->offset + r->size - 1);
    fills = pass->limit - r->offset;
    fills -= fills % r->cfg.block_size;
    is_last |= !is_last && pass->scan->regions[i + 1].offset > pass->limit;
    set_bounds(pass, r->offset);
    if (pass->is_head && is_last && pass->floor == r->offset &&
        fp_host_scan_settle(pass, r->ops, &cfg, r->offset, fills, false,
                            &grown) == FP_OK) {
        *r = grown;
        return FP_OK;
    }
    size = finder->grow(pass, r, r->offset + fills) - r->offset;
    err =
        fp_host_scan_settle(pass, r->ops, &cfg, r->offset, size, false, &grown);
    if (err == FP_OK)
        *r = grown;
    return err == FP_ERR_NOENT ? FP_OK : err;
}

static int grow_all(struct fp_host_scan_pass *pass)
{
    int err = FP_OK;

    for (size_t i = 0; i < pass->scan->count && !err; i++)
        err = grow(pass, i);
    return err;
}

/* --- all of it --- */

/* A budget that is spent ends the search, not the scan. */
static int spent(struct fp_host_scan_pass *pass, int err)
{
    if (err != FP_ERR_CANCELED)
        return err;
    pass->scan->gave_up = true;
    return FP_OK;
}

static int run(struct fp_host_scan_pass *pass)
{
    struct fp_host_region table;
    int err = fp_host_scan_mbr.look(pass, 0, &table);

    if (err == FP_OK)
        err = fp_host_scan_add(pass->scan, &table);
    else if (err == FP_ERR_NOENT)
        err = look_at_head(pass, 0);
    if (!err)
        err = look_into_parts(pass, 0);
    if (!err)
        err = pass_over(pass);
    err = spent(pass, err);
    pass->budget += BUDGET;
    if (!err)
        err = spent(pass, grow_all(pass));
    if (!err && pass->cfg->want == 0)
        err = fp_host_scan_gaps(pass);
    return err;
}

static struct fp_host_scan_pass *new_pass(struct fp_host_scan *scan,
                                          struct fp_bdev *dev,
                                          const struct fp_host_scan_config *cfg)
{
    struct fp_host_scan_pass *pass = calloc(1, sizeof *pass);

    *scan = (struct fp_host_scan){ .mbr = { .why = FP_MBR_NO_TABLE } };
    if (pass == NULL)
        return NULL;
    pass->scan = scan;
    pass->cfg = cfg;
    pass->dev = dev;
    pass->size = fp_bdev_size(dev);
    pass->budget = BUDGET;
    fp_host_view_init(&pass->eye, dev, 0, UINT64_MAX / 2, &pass->budget);
    fp_host_view_init(&pass->whole, dev, 0, pass->size, NULL);
    pass->buf = malloc(FP_HOST_SCAN_WINDOW + FP_HOST_SCAN_AHEAD);
    if (pass->buf != NULL)
        return pass;
    free(pass);
    return NULL;
}

static void free_pass(struct fp_host_scan_pass *pass)
{
    free(pass->buf);
    free(pass);
}

int fp_host_scan(struct fp_host_scan *scan, struct fp_bdev *dev,
                 const struct fp_host_scan_config *cfg)
{
    struct fp_host_scan_pass *pass = new_pass(scan, dev, cfg);
    int err;

    if (pass == NULL)
        return FP_ERR_NOMEM;
    err = run(pass);
    free_pass(pass);
    if (err)
        fp_host_scan_free(scan);
    return err;
}

int fp_host_scan_at(struct fp_bdev *dev, const struct fp_host_scan_config *cfg,
                    uint64_t off, struct fp_host_region *found)
{
    struct fp_host_scan scan;
    struct fp_host_scan_pass *pass;
    int err;

    if (off >= fp_bdev_size(dev))
        return FP_ERR_NOENT;
    pass = new_pass(&scan, dev, cfg);
    if (pass == NULL)
        return FP_ERR_NOMEM;
    err = load(pass, off, HEAD_WINDOW);
    if (!err) {
        find_next(pass, off);
        err = judge_at(pass, off, found);
    }
    if (!err && (found->kind != FP_HOST_VOLUME || found->offset != off))
        err = FP_ERR_NOENT;
    free_pass(pass);
    fp_host_scan_free(&scan);
    return err;
}
