/* SPDX-License-Identifier: MIT
 *
 * flashport snapshots, backup, restore.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/client.h"
#include "cli/remote.h"
#include "cli/whole.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* --- what there is ------------------------------------------------------- */

static void print_snapshot(const json_t *s)
{
    char size[16], added[16];
    const json_t *tag;
    size_t i;

    printf("%-38s", text_of(s, "id"));
    fpc_print_name(stdout, text_of(s, "device"), strlen(text_of(s, "device")));
    printf(":%s  %s  %6s  +%-6s  %s", text_of(s, "storage"),
           text_of(s, "taken"),
           fpc_size_text((uint64_t)number_of(s, "size"), size),
           fpc_size_text((uint64_t)number_of(s, "new_bytes"), added),
           text_of(s, "fs"));
    if (!json_is_true(json_object_get(s, "complete")))
        fputs("  incomplete", stdout);
    json_array_foreach(json_object_get(s, "tags"), i, tag)
    {
        fputs("  #", stdout);
        fpc_print_name(stdout, json_string_value(tag),
                       strlen(json_string_value(tag)));
    }
    putchar('\n');
}

static json_t *all_snapshots(struct fpc_client *client, const char *device,
                             int *status)
{
    json_t *all = json_array(), *page;
    char url[FPC_URL_MAX], cursor[256] = "";

    do {
        strcpy(url, "/api/v1/snapshots?cursor=");
        if (!cursor[0])
            strcpy(url, "/api/v1/snapshots?");
        fpc_url_append(url, cursor, false);
        if (device) {
            strcat(url, "&device=");
            fpc_url_append(url, device, false);
        }
        page = fpc_client_get(client, url, status);
        if (!page) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(page, "snapshots"));
        snprintf(cursor, sizeof cursor, "%s", text_of(page, "next"));
        json_decref(page);
    } while (cursor[0]);
    return all;
}

static int list(struct fpc_context *ctx, struct fpc_client *client, int argc,
                char **argv)
{
    const json_t *item;
    size_t i;
    int status;
    json_t *all = all_snapshots(client, argc ? argv[0] : NULL, &status);

    if (!all)
        return status;
    if (ctx->json)
        fpc_print_json(all);
    else
        json_array_foreach(all, i, item) print_snapshot(item);
    json_decref(all);
    return FPC_EXIT_OK;
}

/* --- into them ----------------------------------------------------------- */

static void snapshot_url(char url[FPC_URL_MAX], const char *id,
                         const char *rest)
{
    strcpy(url, "/api/v1/snapshots/");
    fpc_url_append(url, id, false);
    fpc_url_append(url, rest, true);
}

static int ls(struct fpc_context *ctx, struct fpc_client *client, int argc,
              char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/";
    char url[FPC_URL_MAX];
    const json_t *entry;
    json_t *doc;
    int status;
    size_t i;

    snapshot_url(url, argv[0], path[0] == '/' ? "/fs" : "/fs/");
    fpc_url_append(url, path, true);
    if (url[strlen(url) - 1] != '/')
        fpc_url_append(url, "/", true);
    doc = fpc_client_get(client, url, &status);
    if (!doc)
        return status;
    if (ctx->json) {
        fpc_print_json(doc);
    } else {
        json_array_foreach(json_object_get(doc, "entries"), i, entry)
        {
            fpc_print_name(stdout, text_of(entry, "name"),
                           strlen(text_of(entry, "name")));
            puts(strcmp(text_of(entry, "type"), "dir") == 0 ? "/" : "");
        }
    }
    json_decref(doc);
    return FPC_EXIT_OK;
}

static int fetch(struct fpc_context *ctx, struct fpc_client *client,
                 const char *url, FILE *out, const char *label)
{
    struct fpc_progress progress;
    struct fpc_call call = {
        .method = "GET", .path = url, .download = out, .progress = &progress
    };
    int status;

    fpc_progress_start(&progress, label, ctx->quiet);
    status = fpc_client_call(client, &call);
    fpc_progress_end(&progress);
    fpc_call_free(&call);
    return status;
}

static int cat(struct fpc_context *ctx, struct fpc_client *client, int argc,
               char **argv)
{
    char url[FPC_URL_MAX];

    (void)argc;
    snapshot_url(url, argv[0], argv[1][0] == '/' ? "/fs" : "/fs/");
    fpc_url_append(url, argv[1], true);
    return fetch(ctx, client, url, stdout, argv[1]);
}

static int export_image(struct fpc_context *ctx, struct fpc_client *client,
                        const char *id, const char *path)
{
    char url[FPC_URL_MAX];
    struct fpc_whole whole;
    int status;

    snapshot_url(url, id, "/image");
    if (strcmp(path, "-") == 0)
        return fetch(ctx, client, url, stdout, id);
    status = fpc_whole_begin(&whole, path);
    if (status != FPC_EXIT_OK)
        return status;
    return fpc_whole_end(&whole, fetch(ctx, client, url, whole.file, path), -1);
}

static int export(struct fpc_context *ctx, struct fpc_client *client, int argc,
                  char **argv)
{
    (void)argc;
    return export_image(ctx, client, argv[0], argv[1]);
}

static int rm(struct fpc_context *ctx, struct fpc_client *client, int argc,
              char **argv)
{
    char url[FPC_URL_MAX];
    int status = FPC_EXIT_OK;

    (void)ctx;
    for (int i = 0; i < argc && status == FPC_EXIT_OK; i++) {
        struct fpc_call call = { .method = "DELETE", .path = url };

        snapshot_url(url, argv[i], "");
        status = fpc_client_call(client, &call);
        fpc_call_free(&call);
    }
    return status;
}

int fpc_cmd_snapshots(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct {
        const char *name;
        int least, most;
        int (*run)(struct fpc_context *, struct fpc_client *, int, char **);
    } verbs[] = {
        { "list", 0, 1, list },     { "ls", 1, 2, ls },    { "cat", 2, 2, cat },
        { "export", 2, 2, export }, { "rm", 1, 1000, rm },
    };
    static const struct option options[] = { FPC_COMMON_OPTIONS, { 0 } };
    static char *list_all[] = { "list", NULL };
    struct fpc_client *client;
    int opt, status;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage("snapshots", NULL);
    argc -= optind;
    argv += optind;
    if (argc == 0) {
        argv = list_all;
        argc = 1;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[0], verbs[i].name) != 0)
            continue;
        if (argc - 1 < verbs[i].least || argc - 1 > verbs[i].most)
            break;
        status = fpc_client_new(ctx, &client);
        if (status)
            return status;
        status = verbs[i].run(ctx, client, argc - 1, argv + 1);
        fpc_client_free(client);
        return status;
    }
    return fpc_usage("snapshots", "no such form");
}

/* --- taking and writing back --------------------------------------------- */

/* Starts a job and, unless told not to, waits for its end. */
static int run_job(struct fpc_context *ctx, struct fpc_client *client,
                   const char *url, json_t *body, bool wait, json_t **job)
{
    struct fpc_call call = { .method = "POST", .path = url, .body = body };
    int status = fpc_client_call(client, &call);

    *job = NULL;
    if (status == FPC_EXIT_OK && wait && call.location[0])
        status = fpc_client_wait(client, call.location, ctx->quiet, job);
    else if (status == FPC_EXIT_OK)
        *job = json_incref(call.json);
    fpc_call_free(&call);
    return status;
}

static const char *snapshot_of(const json_t *job)
{
    const json_t *result = json_object_get(job, "result");

    return json_is_string(result) ? json_string_value(result)
                                  : text_of(result, "snapshot");
}

/* The device's only storage, or its first flash. */
static int first_storage(struct fpc_client *client, const char *device,
                         char storage[32])
{
    char url[FPC_URL_MAX] = "/api/v1/devices/";
    json_t *doc;
    int status;

    fpc_url_append(url, device, false);
    doc = fpc_client_get(client, url, &status);
    if (!doc)
        return status;
    snprintf(
        storage, 32, "%s",
        text_of(json_array_get(json_object_get(doc, "storages"), 0), "name"));
    json_decref(doc);
    if (!storage[0]) {
        fpc_error("%s tells of no storage now: is it online?", device);
        return FPC_EXIT_OFFLINE;
    }
    return FPC_EXIT_OK;
}

static void print_job(struct fpc_context *ctx, const json_t *job)
{
    if (ctx->json)
        fpc_print_json(job);
    else
        puts(*snapshot_of(job) ? snapshot_of(job) : text_of(job, "id"));
}

int fpc_cmd_backup(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "output", required_argument, NULL, 'o' },
        { "tag", required_argument, NULL, 't' },
        { "no-wait", no_argument, NULL, 'W' },
        { 0 },
    };
    json_t *tags = json_array(), *body, *job = NULL;
    const char *output = NULL;
    char storage[32] = "";
    struct fpc_client *client;
    bool wait = true;
    int opt, status;

    while ((opt = getopt_long(argc, argv, "o:t:", options, NULL)) != -1) {
        if (opt == 'o')
            output = optarg;
        else if (opt == 't')
            json_array_append_new(tags, json_string(optarg));
        else if (opt == 'W')
            wait = false;
        else if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage("backup", NULL);
    }
    if (argc - optind < 1 || argc - optind > 2 || (output && !wait))
        return fpc_usage("backup", output && !wait
                                       ? "--output needs the snapshot: it "
                                         "cannot go with --no-wait"
                                       : "a device, and at most a storage");
    status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    if (argc - optind == 2)
        snprintf(storage, sizeof storage, "%s", argv[optind + 1]);
    else
        status = first_storage(client, argv[optind], storage);
    if (status == FPC_EXIT_OK) {
        body = json_pack("{s:s,s:s,s:o}", "device", argv[optind], "storage",
                         storage, "tags", tags);
        status = run_job(ctx, client, "/api/v1/snapshots", body, wait, &job);
        json_decref(body);
    } else {
        json_decref(tags);
    }
    if (status == FPC_EXIT_OK)
        print_job(ctx, job);
    if (status == FPC_EXIT_OK && output)
        status = export_image(ctx, client, snapshot_of(job), output);
    json_decref(job);
    fpc_client_free(client);
    return status;
}

static bool confirmed(const char *device, const char *storage)
{
    char line[16] = "";

    if (!isatty(STDIN_FILENO))
        return fpc_error("a restore overwrites %s of %s: say --yes", storage,
                         device),
               false;
    fprintf(stderr, "Overwrite %s of %s? [y/N] ", storage, device);
    return fgets(line, sizeof line, stdin) &&
           (line[0] == 'y' || line[0] == 'Y');
}

int fpc_cmd_restore(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "yes", no_argument, NULL, 'y' },
        { "no-wait", no_argument, NULL, 'W' },
        { 0 },
    };
    bool yes = false, wait = true;
    json_t *body, *job = NULL;
    char url[FPC_URL_MAX], storage[32] = "";
    struct fpc_client *client;
    int opt, status;

    while ((opt = getopt_long(argc, argv, "y", options, NULL)) != -1) {
        if (opt == 'y')
            yes = true;
        else if (opt == 'W')
            wait = false;
        else if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage("restore", NULL);
    }
    if (argc - optind < 2 || argc - optind > 3)
        return fpc_usage("restore", "a snapshot, a device, at most a storage");
    status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    if (argc - optind == 3)
        snprintf(storage, sizeof storage, "%s", argv[optind + 2]);
    else
        status = first_storage(client, argv[optind + 1], storage);
    if (status == FPC_EXIT_OK && !yes && !confirmed(argv[optind + 1], storage))
        status = FPC_EXIT_FAILED;
    if (status == FPC_EXIT_OK) {
        snapshot_url(url, argv[optind], "/restore");
        body = json_pack("{s:s,s:s}", "device", argv[optind + 1], "storage",
                         storage);
        status = run_job(ctx, client, url, body, wait, &job);
        json_decref(body);
    }
    if (status == FPC_EXIT_OK)
        print_job(ctx, job);
    json_decref(job);
    fpc_client_free(client);
    return status;
}
