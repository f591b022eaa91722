/* SPDX-License-Identifier: MIT
 *
 * flashport image analyze: what the blocks are used for, how worn they are.
 *
 * The map on the terminal is of letters, which say all that the colours say.
 * It has at most 24 lines of 76 columns, whatever the size of the volume.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/analyze.h"

#include "cli/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_COLUMNS 64
#define MAP_LINES   24
#define BAR_COLUMNS 40

static const struct letter {
    char all, most;     /* of the blocks that it stands for */
    const char *colour; /* SGR, where there is colour */
} letters[FP_HOST_USES] = {
    [FP_HOST_USE_ERASED] = { '.', 'e', "2" },
    [FP_HOST_USE_STALE] = { 'S', 's', "33" },
    [FP_HOST_USE_METADATA] = { 'M', 'm', "1;34" },
    [FP_HOST_USE_DATA] = { 'D', 'd', "36" },
    [FP_HOST_USE_BAD] = { 'B', 'b', "7;31" },
};

/* In which order they are told: from what is used to what is free. */
static const enum fp_host_use order[FP_HOST_USES] = {
    FP_HOST_USE_METADATA, FP_HOST_USE_DATA, FP_HOST_USE_STALE,
    FP_HOST_USE_ERASED,   FP_HOST_USE_BAD,
};

const char *fpc_percent_text(uint32_t part, uint32_t count, char text[12])
{
    const unsigned percent = (unsigned)((uint64_t)part * 100 / count);

    if (part > 0 && percent == 0)
        return strcpy(text, "under 1 %");
    snprintf(text, 12, "%u %%", percent);
    return text;
}

/* --- text ----------------------------------------------------------------- */

static bool has_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && (!no_colour || !no_colour[0]) && term &&
           strcmp(term, "dumb") != 0;
}

static void print_uses(const struct fp_host_analysis *a)
{
    char percent[12], size[16];

    for (int i = 0; i < FP_HOST_USES; i++) {
        const enum fp_host_use use = order[i];

        if (use == FP_HOST_USE_BAD && a->count[use] == 0)
            continue;
        printf("%-12s %c %10" PRIu32 " block%-2s%9s %7s\n",
               fp_host_use_name(use), letters[use].all, a->count[use],
               fpc_plural(a->count[use]),
               fpc_percent_text(a->count[use], a->block_count, percent),
               fpc_size_text((uint64_t)a->count[use] * a->block_size, size));
    }
}

static void print_anchors(const struct fp_host_analysis *a)
{
    if (a->anchor_count == 2)
        printf("superblock   blocks %" PRIu32 " (in use) and %" PRIu32 "\n",
               a->anchors[0], a->anchors[1]);
    else if (a->anchor_count == 1)
        printf("superblock   block %" PRIu32 "\n", a->anchors[0]);
}

/* How many blocks were erased first..last times. */
static uint32_t count_between(const struct fp_host_analysis *a, uint32_t first,
                              uint32_t last)
{
    uint32_t count = 0;

    for (uint32_t b = 0; b < a->block_count; b++)
        count += a->erases[b] >= first && a->erases[b] <= last;
    return count;
}

static void print_class(uint64_t first, uint64_t last, uint32_t count,
                        uint32_t of)
{
    const uint64_t length = ((uint64_t)count * BAR_COLUMNS + of - 1) / of;

    if (first == last)
        printf("%22" PRIu64, first);
    else
        printf("%9" PRIu64 " to %9" PRIu64, first, last);
    printf(" %8" PRIu32 "%s", count, count ? "  " : "");
    for (uint64_t i = 0; i < length; i++)
        putchar('#');
    putchar('\n');
}

/* In classes that double: 0, 1, 2 to 3, 4 to 7. */
static void print_histogram(const struct fpc_analysis *analysis)
{
    for (uint64_t first = 0, last = 0; first <= analysis->wear.most;
         first = last + 1, last = 2 * first - 1)
        if (last >= analysis->wear.least)
            print_class(first, last,
                        count_between(analysis->blocks, (uint32_t)first,
                                      (uint32_t)last),
                        analysis->wear.told);
}

static void print_wear(const struct fpc_analysis *analysis)
{
    const struct fp_host_analysis *a = analysis->blocks;
    const struct fpc_wear *wear = &analysis->wear;

    if (wear->told > 0) {
        printf("wear         erases of %" PRIu32
               " metadata blocks at least, by "
               "revision counts:\n"
               "             mean %.1f, most %" PRIu32 " (block %" PRIu32
               "); of others nothing is told\n"
               "                erases   blocks\n",
               wear->told, wear->mean, wear->most, wear->worst);
        print_histogram(analysis);
    } else if (a->erases_together != FP_HOST_NOT_TOLD) {
        printf("wear         %" PRIu32 " erases of all blocks together, about "
               "%.1f a block\n",
               a->erases_together, (double)a->erases_together / a->block_count);
    } else {
        printf("wear         %s does not tell\n", analysis->fs);
    }
}

static void print_cell(struct fpc_cell cell, bool in_colour)
{
    const struct letter *letter = &letters[cell.use];
    const char c = cell.is_mixed ? letter->most : letter->all;

    if (in_colour)
        printf("\033[%sm%c\033[0m", letter->colour, c);
    else
        putchar(c);
}

static void print_map(const struct fp_host_analysis *a)
{
    const bool in_colour = has_colour();
    struct fpc_blockmap map;

    fpc_blockmap_init(&map, a, MAP_COLUMNS * MAP_LINES);
    puts("");
    for (uint32_t i = 0; i < map.count; i++) {
        if (i % MAP_COLUMNS == 0)
            printf("%10" PRIu64 "  ", (uint64_t)i * map.per_cell);
        print_cell(fpc_blockmap_cell(&map, i), in_colour);
        if (i % MAP_COLUMNS == MAP_COLUMNS - 1 || i == map.count - 1)
            putchar('\n');
    }
    if (map.per_cell == 1)
        puts("\none block a letter: M metadata, D data, S stale, . erased, "
             "B bad");
    else
        printf("\n%" PRIu32 " blocks a letter: M metadata, D data, S stale, . "
               "erased; m d s e: most\nof them, not all; b: at least one is "
               "bad, B: all\n",
               map.per_cell);
}

static void print_text(const struct fpc_analysis *analysis)
{
    const struct fp_host_analysis *a = analysis->blocks;
    char size[16];

    printf("filesystem   %s%s%s\n", analysis->fs,
           analysis->version[0] ? " " : "", analysis->version);
    if (analysis->image->found_at)
        printf("at           0x%" PRIx64 " in the file\n",
               analysis->image->found_at);
    printf("size         %s: %" PRIu32 " blocks of %" PRIu32 "\n",
           fpc_size_text((uint64_t)a->block_count * a->block_size, size),
           a->block_count, a->block_size);
    print_uses(a);
    print_anchors(a);
    print_wear(analysis);
    print_map(a);
}

/* --- JSON ----------------------------------------------------------------- */

/* Printed as it is found: a card may have more runs than memory has room for
 * as a document. All of it is numbers and words of ours. */
static void print_runs_json(const struct fp_host_analysis *a)
{
    struct fp_host_run run;

    fputs(" \"runs\": [", stdout);
    for (uint32_t b = 0; b < a->block_count; b = run.first + run.count) {
        run = fp_host_analysis_run(a, b);
        printf("%s\n  {\"first\": %" PRIu32 ", \"count\": %" PRIu32
               ", \"use\": \"%s\"}",
               b ? "," : "", run.first, run.count, fp_host_use_name(run.use));
    }
    fputs("\n ]\n", stdout);
}

/* Neighbours that were erased as often. */
static void print_erases_json(const struct fp_host_analysis *a)
{
    const char *comma = "";

    for (uint32_t b = 0, n; b < a->block_count; b += n) {
        for (n = 1; b + n < a->block_count && a->erases[b + n] == a->erases[b];)
            n++;
        if (a->erases[b] == FP_HOST_NOT_TOLD)
            continue;
        printf("%s\n  {\"first\": %" PRIu32 ", \"count\": %" PRIu32
               ", \"erases\": %" PRIu32 "}",
               comma, b, n, a->erases[b]);
        comma = ",";
    }
}

static void print_wear_json(const struct fpc_analysis *analysis)
{
    const struct fp_host_analysis *a = analysis->blocks;
    const struct fpc_wear *wear = &analysis->wear;

    if (wear->told > 0) {
        printf(" \"wear\": {\"blocks\": %" PRIu32 ", \"least\": %" PRIu32
               ", \"mean\": %.3f, \"most\": %" PRIu32 ", \"runs\": [",
               wear->told, wear->least, wear->mean, wear->most);
        print_erases_json(a);
        fputs("\n ]},\n", stdout);
    } else if (a->erases_together != FP_HOST_NOT_TOLD) {
        printf(" \"wear\": {\"erases_together\": %" PRIu32 "},\n",
               a->erases_together);
    } else {
        fputs(" \"wear\": null,\n", stdout);
    }
}

static void print_json(const struct fpc_analysis *analysis)
{
    const struct fp_host_analysis *a = analysis->blocks;

    printf("{\n \"fs\": \"%s\",\n \"version\": \"%s\",\n \"offset\": %" PRIu64
           ",\n \"block_size\": %" PRIu32 ",\n \"block_count\": %" PRIu32
           ",\n \"blocks\": {",
           analysis->fs, analysis->version, analysis->image->found_at,
           a->block_size, a->block_count);
    for (int i = 0; i < FP_HOST_USES; i++)
        printf("%s\"%s\": %" PRIu32, i ? ", " : "", fp_host_use_name(order[i]),
               a->count[order[i]]);
    fputs("},\n \"superblock\": [", stdout);
    for (uint32_t i = 0; i < a->anchor_count; i++)
        printf("%s%" PRIu32, i ? ", " : "", a->anchors[i]);
    puts("],");
    print_wear_json(analysis);
    print_runs_json(a);
    puts("}");
}

/* --- the verb ------------------------------------------------------------- */

/* "--svg IMAGE" would be the end of the image. */
static bool is_image(const struct fpc_image *image)
{
    struct stat a, b;

    return stat(image->path, &a) == 0 && stat(image->svg, &b) == 0 &&
           a.st_ino != 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int write_svg(const struct fpc_analysis *analysis)
{
    const char *path = analysis->image->svg;
    bool failed;
    FILE *out;

    if (is_image(analysis->image)) {
        fpc_error("--svg %s: that is the image itself", path);
        return FPC_EXIT_CONFLICT;
    }
    out = fopen(path, "wb");
    if (!out)
        return fpc_failed(path);
    fpc_analysis_svg(out, analysis);
    failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return FPC_EXIT_OK;
    return fpc_failed(path);
}

/* The picture comes first: who is told that all is well has it. */
static int show(const struct fpc_analysis *analysis)
{
    const char *svg = analysis->image->svg;
    const bool to_stdout = svg && strcmp(svg, "-") == 0;
    int status = FPC_EXIT_OK;

    if (to_stdout)
        fpc_analysis_svg(stdout, analysis);
    else if (svg)
        status = write_svg(analysis);
    if (status || to_stdout)
        return status;
    if (analysis->image->json)
        print_json(analysis);
    else
        print_text(analysis);
    return FPC_EXIT_OK;
}

static int analyze(struct fpc_image *image)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_host_analysis blocks;
    struct fp_statfs st;
    int err = fp_fs_statfs(mnt, &st), status;

    if (err == FP_OK)
        err = fp_host_analyze(&blocks, mnt);
    if (err == FP_ERR_NOTSUP) {
        fpc_error("%s: a %s does not tell what its blocks are used for",
                  image->path, mnt->ops->name);
        return FPC_EXIT_FAILED;
    }
    if (err)
        return fpc_image_failed(image, "/", err);
    status = show(&(struct fpc_analysis){ .image = image,
                                          .fs = mnt->ops->name,
                                          .version = st.version,
                                          .blocks = &blocks,
                                          .wear = fpc_blockmap_wear(&blocks) });
    fp_host_analysis_free(&blocks);
    return status;
}

int fpc_image_analyze(struct fpc_image *image)
{
    int status = fpc_image_open(image);

    if (status)
        return status;
    status = analyze(image);
    fpc_image_close(image);
    return status;
}
