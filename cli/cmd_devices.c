/* SPDX-License-Identifier: MIT
 *
 * flashport devices, df, label.
 */
#include "cli/client.h"
#include "cli/remote.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static void print_cell(const char *text, int width)
{
    size_t len = strlen(text);
    int n = fpc_name_width(text, len);

    fpc_print_name(stdout, text, len);
    printf("%*s", n < width ? width - n + 2 : 2, "");
}

static void widen(int *width, const char *text)
{
    int n = fpc_name_width(text, strlen(text));

    if (n > *width)
        *width = n;
}

/* Columns of `flashport devices`, as wide as the longest in them. */
struct device_columns {
    int id, label, state, link;
};

static struct device_columns columns_of(const json_t *devices)
{
    struct device_columns w = { 16, 12, 10, 24 };
    const json_t *device;
    size_t i;

    json_array_foreach(devices, i, device)
    {
        widen(&w.id, fpc_text(device, "id"));
        widen(&w.label, fpc_text(device, "label"));
        widen(&w.state, fpc_text(device, "state"));
        widen(&w.link, fpc_text(json_object_get(device, "link"), "name"));
    }
    return w;
}

static void print_word(const char *before, const char *text)
{
    if (!*text)
        return;
    fputs(before, stdout);
    fpc_print_name(stdout, text, strlen(text));
}

static void print_device_line(const json_t *device,
                              const struct device_columns *w)
{
    const json_t *link = json_object_get(device, "link"), *volume;
    size_t i;

    print_cell(fpc_text(device, "id"), w->id);
    print_cell(fpc_text(device, "label"), w->label);
    print_cell(fpc_text(device, "state"), w->state);
    print_cell(fpc_text(link, "name"), w->link);
    json_array_foreach(json_object_get(device, "volumes"), i, volume)
    {
        const char *fs = fpc_text(volume, "fs");

        print_word(i ? " " : "", fpc_text(volume, "path"));
        print_word("(", *fs ? fs : "not mounted");
        putchar(')');
    }
    print_word("  ", fpc_text(device, "reason"));
    print_word("  in conflict with ", fpc_text(device, "conflict"));
    putchar('\n');
}

static void print_device_list(const json_t *doc)
{
    const json_t *devices = json_object_get(doc, "devices"), *device;
    struct device_columns w = columns_of(devices);
    size_t i;

    print_cell("DEVICE", w.id);
    print_cell("LABEL", w.label);
    print_cell("STATE", w.state);
    print_cell("LINK", w.link);
    puts("VOLUMES");
    json_array_foreach(devices, i, device) print_device_line(device, &w);
}

/* Columns of volumes; no device: they are all of one. */
struct volume_columns {
    int device, path, fs;
};

static void widen_for(struct volume_columns *w, const json_t *device)
{
    const json_t *volume;
    size_t i;

    if (w->device)
        widen(&w->device, fpc_text(device, "id"));
    json_array_foreach(json_object_get(device, "volumes"), i, volume)
    {
        widen(&w->path, fpc_text(volume, "path"));
        widen(&w->fs, fpc_text(volume, "fs"));
    }
}

static void print_volume(const char *device, const json_t *volume,
                         const struct volume_columns *w)
{
    json_int_t size = json_integer_value(json_object_get(volume, "size"));
    json_int_t avail = json_integer_value(json_object_get(volume, "free"));
    char a[16], b[16];
    const char *fs = fpc_text(volume, "fs");

    if (w->device)
        print_cell(device, w->device);
    print_cell(fpc_text(volume, "path"), w->path);
    print_cell(*fs ? fs : "-", w->fs);
    if (*fs)
        printf("%7s %7s %4d %%  %s", fpc_size_text((uint64_t)size, a),
               fpc_size_text((uint64_t)avail, b),
               size ? (int)((size - avail) * 100 / size) : 0,
               json_is_true(json_object_get(volume, "writable")) ? "rw" : "ro");
    print_word("  ", fpc_text(volume, "reason"));
    putchar('\n');
}

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* What a cut of the power may do, and how long names and files may be. */
static void print_limits(const json_t *volume)
{
    const json_t *limits = json_object_get(volume, "limits");
    uint64_t files = number(limits, "files_max");
    bool holds = strcmp(fpc_text(volume, "promise"), "old-or-new") == 0;
    char a[16];

    if (!limits)
        return;
    printf("    names of %" PRIu64 " bytes, files of %s",
           number(limits, "name_max"),
           fpc_size_text(number(limits, "file_max"), a));
    if (files)
        printf(", %" PRIu64 " files at most", files);
    puts(holds ? "; a power cut leaves a file old or new"
               : "; a power cut may leave a file half written");
}

static void print_flags(const json_t *region)
{
    const json_t *flag;
    size_t i;

    json_array_foreach(json_object_get(region, "flags"), i, flag)
        printf(" %s", json_string_value(flag));
}

static void print_storage(const json_t *storage)
{
    const json_t *region;
    char a[16], b[16];
    size_t i;

    fputs("  ", stdout);
    print_cell(fpc_text(storage, "name"), 9);
    if (json_is_false(json_object_get(storage, "medium"))) {
        puts("no medium");
        return;
    }
    printf("%s in blocks of %s\n", fpc_size_text(number(storage, "size"), a),
           fpc_size_text(number(storage, "block_size"), b));
    json_array_foreach(json_object_get(storage, "regions"), i, region)
    {
        fputs("    ", stdout);
        print_cell(fpc_text(region, "name"), 9);
        printf("%7s at 0x%" PRIx64, fpc_size_text(number(region, "size"), a),
               number(region, "off"));
        print_flags(region);
        putchar('\n');
    }
}

static bool has_feature(const json_t *link, const char *name)
{
    const json_t *feature;
    size_t i;

    json_array_foreach(json_object_get(link, "features"), i, feature)
    {
        const char *word = json_string_value(feature);

        if (word && strcmp(word, name) == 0)
            return true;
    }
    return false;
}

/* "serial:/dev/ttyUSB0 at 921600 baud, LZ4 both ways" */
static void print_link(const json_t *link)
{
    bool to = has_feature(link, "lz4_in"), from = has_feature(link, "lz4_out");

    printf("%-10s", "link");
    fpc_print_name(stdout, fpc_text(link, "name"),
                   strlen(fpc_text(link, "name")));
    if (number(link, "rate"))
        printf(" at %" PRIu64 " baud", number(link, "rate"));
    if (to || from)
        printf(", LZ4 %s", to && from ? "both ways"
                           : to       ? "to the device"
                                      : "from the device");
    putchar('\n');
}

static void print_left_out(const json_t *parts)
{
    const json_t *part;
    size_t i;

    json_array_foreach(parts, i, part)
        printf("%s%s", i ? ", " : "without   ", json_string_value(part));
    if (json_array_size(parts))
        putchar('\n');
}

static void print_device(const json_t *device)
{
    struct volume_columns w = { 0, 8, 10 };
    const json_t *item;
    size_t i;
    static const struct {
        const char *key, *title;
    } fields[] = {
        { "id", "id" },
        { "label", "label" },
        { "model", "model" },
        { "firmware", "firmware" },
        { "state", "state" },
        { "reason", "reason" },
        { "released_until", "until" },
        { "conflict", "conflict" }, /* the link that tells the same id */
        { "epoch", "epoch" },
    };

    for (i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *text = fpc_text(device, fields[i].key);

        if (!*text)
            continue;
        printf("%-10s", fields[i].title);
        fpc_print_name(stdout, text, strlen(text));
        putchar('\n');
    }
    print_left_out(json_object_get(device, "left_out"));
    print_link(json_object_get(device, "link"));
    widen_for(&w, device);
    puts("volumes");
    json_array_foreach(json_object_get(device, "volumes"), i, item)
    {
        fputs("  ", stdout);
        print_volume("", item, &w);
        print_limits(item);
    }
    puts("storages");
    json_array_foreach(json_object_get(device, "storages"), i, item)
        print_storage(item);
}

static void print_counters(const json_t *counters)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)counters, name, value)
    {
        print_cell(name, 24);
        printf("%20" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    }
}

/* GET of one device, or of all, as *doc; of a device's counters after --stats,
 * as *stats tells. */
static int fetch(struct fpc_context *ctx, int argc, char **argv,
                 const struct option *options, bool *stats, json_t **doc)
{
    const char *command = argv[0];
    char url[FPC_URL_MAX] = "/api/v1/devices";
    struct fpc_client *client;
    int opt, status;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 's')
            *stats = true;
        else if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage(command, NULL);
    }
    if (argc - optind > 1)
        return fpc_usage(command, "at most one device");
    if (argc > optind && strchr(argv[optind], ':'))
        return fpc_usage(command, "a device by itself, without a path on it");
    if (*stats && argc == optind)
        return fpc_usage(command, "--stats wants a device");
    if (argc > optind) {
        strcat(url, "/");
        fpc_url_append(url, argv[optind], false);
    }
    if (*stats)
        fpc_url_append(url, "/stats", true);
    status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    *doc = fpc_client_get(client, url, &status);
    fpc_client_free(client);
    return status;
}

int fpc_cmd_devices(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "stats", no_argument, NULL, 's' },
        { 0 },
    };
    json_t *doc = NULL;
    bool stats = false;
    int status = fetch(ctx, argc, argv, options, &stats, &doc);

    if (status)
        return status;
    if (ctx->json)
        fpc_print_json(doc);
    else if (stats)
        print_counters(json_object_get(doc, "counters"));
    else if (json_object_get(doc, "devices"))
        print_device_list(doc);
    else
        print_device(doc);
    json_decref(doc);
    return FPC_EXIT_OK;
}

static void print_volumes_of(const json_t *device,
                             const struct volume_columns *w)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(json_object_get(device, "volumes"), i, volume)
        print_volume(fpc_text(device, "id"), volume, w);
}

static void print_volume_list(const json_t *devices)
{
    struct volume_columns w = { 16, 8, 10 };
    const json_t *device;
    size_t i;

    json_array_foreach(devices, i, device) widen_for(&w, device);
    print_cell("DEVICE", w.device);
    print_cell("VOLUME", w.path);
    print_cell("FS", w.fs);
    printf("%7s %7s %6s\n", "SIZE", "FREE", "USED");
    json_array_foreach(devices, i, device) print_volumes_of(device, &w);
}

/* The volumes of all devices as one array, each with its device. */
static json_t *volumes_json(json_t *devices)
{
    json_t *all = json_array(), *device, *volume;
    size_t i, k;

    json_array_foreach(devices, i, device)
    {
        json_array_foreach(json_object_get(device, "volumes"), k, volume)
        {
            json_t *copy = json_copy(volume);

            json_object_set(copy, "device", json_object_get(device, "id"));
            json_array_append_new(all, copy);
        }
    }
    return all;
}

int fpc_cmd_df(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = { FPC_COMMON_OPTIONS, { 0 } };
    json_t *doc = NULL, *devices, *all;
    bool stats = false;
    int status = fetch(ctx, argc, argv, options, &stats, &doc);

    if (status)
        return status;
    devices = json_object_get(doc, "devices");
    devices = devices ? json_incref(devices) : json_pack("[O]", doc);
    if (ctx->json) {
        all = volumes_json(devices);
        fpc_print_json(all);
        json_decref(all);
    } else {
        print_volume_list(devices);
    }
    json_decref(devices);
    json_decref(doc);
    return FPC_EXIT_OK;
}

int fpc_cmd_label(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "remove", no_argument, NULL, 'r' },
        { 0 },
    };
    char url[FPC_URL_MAX] = "/api/v1/devices/";
    struct fpc_call call = { .method = "PATCH", .path = url };
    struct fpc_client *client;
    bool removes = false;
    int opt, status;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'r')
            removes = true;
        else if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage("label", NULL);
    }
    if (argc - optind != (removes ? 1 : 2))
        return fpc_usage("label", "a device, and its label or --remove");
    status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    fpc_url_append(url, argv[optind], false);
    call.body = json_pack("{s:s?}", "label", removes ? NULL : argv[optind + 1]);
    status = fpc_client_call(client, &call);
    if (status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(call.json);
    json_decref(call.body);
    fpc_call_free(&call);
    fpc_client_free(client);
    return status;
}
