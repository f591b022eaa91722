/* SPDX-License-Identifier: MIT
 *
 * The analysis as a picture:
 *
 *     title, geometry
 *     one bar of all blocks by use, and the legend below it
 *     the map: rows of squares, 1,024 units wide whatever their number
 *     wear: a bar for each column of squares' width, where the format tells
 *
 * A use is told by its lightness and its pattern, not by hue alone: metadata
 * is dark, data light, stale light and hatched, erased nearly white, bad black
 * and dotted. The hues are blue and orange, which all kinds of colour blindness
 * tell apart. Each use is one path, so that 65,536 blocks are half a megabyte
 * at the most. The names in it are escaped: they come from people's files.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/analyze.h"

#include "cli/out.h"

#include <inttypes.h>
#include <string.h>

#define LEFT      84 /* of the map; block numbers stand before it */
#define WIDTH     1024
#define RIGHT     36
#define BAR_TOP   96
#define BAR       28
#define MAP_TOP   214
#define MAP_MOST  65536u /* cells */
#define COLS_MOST 256u
#define WEAR      96 /* height of its chart */
#define WEAR_BARS 256u

static const struct look {
    enum fp_host_use use;
    const char *fill, *meaning;
} looks[FP_HOST_USES] = {
    { FP_HOST_USE_METADATA, "#12355b", "of the filesystem itself" },
    { FP_HOST_USE_DATA, "#7fbfe6", "content of files" },
    { FP_HOST_USE_STALE, "url(#stale)", "free, to be erased first" },
    { FP_HOST_USE_ERASED, "#f1efe8", "free, ready to be written" },
    { FP_HOST_USE_BAD, "url(#bad)", "does not work" },
};

struct picture {
    FILE *out;
    const struct fpc_analysis *analysis;
    struct fpc_blockmap map;
    uint32_t cols, rows, cell; /* cell: its side */
};

/* As many columns as make the map clearly wider than high, where that goes. */
static void lay_out(struct picture *p)
{
    fpc_blockmap_init(&p->map, p->analysis->blocks, MAP_MOST);
    p->cols = 16;
    while (p->cols < COLS_MOST &&
           (p->map.count + p->cols - 1) / p->cols > p->cols * 5 / 8)
        p->cols *= 2;
    p->rows = (p->map.count + p->cols - 1) / p->cols;
    p->cell = WIDTH / p->cols;
}

/* Characters that are not XML's own go through the printer of names, which
 * lets through printable UTF-8 and nothing else. */
static void put_name(FILE *out, const char *name)
{
    while (*name) {
        const size_t n = strcspn(name, "&<>\"'");

        fpc_print_name(out, name, n);
        name += n;
        if (*name)
            fprintf(out, "&#%d;", *name++);
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* --- head ----------------------------------------------------------------- */

static bool has_wear(const struct picture *p)
{
    return p->analysis->wear.told > 0;
}

static uint32_t map_bottom(const struct picture *p)
{
    return MAP_TOP + p->rows * p->cell;
}

static void put_style(FILE *out)
{
    fputs("<style>text{font:14px system-ui,'DejaVu Sans',sans-serif;"
          "fill:#1c1c1c}.title{font-size:22px;font-weight:600}"
          ".num{font-size:12px;fill:#444}.end{text-anchor:end}"
          ".mid{text-anchor:middle}</style>\n",
          out);
}

/* Coarse ones where squares are large: fine hatching dazzles. */
static void put_patterns(const struct picture *p)
{
    fprintf(p->out,
            "<defs>\n<pattern id=\"stale\" width=\"4\" height=\"4\" "
            "patternUnits=\"userSpaceOnUse\" patternTransform=\"scale(%d)\">"
            "<path fill=\"#f7b955\" d=\"M0 0h4v4h-4z\"/><path "
            "stroke=\"#b86e00\" stroke-width=\".8\" "
            "d=\"M-1 1l2-2M0 4l4-4M3 5l2-2\"/></pattern>\n"
            "<pattern id=\"bad\" width=\"4\" height=\"4\" "
            "patternUnits=\"userSpaceOnUse\" patternTransform=\"scale(%d)\">"
            "<path d=\"M0 0h4v4h-4z\"/><path fill=\"#fff\" "
            "d=\"M1 1h1v1h-1z\"/></pattern>\n</defs>\n",
            p->cell >= 16 ? 2 : 1, p->cell >= 16 ? 2 : 1);
}

static void put_geometry(const struct picture *p)
{
    const struct fp_host_analysis *a = p->analysis->blocks;
    char size[16], percent[12];

    fpc_size_text((uint64_t)a->block_count * a->block_size, size);
    fprintf(p->out,
            "%s%s%s, %s: %" PRIu32 " blocks of %" PRIu32 " bytes, %s in use",
            p->analysis->fs, p->analysis->version[0] ? " " : "",
            p->analysis->version, size, a->block_count, a->block_size,
            fpc_percent_text(a->count[FP_HOST_USE_METADATA] +
                                 a->count[FP_HOST_USE_DATA],
                             a->block_count, percent));
    if (p->analysis->image->found_at)
        fprintf(p->out, ", at 0x%" PRIx64 " in the file",
                p->analysis->image->found_at);
}

static void put_document(const struct picture *p)
{
    const uint32_t width = LEFT + WIDTH + RIGHT;
    const uint32_t height = map_bottom(p) + (has_wear(p) ? 84 + WEAR + 40 : 64);

    fprintf(p->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRIu32
            "\" height=\"%" PRIu32 "\" viewBox=\"0 0 %" PRIu32 " %" PRIu32
            "\" role=\"img\" aria-labelledby=\"title geometry\">\n<title "
            "id=\"title\">",
            width, height, width, height);
    put_name(p->out, base_name(p->analysis->image->path));
    fputs("</title>\n<desc id=\"geometry\">", p->out);
    put_geometry(p);
    fputs("</desc>\n", p->out);
    put_style(p->out);
    put_patterns(p);
    fprintf(p->out,
            "<path fill=\"#fff\" d=\"M0 0h%" PRIu32 "v%" PRIu32 "H0z\"/>\n",
            width, height);
}

static void put_head(const struct picture *p)
{
    put_document(p);
    fprintf(p->out, "<text class=\"title\" x=\"%d\" y=\"44\">", LEFT);
    put_name(p->out, base_name(p->analysis->image->path));
    fprintf(p->out, "</text>\n<text x=\"%d\" y=\"74\">", LEFT);
    put_geometry(p);
    fputs("</text>\n", p->out);
}

/* --- bar and legend ------------------------------------------------------- */

static void put_rect(FILE *out, const char *fill, double x, double y,
                     double width, double height)
{
    fprintf(out,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
            "fill=\"%s\" stroke=\"#1c1c1c\" stroke-width=\".75\"/>\n",
            x, y, width, height, fill);
}

static void put_bar(const struct picture *p)
{
    const struct fp_host_analysis *a = p->analysis->blocks;
    double x = LEFT;

    for (int i = 0; i < FP_HOST_USES; i++) {
        const double width =
            (double)WIDTH * a->count[looks[i].use] / a->block_count;

        if (width > 0)
            put_rect(p->out, looks[i].fill, x, BAR_TOP, width, BAR);
        x += width;
    }
}

/* Bad blocks are told where there are some: then five share the line. */
static void put_legend(const struct picture *p)
{
    const struct fp_host_analysis *a = p->analysis->blocks;
    const int items = a->count[FP_HOST_USE_BAD] ? 5 : 4;
    const int y = BAR_TOP + BAR + 18;
    char percent[12];

    for (int i = 0; i < items; i++) {
        const uint32_t count = a->count[looks[i].use];
        const int x = LEFT + i * WIDTH / items;

        put_rect(p->out, looks[i].fill, x, y, 16, 16);
        fprintf(p->out,
                "<text x=\"%d\" y=\"%d\">%s: %" PRIu32 " (%s)</text>\n"
                "<text class=\"num\" x=\"%d\" y=\"%d\">%s</text>\n",
                x + 24, y + 13, fp_host_use_name(looks[i].use), count,
                fpc_percent_text(count, a->block_count, percent), x + 24,
                y + 30, looks[i].meaning);
    }
}

/* --- map ------------------------------------------------------------------ */

/* The squares of one use, those beside each other as one piece of the path. */
static void put_uses(const struct picture *p, const struct look *look)
{
    const uint32_t side = p->cell;

    fprintf(p->out, "<path fill=\"%s\" d=\"", look->fill);
    for (uint32_t i = 0, n; i < p->map.count; i += n) {
        n = 1;
        if (fpc_blockmap_cell(&p->map, i).use != look->use)
            continue;
        while (i + n < p->map.count && (i + n) % p->cols != 0 &&
               fpc_blockmap_cell(&p->map, i + n).use == look->use)
            n++;
        fprintf(p->out,
                "M%" PRIu32 " %" PRIu32 "h%" PRIu32 "v%" PRIu32 "h-%" PRIu32
                "z",
                LEFT + i % p->cols * side, MAP_TOP + i / p->cols * side,
                n * side, side, n * side);
    }
    fputs("\"/>\n", p->out);
}

/* Lines between the squares, where there is room for lines; and around all. */
static void put_grid(const struct picture *p)
{
    const uint32_t bottom = map_bottom(p);

    fputs("<path fill=\"none\" stroke=\"#fff\" d=\"", p->out);
    for (uint32_t col = 1; p->cell > 4 && col < p->cols; col++)
        fprintf(p->out, "M%" PRIu32 " %dV%" PRIu32, LEFT + col * p->cell,
                MAP_TOP, bottom);
    for (uint32_t row = 1; p->cell > 4 && row < p->rows; row++)
        fprintf(p->out, "M%d %" PRIu32 "h%d", LEFT, MAP_TOP + row * p->cell,
                WIDTH);
    fprintf(p->out,
            "\"/>\n<path fill=\"none\" stroke=\"#888\" d=\"M%d %dh%dV%" PRIu32
            "h-%dz\"/>\n",
            LEFT, MAP_TOP, WIDTH, bottom, WIDTH);
}

/* The number of the first block of a row, wherever there is room for it. */
static void put_numbers(const struct picture *p)
{
    const uint32_t step = p->cell >= 16 ? 1 : 32 / p->cell;

    for (uint32_t row = 0; row < p->rows; row += step)
        fprintf(p->out,
                "<text class=\"num end\" x=\"%d\" y=\"%" PRIu32 "\">%" PRIu32
                "</text>\n",
                LEFT - 8,
                MAP_TOP + row * p->cell + (p->cell >= 16 ? p->cell / 2 : 5) + 4,
                row * p->cols * p->map.per_cell);
}

static void put_map(const struct picture *p)
{
    for (int i = 0; i < FP_HOST_USES; i++)
        if (p->analysis->blocks->count[looks[i].use])
            put_uses(p, &looks[i]);
    put_grid(p);
    put_numbers(p);
    fprintf(p->out, "<text class=\"num\" x=\"%d\" y=\"%" PRIu32 "\">", LEFT,
            map_bottom(p) + 20);
    if (p->map.per_cell == 1)
        fputs("A square is a block", p->out);
    else
        fprintf(p->out,
                "A square is %" PRIu32 " blocks and shows what most of them "
                "are; one that is bad shows",
                p->map.per_cell);
    fprintf(p->out, "; a row is %" PRIu32 " blocks.</text>\n",
            p->cols * p->map.per_cell);
}

/* --- wear ----------------------------------------------------------------- */

/* Bars along the blocks in their order; each the most of those it stands for.
 * A block of which nothing is told has none, not one of no height. */
static void put_wear_bars(const struct picture *p, uint32_t top)
{
    const uint32_t most = p->analysis->wear.most ? p->analysis->wear.most : 1;
    struct fpc_blockmap map;
    double width;

    fpc_blockmap_init(&map, p->analysis->blocks, WEAR_BARS);
    width = (double)WIDTH / map.count;
    fputs("<path fill=\"#6a3d9a\" d=\"", p->out);
    for (uint32_t i = 0; i < map.count; i++) {
        const uint32_t erases = fpc_blockmap_cell(&map, i).erases;
        const double height = 2 + (double)(WEAR - 2) * erases / most;

        if (erases != FP_HOST_NOT_TOLD)
            fprintf(p->out, "M%.2f %" PRIu32 "v-%.1fh%.2fv%.1fz",
                    LEFT + i * width, top + WEAR, height,
                    width > 8 ? width - 2 : width, height);
    }
    fputs("\"/>\n", p->out);
}

static void put_wear_axes(const struct picture *p, uint32_t top)
{
    const uint32_t blocks = p->analysis->blocks->block_count;

    fprintf(p->out,
            "<path fill=\"none\" stroke=\"#888\" d=\"M%d %" PRIu32 "v%dh%d\"/>"
            "<path fill=\"none\" stroke=\"#bbb\" stroke-dasharray=\"2 4\" "
            "d=\"M%d %" PRIu32 "h%d\"/>\n"
            "<text class=\"num end\" x=\"%d\" y=\"%" PRIu32 "\">%" PRIu32
            "</text>\n<text class=\"num end\" x=\"%d\" y=\"%" PRIu32
            "\">0</text>\n",
            LEFT, top, WEAR, WIDTH, LEFT, top, WIDTH, LEFT - 8, top + 5,
            p->analysis->wear.most, LEFT - 8, top + WEAR + 4);
    for (uint32_t i = 0; i <= 4; i++)
        fprintf(p->out,
                "<text class=\"num %s\" x=\"%u\" y=\"%" PRIu32 "\">%s%" PRIu64
                "</text>\n",
                i == 4 ? "end"
                : i    ? "mid"
                       : "",
                LEFT + i * WIDTH / 4, top + WEAR + 18, i ? "" : "block ",
                (uint64_t)(blocks - 1) * i / 4);
}

static void put_wear(const struct picture *p)
{
    const struct fpc_wear *wear = &p->analysis->wear;
    const uint32_t top = map_bottom(p) + 84;

    fprintf(p->out,
            "<text x=\"%d\" y=\"%" PRIu32 "\">Erases of %" PRIu32
            " metadata blocks, at the least, by their revision counts: mean "
            "%.1f, most %" PRIu32 " (block %" PRIu32
            "). Of other blocks nothing is told.</text>\n",
            LEFT, top - 22, wear->told, wear->mean, wear->most, wear->worst);
    put_wear_bars(p, top);
    put_wear_axes(p, top);
}

static void put_wear_line(const struct picture *p)
{
    const struct fp_host_analysis *a = p->analysis->blocks;

    fprintf(p->out, "<text x=\"%d\" y=\"%" PRIu32 "\">", LEFT,
            map_bottom(p) + 46);
    if (a->erases_together != FP_HOST_NOT_TOLD)
        fprintf(p->out,
                "Wear: %" PRIu32 " erases of all blocks together, about %.1f "
                "a block.</text>\n",
                a->erases_together,
                (double)a->erases_together / a->block_count);
    else
        fprintf(p->out, "Wear: %s does not tell.</text>\n", p->analysis->fs);
}

void fpc_analysis_svg(FILE *out, const struct fpc_analysis *analysis)
{
    struct picture p = { .out = out, .analysis = analysis };

    lay_out(&p);
    put_head(&p);
    put_bar(&p);
    put_legend(&p);
    put_map(&p);
    if (has_wear(&p))
        put_wear(&p);
    else
        put_wear_line(&p);
    fputs("</svg>\n", out);
}
