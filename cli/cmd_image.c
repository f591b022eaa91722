/* SPDX-License-Identifier: MIT
 *
 * flashport image: the verbs and their options.
 */
#include "cli/image/image.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *args, *help;
    int least, most; /* operands after IMAGE */
    int (*run)(struct fpc_image *image);
} verbs[] = {
    { "info", "IMAGE", "filesystem, geometry and use", 0, 0, fpc_image_info },
    { "ls", "IMAGE [PATH]", "all files and directories, sorted by bytes", 0, 1,
      fpc_image_ls },
    { "cat", "IMAGE PATH...", "print files", 1, 1000000, fpc_image_cat },
    { "extract", "IMAGE DIR [PATH]", "write the files below PATH into DIR", 1,
      2, fpc_image_extract },
    { "check", "IMAGE", "say everything that is wrong; changes nothing", 0, 0,
      fpc_image_check },
    { "create", "IMAGE DIR", "make an image of what DIR holds", 1, 1,
      fpc_image_create },
};

static void print_help(FILE *out)
{
    fputs("usage: flashport image VERB IMAGE ... [OPTION...]\n"
          "Flash images, without daemon or device.\n\n",
          out);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        fprintf(out, "  %-8s %-18s %s\n", verbs[i].name, verbs[i].args,
                verbs[i].help);
    fputs("\nOptions:\n"
          "      --fs NAME          the filesystem; else it is found out "
          "(create: littlefs)\n"
          "      --offset N         where the volume starts in the file; "
          "without it the\n"
          "                         first volume found, on a grid of 4096 "
          "bytes\n"
          "      --block-size N     else found out (create: 4096)\n"
          "      --block-count N    refuse a volume that says another count "
          "(create: the\n"
          "                         smallest that fits)\n"
          "      --page-size N      for formats that have pages\n"
          "      --prog-size N      create: program unit of the flash "
          "(16)\n"
          "      --opt K=V,...      particular to the filesystem (littlefs: "
          "version=2.0 or\n"
          "                         2.1, name_max=N)\n"
          "      --json             print JSON\n"
          "      --digest           ls: SHA-256 of every file\n"
          "      --raw              names as stored, byte for byte\n"
          "  -l, --long             ls: size and time too\n\n"
          "Numbers may be hexadecimal (0x...) or end in K or M.\n"
          "Exit codes: 0 done, 2 wrong usage, 3 the image is refused or "
          "corrupt, 4 no such\nfile, 7 it does not fit, 1 anything else.\n",
          out);
}

/* 64-bit, decimal or 0x, with K or M behind. */
static bool number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (end == text || errno || text[0] == '-')
        return false;
    if (*end == 'K' || *end == 'k' || *end == 'M' || *end == 'm') {
        unsigned shift = *end == 'K' || *end == 'k' ? 10 : 20;

        if (*value > UINT64_MAX >> shift)
            return false;
        *value <<= shift;
        end++;
    }
    return *end == 0 && *value <= most;
}

static int usage(const char *why)
{
    fpc_error("%s", why);
    fputs("try: flashport image --help\n", stderr);
    return FPC_EXIT_USAGE;
}

/* version and name_max are fields of the configuration; the rest goes to the
 * driver as it is. */
static int parse_opt(struct fpc_image *image, const char *text)
{
    uint64_t n;

    image->cfg.options = text;
    for (const char *p = text; *p; p += strcspn(p, ","), p += *p == ',') {
        size_t len = strcspn(p, ",");
        char item[64];

        if (len >= sizeof item)
            return usage("--opt: an item is too long");
        memcpy(item, p, len);
        item[len] = 0;
        if (strcmp(item, "version=2.0") == 0)
            image->cfg.version = 0x20000;
        else if (strcmp(item, "version=2.1") == 0)
            image->cfg.version = 0x20001;
        else if (strncmp(item, "name_max=", 9) == 0 &&
                 number(item + 9, 1022, &n) && n > 0)
            image->cfg.name_max = (uint32_t)n;
        else
            return usage("--opt: littlefs takes version=2.0, version=2.1 and "
                         "name_max=1..1022");
    }
    image->cfg.options = NULL;
    return FPC_EXIT_OK;
}

static int parse_number(struct fpc_image *image, int opt, const char *text)
{
    uint64_t n;

    if (!number(text, opt == 'o' ? INT64_MAX : UINT32_MAX, &n) ||
        (n == 0 && opt != 'o'))
        return usage("a size or count must be a number above 0, decimal or "
                     "0x..., K and M may follow");
    switch (opt) {
    case 'o':
        image->has_offset = true;
        image->offset = n;
        break;
    case 'b':
        image->cfg.block_size = (uint32_t)n;
        break;
    case 'c':
        image->cfg.block_count = (uint32_t)n;
        break;
    case 'p':
        image->cfg.page_size = (uint32_t)n;
        break;
    default:
        image->prog_size = (uint32_t)n;
    }
    return FPC_EXIT_OK;
}

static int parse(struct fpc_context *ctx, struct fpc_image *image, int argc,
                 char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "fs", required_argument, NULL, 'f' },
        { "offset", required_argument, NULL, 'o' },
        { "block-size", required_argument, NULL, 'b' },
        { "block-count", required_argument, NULL, 'c' },
        { "page-size", required_argument, NULL, 'p' },
        { "prog-size", required_argument, NULL, 'g' },
        { "opt", required_argument, NULL, 'O' },
        { "digest", no_argument, NULL, 'd' },
        { "raw", no_argument, NULL, 'r' },
        { "long", no_argument, NULL, 'l' },
        { 0 },
    };
    int opt, status = FPC_EXIT_OK;

    while (status == FPC_EXIT_OK &&
           (opt = getopt_long(argc, argv, "l", options, NULL)) != -1) {
        if (fpc_common_option(ctx, opt, optarg))
            continue;
        if (opt == 'f')
            image->fs = optarg;
        else if (opt == 'd')
            image->digest = true;
        else if (opt == 'r')
            image->raw = true;
        else if (opt == 'l')
            image->detailed = true;
        else if (opt == 'O')
            status = parse_opt(image, optarg);
        else if (strchr("obcpg", opt))
            status = parse_number(image, opt, optarg);
        else
            status = usage("no such option");
    }
    return status;
}

static int run_verb(struct fpc_image *image)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(image->verb, verbs[i].name) != 0)
            continue;
        if (image->arg_count >= verbs[i].least &&
            image->arg_count <= verbs[i].most)
            return verbs[i].run(image);
        fpc_error("image %s takes: %s", verbs[i].name, verbs[i].args);
        return FPC_EXIT_USAGE;
    }
    fpc_error("no such verb: image %s", image->verb);
    return usage("info, ls, cat, extract, check or create");
}

int fpc_cmd_image(struct fpc_context *ctx, int argc, char **argv)
{
    struct fpc_image *image;
    int status, operands;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        print_help(stdout);
        return FPC_EXIT_OK;
    }
    image = calloc(1, sizeof *image);
    if (!image)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    status = parse(ctx, image, argc, argv);
    operands = argc - optind;
    if (status == FPC_EXIT_OK && operands < 2)
        status = usage("a verb and an image are needed");
    if (status == FPC_EXIT_OK) {
        image->json = ctx->json;
        image->quiet = ctx->quiet;
        image->verb = argv[optind];
        image->path = argv[optind + 1];
        image->args = argv + optind + 2;
        image->arg_count = operands - 2;
        status = run_verb(image);
    }
    free(image);
    return status;
}
