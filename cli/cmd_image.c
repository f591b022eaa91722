/* SPDX-License-Identifier: MIT
 *
 * flashport image: the verbs and their options.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/image/opts.h"
#include "cli/say.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of verbs, told with each that takes them. */
enum {
    OPT_FIND = 1, /* which volume in the file */
    OPT_LIST = 2,
    OPT_RAW = 4,
    OPT_CREATE = 8,
    OPT_WRITE = 16, /* all verbs that write into a volume */
    OPT_KEEP = 32,
    OPT_PARENTS = 64,
    OPT_RM = 128,
    OPT_TREE = 256,
    OPT_LOSSY = 512,
    OPT_ANALYZE = 1024,
    OPT_DIFF = 2048,
    OPT_TRACE = 4096,
    OPT_CONVERT = 8192,
};

static const struct verb {
    const char *name, *args, *help;
    int least, most; /* operands after IMAGE */
    int options;
    int (*run)(struct fpc_image *image);
} verbs[] = {
    { "info", "IMAGE", "all that is in a dump; filesystem and geometry", 0, 0,
      OPT_FIND, fpc_image_info },
    { "ls", "IMAGE [PATH]", "all files and directories, sorted by bytes", 0, 1,
      OPT_FIND | OPT_LIST | OPT_RAW, fpc_image_ls },
    { "cat", "IMAGE PATH...", "print files", 1, 1000000, OPT_FIND | OPT_RAW,
      fpc_image_cat },
    { "extract", "IMAGE DIR [PATH]",
      "files below PATH into DIR, a FILE.tar or '-'", 1, 2, OPT_FIND,
      fpc_image_extract },
    { "check", "IMAGE", "say everything that is wrong; changes nothing", 0, 0,
      OPT_FIND, fpc_image_check },
    { "analyze", "IMAGE", "what blocks are used for, and how worn they are", 0,
      0, OPT_FIND | OPT_ANALYZE, fpc_image_analyze },
    { "diff", "IMAGE IMAGE", "which files differ: exit code 1 then, as diff(1)",
      1, 1, OPT_FIND | OPT_DIFF, fpc_image_diff },
    { "trace", "IMAGE [SCRIPT]",
      "what a workload asks of the flash; changes nothing", 0, 1,
      OPT_FIND | OPT_TRACE, fpc_image_trace },
    { "create", "IMAGE DIR",
      "make an image of what DIR, a FILE.tar or '-' holds", 1, 1,
      OPT_CREATE | OPT_LOSSY, fpc_image_create },
    { "convert", "IMAGE NEW --fs FS", "make an image with another filesystem",
      1, 1, OPT_CREATE | OPT_LOSSY | OPT_CONVERT, fpc_image_convert },
    { "put", "IMAGE FILE... PATH",
      "files and directories, or '-' for stdin, "
      "into PATH",
      2, 1000000, OPT_FIND | OPT_WRITE | OPT_KEEP | OPT_TREE | OPT_LOSSY,
      fpc_image_put },
    { "rm", "IMAGE PATH...", "remove files, with -r directories", 1, 1000000,
      OPT_FIND | OPT_WRITE | OPT_RM, fpc_image_rm },
    { "mv", "IMAGE FROM TO", "rename, or move into the directory TO", 2, 2,
      OPT_FIND | OPT_WRITE | OPT_KEEP, fpc_image_mv },
    { "mkdir", "IMAGE PATH...", "make directories", 1, 1000000,
      OPT_FIND | OPT_WRITE | OPT_PARENTS, fpc_image_mkdir },
    { "repair", "IMAGE", "put right what check says, as far as that goes", 0, 0,
      OPT_FIND | OPT_WRITE, fpc_image_repair },
    { "shell", "IMAGE", "a prompt with ls, cd, get, put ... in the image", 0, 0,
      OPT_FIND | OPT_WRITE, fpc_image_shell },
};

static const struct {
    int verbs;
    const char *text;
} options_help[] = {
    { OPT_FIND, "      --fs NAME          the filesystem; else it is found "
                "out\n"
                "      --offset N         where the volume starts in the file; "
                "without it the\n"
                "                         first volume that is found\n"
                "      --volume N         the N-th of those that info lists\n"
                "      --block-size N     else found out\n"
                "      --block-count N    refuse a volume that says another "
                "count\n"
                "      --page-size N      for formats that have pages\n"
                "      --opt K=V,...      what nothing in the image says; "
                "below\n" },
    { OPT_CREATE, "      --fs NAME          the filesystem (littlefs)\n"
                  "      --block-size N     erase unit of the flash (4096; "
                  "fat: sectors of 512)\n"
                  "      --size N           of the image (the smallest that "
                  "fits)\n"
                  "      --block-count N    the same in blocks\n"
                  "      --page-size N      for formats that have pages\n"
                  "      --prog-size N      program unit of the flash "
                  "(littlefs: 16)\n"
                  "      --opt K=V,...      particular to the filesystem; "
                  "below\n"
                  "      --force            replace an image that exists\n" },
    { OPT_LOSSY, "      --lossy            leave out what it cannot hold, "
                 "instead of refusing\n" },
    { OPT_CONVERT,
      "      --offset N         where the source starts in its file\n"
      "      --volume N         or which of those it is that info lists\n"
      "      --from FS[,K=V...] what the source is, if it is not found out; "
      "block_size,\n"
      "                         page_size and its --opt\n" },
    { OPT_LIST, "      --digest           SHA-256 of every file\n"
                "  -l, --long             size and time too\n" },
    { OPT_ANALYZE, "      --svg FILE         a picture of it ('-': instead of "
                   "the text, on stdout)\n" },
    { OPT_DIFF,
      "      --b-fs NAME        the filesystem of the second image\n"
      "      --b-offset N       where it starts\n"
      "      --b-volume N       the N-th that info lists. With one of "
      "these three none\n"
      "                         of those above is for it; without, "
      "all are for both\n"
      "  -l, --long             times that differ too\n" },
    { OPT_TRACE,
      "      --summary          only what each kind of step cost\n"
      "      --save FILE        the volume as it is then, in a new "
      "file\n"
      "      --prog-size N      program unit of the flash, if it is not the "
      "usual one\n\n"
      "SCRIPT ('-', or none: stdin) has a step on each line:\n"
      "  write PATH SIZE   append PATH SIZE   read PATH [OFFSET "
      "SIZE]   rm PATH\n"
      "  mv FROM TO   mkdir PATH   ls [PATH]   stat PATH   sync   "
      "# a comment\n" },
    { OPT_WRITE, "      --prog-size N      program unit of the flash, if it is "
                 "not the usual one\n" },
    { OPT_KEEP, "  -n, --no-clobber       leave files that are there, instead "
                "of replacing them\n" },
    { OPT_PARENTS,
      "  -p, --parents          the directories on the way too, and "
      "no fault if there\n" },
    { OPT_RM, "  -r, --recursive        directories, with what they hold\n"
              "  -f, --force            no fault if it is not there\n" },
    { OPT_TREE, "  -r, --recursive        may be given; directories are put in "
                "without it too\n" },
    { OPT_RAW, "      --raw              what is stored, by its names byte for "
               "byte\n" },
};

static void print_options(int verb_options)
{
    for (size_t i = 0; i < sizeof options_help / sizeof options_help[0]; i++)
        if (verb_options & options_help[i].verbs)
            fputs(options_help[i].text, stdout);
}

/* What a filesystem takes, in lines of 80 columns; behind '+' what is taken for
 * a new image only, behind '-' what for one that is there. */
static void print_opts_of(const char *fs)
{
    char text[FP_HOST_OPTION_TEXT];
    unsigned uses;
    int column = 0;

    for (unsigned n = 0; fp_host_option_at(fs, n, text, &uses); n++) {
        const int wide = (int)strlen(text) + 2;

        if (column == 0 || column + wide > 79)
            column = printf("%s  %-8s", column ? "\n" : "", column ? "" : fs);
        column += printf(" %s%s",
                         uses == FP_HOST_OPTION_FORMAT  ? "+"
                         : uses == FP_HOST_OPTION_MOUNT ? "-"
                                                        : "",
                         text);
    }
    if (column)
        putchar('\n');
}

static void print_opts(void)
{
    const struct fpc_image_kind *kind;

    puts("\n--opt by filesystem; '+': for a new image only, '-': for one that "
         "is there:");
    for (unsigned n = 0; (kind = fpc_image_kind_at(n)) != NULL; n++)
        print_opts_of(kind->fs);
}

static void print_help(void)
{
    puts("usage: flashport image VERB IMAGE ... [OPTION...]\n"
         "Flash images, without daemon or device.\n");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        printf("  %-8s %-18s %s\n", verbs[i].name, verbs[i].args,
               verbs[i].help);
    puts("\nOptions of all verbs but create and convert:");
    print_options(OPT_FIND);
    puts("\nOptions of ls, of cat the last:");
    print_options(OPT_LIST | OPT_RAW);
    puts("\nOptions of create, the last of put too:");
    print_options(OPT_CREATE | OPT_LOSSY);
    puts("\nOf convert those of create, for the new image, and:");
    print_options(OPT_CONVERT);
    puts("\nOptions of analyze, diff and trace, in turn:");
    print_options(OPT_ANALYZE | OPT_DIFF | OPT_TRACE);
    puts(
        "\nOptions of put, rm, mv, mkdir and repair (which each takes, it says "
        "itself):");
    print_options(OPT_WRITE | OPT_KEEP | OPT_PARENTS | OPT_RM);
    print_opts();
    puts("\nAll take --json: a document on stdout, {\"error\": ...} where "
         "there is none. Numbers may be\nhexadecimal (0x...) or end in K, M "
         "or G; paths in the image need no leading\nslash.\n\n"
         "Exit codes: 0 done, 2 wrong usage, 3 the image is refused, corrupt "
         "or cut off,\n4 no such file, 6 it exists or is in use, 7 it does not "
         "fit, 1 "
         "anything else\n(diff: they differ).");
}

static void print_verb_help(const struct verb *verb)
{
    printf("usage: flashport image %s %s\n%s\n\n", verb->name, verb->args,
           verb->help);
    print_options(verb->options);
    puts("      --json             print JSON");
    print_opts();
}

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int usage(const char *why)
{
    fpc_error("%s", why);
    fpc_error_more("try: flashport image --help");
    return FPC_EXIT_USAGE;
}

/* Makes cfg of --opt, and of --raw, which is an option of the drivers too; the
 * text of the raw driver has nothing but regions. *text is to be freed. */
static int take_opts(const struct verb *verb, struct fpc_image *image,
                     char **text)
{
    const bool makes = verb->options & OPT_CREATE;
    const bool is_raw =
        image->raw && (!image->fs || strcmp(image->fs, "raw") != 0);
    const size_t room = (image->opts ? strlen(image->opts) * 8 : 0) + 10;
    char *typed = NULL;
    int status = FPC_EXIT_OK;

    *text = NULL;
    if (image->opts)
        status = fpc_image_take_opts(
            "--opt", makes && !image->fs ? "littlefs" : image->fs,
            makes ? FP_HOST_OPTION_FORMAT : FP_HOST_OPTION_MOUNT, image->opts,
            &image->cfg, &typed);
    if (status == FPC_EXIT_OK && (typed || is_raw)) {
        *text = malloc(room);
        if (!*text)
            status = (fpc_error("out of memory"), FPC_EXIT_FAILED);
        else
            snprintf(*text, room, "%s%s%s", is_raw ? "raw=1" : "",
                     is_raw && typed ? "," : "", typed ? typed : "");
    }
    free(typed);
    image->cfg.options = *text;
    return status;
}

static const char *long_name(int opt);

static int parse_number(struct fpc_image *image, int opt, const char *text)
{
    const bool is_large = strchr("o5Z", opt), is_place = strchr("o5", opt);
    uint64_t n;

    if (!fp_host_number(text, is_large ? INT64_MAX : UINT32_MAX, &n) ||
        (n == 0 && !is_place)) {
        fpc_error("--%s %s: a number %s is wanted, decimal or 0x..., K, M and "
                  "G may follow",
                  long_name(opt), text,
                  is_place   ? "from 0"
                  : is_large ? "above 0"
                             : "from 1 to 4294967295");
        return FPC_EXIT_USAGE;
    }
    switch (opt) {
    case 'o':
        image->has_offset = true;
        image->offset = n;
        break;
    case 'Z':
        image->size = n;
        break;
    case 'V':
        image->volume = (uint32_t)n;
        break;
    case '5':
        image->b_has_offset = true;
        image->b_offset = n;
        break;
    case '6':
        image->b_volume = (uint32_t)n;
        break;
    case 'b':
        image->cfg.block_size = (uint32_t)n;
        break;
    case 'c':
        image->cfg.block_count = (uint32_t)n;
        break;
    case 'z':
        image->cfg.page_size = (uint32_t)n;
        break;
    default:
        image->prog_size = (uint32_t)n;
    }
    return FPC_EXIT_OK;
}

static const struct option options[] = {
    FPC_COMMON_OPTIONS,
    { "fs", required_argument, NULL, 'y' },
    { "offset", required_argument, NULL, 'o' },
    { "volume", required_argument, NULL, 'V' },
    { "block-size", required_argument, NULL, 'b' },
    { "block-count", required_argument, NULL, 'c' },
    { "page-size", required_argument, NULL, 'z' },
    { "prog-size", required_argument, NULL, 'g' },
    { "size", required_argument, NULL, 'Z' },
    { "opt", required_argument, NULL, 'O' },
    { "from", required_argument, NULL, 'F' },
    { "lossy", no_argument, NULL, 'L' },
    { "digest", no_argument, NULL, 'd' },
    { "raw", no_argument, NULL, 'R' },
    { "long", no_argument, NULL, 'l' },
    { "svg", required_argument, NULL, '1' },
    { "save", required_argument, NULL, '2' },
    { "summary", no_argument, NULL, '3' },
    { "b-fs", required_argument, NULL, '4' },
    { "b-offset", required_argument, NULL, '5' },
    { "b-volume", required_argument, NULL, '6' },
    { "force", no_argument, NULL, 'f' },
    { "recursive", no_argument, NULL, 'r' },
    { "parents", no_argument, NULL, 'p' },
    { "no-clobber", no_argument, NULL, 'n' },
    { 0 },
};

/* Which verbs take an option, as options_help has it. */
static const struct {
    char opt;
    int verbs;
} takers[] = {
    { 'y', OPT_FIND | OPT_CREATE },
    { 'o', OPT_FIND | OPT_CONVERT },
    { 'V', OPT_FIND | OPT_CONVERT },
    { 'b', OPT_FIND | OPT_CREATE },
    { 'c', OPT_FIND | OPT_CREATE },
    { 'z', OPT_FIND | OPT_CREATE },
    { 'O', OPT_FIND | OPT_CREATE },
    { 'g', OPT_CREATE | OPT_WRITE | OPT_TRACE },
    { 'Z', OPT_CREATE },
    { 'f', OPT_CREATE | OPT_RM },
    { 'F', OPT_CONVERT },
    { 'L', OPT_LOSSY },
    { 'd', OPT_LIST },
    { 'R', OPT_RAW },
    { 'l', OPT_LIST | OPT_DIFF },
    { '1', OPT_ANALYZE },
    { '2', OPT_TRACE },
    { '3', OPT_TRACE },
    { '4', OPT_DIFF },
    { '5', OPT_DIFF },
    { '6', OPT_DIFF },
    { 'r', OPT_RM | OPT_TREE },
    { 'p', OPT_PARENTS },
    { 'n', OPT_KEEP },
};

static const char *long_name(int opt)
{
    const struct option *o = options;

    while (o->name && o->val != opt)
        o++;
    return o->name ? o->name : "?";
}

/* An option that a verb would not heed may mean much to who typed it. */
static int check_taken(const struct verb *verb, const struct fpc_image *image)
{
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
        if (!(image->given >> i & 1) || takers[i].verbs & verb->options)
            continue;
        fpc_error("image %s takes no --%s: image %s --help tells what it takes",
                  verb->name, long_name(takers[i].opt), verb->name);
        return FPC_EXIT_USAGE;
    }
    if (!image->volume || !image->has_offset)
        return FPC_EXIT_OK;
    fpc_error("--volume and --offset both say which volume: give one");
    return FPC_EXIT_USAGE;
}

/* An image is read, and written, here and there, which a pipe is not. */
static int check_paths(const struct verb *verb, const struct fpc_image *image)
{
    const bool has_two = verb->options & (OPT_DIFF | OPT_CONVERT);

    if (strcmp(image->path, "-") != 0 &&
        (!image->save || strcmp(image->save, "-") != 0) &&
        (!has_two || image->arg_count < 1 || strcmp(image->args[0], "-") != 0))
        return FPC_EXIT_OK;
    fpc_error("-: an image is a file or a disk, and no pipe: cat >FILE first, "
              "or cat FILE then; a file of this name is ./-");
    return FPC_EXIT_USAGE;
}

static void note_given(struct fpc_image *image, int opt)
{
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++)
        if (takers[i].opt == opt)
            image->given |= (uint32_t)1 << i;
}

static int parse(struct fpc_context *ctx, struct fpc_image *image, int argc,
                 char **argv)
{
    int opt, status = FPC_EXIT_OK;

    while (status == FPC_EXIT_OK &&
           (opt = getopt_long(argc, argv, "lrpfn", options, NULL)) != -1) {
        if (fpc_common_option(ctx, opt, optarg))
            continue;
        note_given(image, opt);
        if (opt == 'y')
            image->fs = optarg;
        else if (opt == 'd')
            image->digest = true;
        else if (opt == 'R')
            image->raw = true;
        else if (opt == 'l')
            image->detailed = true;
        else if (opt == 'f')
            image->force = true;
        else if (opt == 'r')
            image->recursive = true;
        else if (opt == 'p')
            image->parents = true;
        else if (opt == 'n')
            image->keep = true;
        else if (opt == 'L')
            image->lossy = true;
        else if (opt == 'F')
            image->from = optarg;
        else if (opt == 'O')
            image->opts = optarg;
        else if (opt == '1')
            image->svg = optarg;
        else if (opt == '2')
            image->save = optarg;
        else if (opt == '3')
            image->summary = true;
        else if (opt == '4')
            image->b_fs = optarg;
        else if (strchr("oVbczgZ56", opt))
            status = parse_number(image, opt, optarg);
        else
            status = usage("no such option, or its value is missing");
    }
    return status;
}

static int run_verb(const struct verb *verb, struct fpc_image *image)
{
    int count = image->arg_count, status = FPC_EXIT_OK;
    char **args = calloc((size_t)count + 1, sizeof *args);

    for (int i = 0; args && i < count && status == FPC_EXIT_OK; i++) {
        args[i] = strdup(image->args[i]);
        if (!args[i])
            status = FPC_EXIT_FAILED;
    }
    image->args = args;
    if (!args || status)
        fpc_error("out of memory");
    else
        status = verb->run(image);
    for (int i = 0; args && i < count; i++)
        free(args[i]);
    free(args);
    return args ? status : FPC_EXIT_FAILED;
}

static int run_with_opts(const struct verb *verb, struct fpc_image *image)
{
    char *text;
    int status = take_opts(verb, image, &text);

    if (status == FPC_EXIT_OK)
        status = run_verb(verb, image);
    free(text);
    return status;
}

static int run_named(struct fpc_image *image)
{
    const struct verb *verb = find(image->verb);
    int status;

    if (!verb) {
        fpc_error("no such verb: image %s; there is info, ls, cat, extract, "
                  "check, analyze, diff, trace, create, convert, put, rm, mv, "
                  "mkdir, repair and shell",
                  image->verb);
        return FPC_EXIT_USAGE;
    }
    status = check_paths(verb, image);
    if (status == FPC_EXIT_OK)
        status = check_taken(verb, image);
    if (status)
        return status;
    if (image->arg_count >= verb->least && image->arg_count <= verb->most)
        return run_with_opts(verb, image);
    fpc_error("image %s takes: %s", verb->name, verb->args);
    return FPC_EXIT_USAGE;
}

/* "--help" anywhere: of the verb that is named, or of all. */
static bool helped(int argc, char **argv)
{
    const struct verb *verb = NULL;
    bool asked = false;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        asked |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        if (!verb && argv[i][0] != '-')
            verb = find(argv[i]);
    }
    if (asked && verb)
        print_verb_help(verb);
    else if (asked)
        print_help();
    return asked;
}

int fpc_cmd_image(struct fpc_context *ctx, int argc, char **argv)
{
    struct fpc_image *image;
    int status, operands;

    if (helped(argc, argv))
        return FPC_EXIT_OK;
    image = calloc(1, sizeof *image);
    if (!image)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    ctx->json |= fpc_says_json();
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
        status = run_named(image);
    }
    free(image);
    return status;
}
