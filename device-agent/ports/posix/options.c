/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/posix/options.h"

#include "device-agent/agent.h"
#include "device-agent/ports/posix/line.h"
#include "proto/frame.h"
#include "proto/lz4.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct fp_port_program *program;

static const char help[] =
    "  --id ID               what the device is known by: "
    "[A-Za-z0-9._-]{1,64}\n"
    "  --storage NAME=FILE[,kind=K][,block=N][,count=N][,prog=N][,read=N]"
    "[,removable]\n"
    "                        a file as flash of erase blocks of N bytes. A "
    "file\n"
    "                        that is missing is made, erased, of count "
    "blocks.\n"
    "                        kind=card: sectors of 512 bytes that are "
    "replaced,\n"
    "                        whole or not at all, perhaps with partitions; "
    "else NOR\n"
    "                        flash, kind=nor. removable: taking the file away "
    "pulls\n"
    "                        the card, moving one there puts it in\n"
    "  --region NAME=STORAGE@OFF+SIZE[,read-only][,hidden][,xip][,unique]\n"
    "                        a named range of a storage. read-only: no host "
    "writes\n"
    "                        there; hidden: none reads it either\n"
    "  --protect PATH        a file or folder that no host changes, as "
    "/flash/boot.py\n"
    "  --mount PATH=STORAGE[:FS[,OPT=V...]]\n"
    "                        a volume on a storage or region; without FS, or "
    "with\n"
    "                        auto, the filesystem that is found there. A card "
    "with\n"
    "                        partitions: its first one, and the second as "
    "PATH2.\n"
    "                        FAT on flash: fat,reserve=REGION, of 3 erase "
    "blocks at\n"
    "                        least, by which sectors land whole\n"
    "  --format FS           format where no filesystem is found\n"
    "  --ram                 work on a copy in memory, leave the files as they "
    "are\n"
    "  --read-only           mount every volume read-only\n"
    "  --timing MODEL        none, nor, internal or sd: take as long as such a "
    "part\n"
    "  --trace               tell every operation of the flash on stderr\n"
    "  --frame N             largest frame, 640 to 4096 bytes (1024; gadget "
    "4096)\n"
    "  --buffers N           frames that each buffer holds, 1 to 64 (8; gadget "
    "16)\n"
    "  --lz4 WINDOW          how far back LZ4 may look either way, 256 to "
    "65535 "
    "bytes\n"
    "                        (65535); off: without\n"
    "  --console, --raw-console\n"
    "                        print what comes on stdin to the host's console;\n"
    "                        raw: onto the wire whatever is on it, as a "
    "printf\n"
    "                        does that knows of no frames\n"
    "  --key-file FILE       a key that the host must have too, a line of 16 "
    "to\n"
    "                        128 bytes in a file that only its owner reads:\n"
    "                        openssl rand -hex 32\n";

static const char help_end[] =
    "  --help, --version\n"
    "\n"
    "Sizes are in bytes, or with K or M behind, or 0x...\n";

static _Noreturn void tell_of_help(const char *before)
{
    fprintf(stderr, "%s(%s --help tells all options)\n", before, program->name);
    exit(2);
}

void fp_port_usage(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", program->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    tell_of_help("\n");
}

static uint64_t number(const char *option, const char *text, uint64_t max)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 0);
    if (*end == 'K' || *end == 'M') {
        unsigned long long unit = *end++ == 'K' ? 1024 : 1024 * 1024;

        if (value > UINT64_MAX / unit)
            errno = ERANGE;
        value *= unit;
    }
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' ||
        value == 0 || value > max)
        fp_port_usage("%s: '%s' is no number from 1 to %llu", option, text,
                      (unsigned long long)max);
    return value;
}

/* Like number(), yet 0 is one. */
static uint64_t offset(const char *option, const char *text)
{
    if (strcmp(text, "0") == 0)
        return 0;
    return number(option, text, INT64_MAX);
}

/* Options are cut into their fields; what was typed stays as it was, for
 * whoever looks at the list of processes. */
static char *copy_of(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        fp_port_usage("out of memory");
    return copy;
}

/* Cuts `text` at the first `at`; what is behind it, or NULL. */
static char *cut(char *text, char at)
{
    char *found = strchr(text, at);

    if (found != NULL)
        *found++ = '\0';
    return found;
}

static void take_field(struct fp_port_storage_option *s, char *field)
{
    char *value = cut(field, '=');
    uint32_t *to = strcmp(field, "block") == 0   ? &s->block
                   : strcmp(field, "count") == 0 ? &s->count
                   : strcmp(field, "prog") == 0  ? &s->prog
                   : strcmp(field, "read") == 0  ? &s->read
                                                 : NULL;
    bool is_kind = strcmp(field, "kind") == 0 && value != NULL;

    if (to != NULL && value != NULL)
        *to = (uint32_t)number("--storage", value, UINT32_MAX);
    else if (is_kind && strcmp(value, "card") == 0)
        s->is_card = true;
    else if (is_kind && strcmp(value, "nor") == 0)
        s->is_card = false;
    else if (strcmp(field, "removable") == 0 && value == NULL)
        s->removable = true;
    else
        fp_port_usage("--storage %s: '%s' is none of block=N, count=N, "
                      "prog=N, read=N, kind=nor, kind=card, removable",
                      s->name, field);
}

static void add_storage(struct fp_port_options *o, char *text)
{
    struct fp_port_storage_option *s = &o->storages[o->storage_count];
    char *field, *next;

    if (o->storage_count == FP_PORT_STORAGES)
        fp_port_usage("--storage: at most %d storages", FP_PORT_STORAGES);
    *s = (struct fp_port_storage_option){ .name = text };
    field = cut(text, '=');
    if (field == NULL || text[0] == '\0' || strlen(text) > 16)
        fp_port_usage("--storage: give NAME=FILE,block=N; the name has 1 to "
                      "16 bytes");
    s->file = field;
    for (field = cut(field, ','); field != NULL; field = next) {
        next = cut(field, ',');
        take_field(s, field);
    }
    if (s->is_card) { /* whose sectors everyone agrees on */
        s->block = s->block != 0 ? s->block : 512;
        s->prog = s->prog != 0 ? s->prog : s->block;
        s->read = s->read != 0 ? s->read : s->prog;
    }
    if (s->block == 0)
        fp_port_usage("--storage %s: give the size of an erase block, as in "
                      "block=4096",
                      s->name);
    o->storage_count++;
}

static uint32_t region_flag(const char *region, const char *word)
{
    static const struct {
        const char *word;
        uint32_t flag;
    } words[] = {
        { "read-only", FP_AGENT_REGION_RDONLY },
        { "hidden", FP_AGENT_REGION_HIDDEN },
        { "xip", FP_AGENT_REGION_XIP },
        { "unique", FP_AGENT_REGION_UNIQUE },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].flag;
    fp_port_usage("--region %s: '%s' is none of read-only, hidden, xip, unique",
                  region, word);
}

static void add_region(struct fp_port_options *o, char *text)
{
    struct fp_port_region_option *r = &o->regions[o->region_count];
    char *storage = cut(text, '='), *off, *size, *flag;

    off = storage != NULL ? cut(storage, '@') : NULL;
    size = off != NULL ? cut(off, '+') : NULL;
    flag = size != NULL ? cut(size, ',') : NULL;
    if (size == NULL || text[0] == '\0' || strlen(text) > 16)
        fp_port_usage("--region: give NAME=STORAGE@OFF+SIZE; the name has 1 "
                      "to 16 bytes");
    if (o->region_count == sizeof o->regions / sizeof o->regions[0])
        fp_port_usage("--region: too many regions");
    for (uint32_t i = 0; i < o->region_count; i++)
        if (strcmp(o->regions[i].name, text) == 0)
            fp_port_usage("--region: '%s' is given twice", text);
    *r = (struct fp_port_region_option){
        .name = text,
        .storage = storage,
        .off = offset("--region", off),
        .size = number("--region", size, INT64_MAX),
    };
    for (char *next; flag != NULL; flag = next) {
        next = cut(flag, ',');
        r->flags |= region_flag(r->name, flag);
    }
    o->region_count++;
}

static void add_protected(struct fp_port_options *o, const char *path)
{
    if (path[0] != '/' || path[1] == '\0')
        fp_port_usage("--protect: give a path as in /flash/boot.py");
    if (o->protected_count == FP_PORT_PROTECTED)
        fp_port_usage("--protect: at most %d paths", FP_PORT_PROTECTED);
    o->protected[o->protected_count++] = path;
}

/* The port's own option, in front of those that are the driver's. */
static void take_reserve(struct fp_port_volume_option *v)
{
    static const char key[] = "reserve=";

    if (v->options == NULL || strncmp(v->options, key, strlen(key)) != 0)
        return;
    v->reserve = v->options + strlen(key);
    v->options = cut((char *)v->reserve, ',');
}

static void add_volume(struct fp_port_options *o, char *text)
{
    struct fp_port_volume_option *v = &o->volumes[o->volume_count];
    char *on = cut(text, '=');

    if (on == NULL || text[0] != '/' || strlen(text) > 16 || strlen(text) < 2 ||
        strchr(text + 1, '/') != NULL)
        fp_port_usage(
            "--mount: give PATH=STORAGE[:FS[,OPT=V]]; PATH is one name as "
            "in /flash, of at most 16 bytes");
    if (o->volume_count == FP_PORT_VOLUMES)
        fp_port_usage("--mount: at most %d volumes", FP_PORT_VOLUMES);
    *v = (struct fp_port_volume_option){ .path = text, .on = on };
    v->fs = cut(on, ':');
    v->options = v->fs != NULL ? cut((char *)v->fs, ',') : NULL;
    take_reserve(v);
    o->volume_count++;
}

static void take_rates(struct fp_port_options *o, const char *arg)
{
    char *copy = copy_of(arg);

    for (char *next, *text = copy; text != NULL; text = next) {
        next = cut(text, ',');
        if (o->rate_count == FP_PORT_RATES)
            fp_port_usage("--rates: at most %d", FP_PORT_RATES);
        o->rates[o->rate_count] = (uint32_t)number("--rates", text, UINT32_MAX);
        if (!fp_port_line_has_rate(o->rates[o->rate_count]))
            fp_port_usage("--rates: %s is no standard rate; give such as "
                          "115200,921600",
                          text);
        o->rate_count++;
    }
    free(copy);
}

enum {
    OPT_ID = 256,
    OPT_STORAGE,
    OPT_REGION,
    OPT_PROTECT,
    OPT_MOUNT,
    OPT_FORMAT,
    OPT_RAM,
    OPT_READ_ONLY,
    OPT_TIMING,
    OPT_TRACE,
    OPT_FRAME,
    OPT_BUFFERS,
    OPT_LZ4,
    OPT_RATES,
    OPT_KEY_FILE,
    OPT_CONSOLE,
    OPT_RAW_CONSOLE,
    OPT_HELP,
    OPT_VERSION,
    OPT_OWN, /* and those behind it */
};

static void take(struct fp_port_options *o, int option, char *arg)
{
    switch (option) {
    case OPT_ID:
        o->id = arg;
        break;
    case OPT_STORAGE:
        add_storage(o, copy_of(arg));
        break;
    case OPT_REGION:
        add_region(o, copy_of(arg));
        break;
    case OPT_PROTECT:
        add_protected(o, arg);
        break;
    case OPT_MOUNT:
        add_volume(o, copy_of(arg));
        break;
    case OPT_FORMAT:
        o->format = arg;
        break;
    case OPT_RAM:
        o->ram = true;
        break;
    case OPT_READ_ONLY:
        o->read_only = true;
        break;
    case OPT_TIMING:
        o->timing = fp_port_timing_find(arg);
        if (o->timing == NULL)
            fp_port_usage("--timing: '%s' is none of none, nor, internal, sd",
                          arg);
        break;
    case OPT_TRACE:
        o->trace = true;
        break;
    case OPT_FRAME:
        o->frame = (uint32_t)number("--frame", arg, UINT32_MAX);
        if (o->frame < 640 || o->frame > FP_FRAME_MAX_MAX)
            fp_port_usage("--frame: %s is not from 640 bytes, which the "
                          "largest message takes, to the %d that a frame may "
                          "have",
                          arg, FP_FRAME_MAX_MAX);
        break;
    case OPT_BUFFERS:
        o->buffers = (uint32_t)number("--buffers", arg, 64);
        break;
    case OPT_LZ4:
        o->lz4 = 0;
        if (strcmp(arg, "off") != 0)
            o->lz4 = (uint32_t)number("--lz4", arg, FP_LZ4_WINDOW_MAX);
        if (o->lz4 != 0 && o->lz4 < FP_LZ4_WINDOW_MIN)
            fp_port_usage("--lz4: %u bytes at least, or off",
                          FP_LZ4_WINDOW_MIN);
        break;
    case OPT_RATES:
        take_rates(o, arg);
        break;
    case OPT_KEY_FILE:
        o->key_file = arg;
        break;
    case OPT_CONSOLE:
    case OPT_RAW_CONSOLE:
        o->console = true;
        o->raw_console = option == OPT_RAW_CONSOLE;
        break;
    case OPT_HELP:
        printf("%s\n%s%s%s", program->usage, help, program->wire_usage,
               help_end);
        exit(0);
    case OPT_VERSION:
        printf("%s " FP_PORT_VERSION "\n", program->name);
        exit(0);
    default:
        if (option < OPT_OWN) /* getopt has said what is wrong */
            tell_of_help("");
        o->own[option - OPT_OWN] = arg;
    }
}

static const struct option shared[] = {
    { "id", required_argument, NULL, OPT_ID },
    { "storage", required_argument, NULL, OPT_STORAGE },
    { "region", required_argument, NULL, OPT_REGION },
    { "protect", required_argument, NULL, OPT_PROTECT },
    { "mount", required_argument, NULL, OPT_MOUNT },
    { "format", required_argument, NULL, OPT_FORMAT },
    { "ram", no_argument, NULL, OPT_RAM },
    { "read-only", no_argument, NULL, OPT_READ_ONLY },
    { "timing", required_argument, NULL, OPT_TIMING },
    { "trace", no_argument, NULL, OPT_TRACE },
    { "frame", required_argument, NULL, OPT_FRAME },
    { "buffers", required_argument, NULL, OPT_BUFFERS },
    { "lz4", required_argument, NULL, OPT_LZ4 },
    { "rates", required_argument, NULL, OPT_RATES },
    { "key-file", required_argument, NULL, OPT_KEY_FILE },
    { "console", no_argument, NULL, OPT_CONSOLE },
    { "raw-console", no_argument, NULL, OPT_RAW_CONSOLE },
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
};

#define SHARED (sizeof shared / sizeof shared[0])

static void check(const struct fp_port_options *o)
{
    if (o->id == NULL)
        fp_port_usage("--id is missing");
    if (program->is_own_needed && o->own[0] == NULL)
        fp_port_usage("--%s is missing", program->own[0]);
    if (o->storage_count == 0)
        fp_port_usage("--storage is missing");
}

void fp_port_options(struct fp_port_options *o,
                     const struct fp_port_program *of, int argc, char **argv)
{
    struct option longs[SHARED + FP_PORT_OWN + 1] = { { NULL, 0, NULL, 0 } };
    int option;

    program = of;
    memcpy(longs, shared, sizeof shared);
    for (int i = 0; i < FP_PORT_OWN && of->own[i] != NULL; i++)
        longs[SHARED + (size_t)i] =
            (struct option){ of->own[i], required_argument, NULL, OPT_OWN + i };
    *o = (struct fp_port_options){
        .program = of,
        .frame = of->frame > 0 ? of->frame : 1024,
        .buffers = of->buffers > 0 ? of->buffers : 8,
        .lz4 = FP_LZ4_WINDOW_MAX,
    };
    o->timing = fp_port_timing_find("none");
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        take(o, option, optarg);
    if (optind < argc)
        fp_port_usage("'%s' is no option", argv[optind]);
    check(o);
}
