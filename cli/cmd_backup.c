/* SPDX-License-Identifier: MIT
 *
 * flashport backup, restore: a snapshot is taken, or written back.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/say.h"
#include "cli/snapshot.h"
#include "cli/wait.h"

#include <getopt.h>
#include <string.h>

static const char *snapshot_of(const json_t *job)
{
    const json_t *result = json_object_get(job, "result");

    return json_is_string(result) ? json_string_value(result)
                                  : fpc_text(result, "snapshot");
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
        fpc_text(json_array_get(json_object_get(doc, "storages"), 0), "name"));
    json_decref(doc);
    if (!storage[0]) {
        fpc_error("%s is not online, and which storages it has is not known: "
                  "name the storage, or wait until it is back",
                  device);
        return FPC_EXIT_OFFLINE;
    }
    return FPC_EXIT_OK;
}

/* STORAGE/REGION in two. */
static void take_region(json_t *body, char *storage)
{
    char *slash = strchr(storage, '/');

    if (!slash)
        return;
    *slash = 0;
    json_object_set_new(body, "storage", json_string(storage));
    json_object_set_new(body, "region", json_string(slash + 1));
}

static void print_job(struct fpc_context *ctx, const json_t *job)
{
    if (ctx->json)
        fpc_print_json(job);
    else
        puts(*snapshot_of(job) ? snapshot_of(job) : fpc_text(job, "id"));
}

static int check_backup(int operands, const char *output,
                        const struct fpc_wait *wait)
{
    if (operands < 1 || operands > 2)
        return fpc_usage("backup", "a device, and at most a storage");
    if (output && wait->no)
        return fpc_usage("backup", "--output needs the snapshot: it cannot go "
                                   "with --no-wait");
    return fpc_wait_check("backup", wait);
}

int fpc_cmd_backup(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "output", required_argument, NULL, 'o' },
        { "tag", required_argument, NULL, 't' },
        FPC_WAIT_OPTIONS,
        { 0 },
    };
    json_t *tags = json_array(), *body, *job = NULL;
    const char *output = NULL;
    char storage[64] = "";
    struct fpc_client *client;
    struct fpc_wait wait = { 0 };
    int opt, status = FPC_EXIT_OK;

    while ((opt = getopt_long(argc, argv, "o:t:", options, NULL)) != -1) {
        if (opt == 'o')
            output = optarg;
        else if (opt == 't')
            json_array_append_new(tags, json_string(optarg));
        else if (!fpc_wait_option(&wait, opt, optarg, &status) &&
                 !fpc_common_option(ctx, opt, optarg))
            status = fpc_usage("backup", NULL);
    }
    if (status == FPC_EXIT_OK)
        status = check_backup(argc - optind, output, &wait);
    if (status == FPC_EXIT_OK)
        status = fpc_client_new(ctx, &client);
    if (status) {
        json_decref(tags);
        return status;
    }
    if (argc - optind == 2)
        snprintf(storage, sizeof storage, "%s", argv[optind + 1]);
    else
        status = first_storage(client, argv[optind], storage);
    if (status == FPC_EXIT_OK) {
        body = json_pack("{s:s,s:s,s:o}", "device", argv[optind], "storage",
                         storage, "tags", tags);
        take_region(body, storage);
        status = fpc_wait_run(ctx, client, FPC_SNAPSHOTS, body, &wait, &job);
        json_decref(body);
    } else {
        json_decref(tags);
    }
    if (status == FPC_EXIT_OK)
        print_job(ctx, job);
    if (status == FPC_EXIT_OK && output)
        status = fpc_snapshot_export(ctx, client, snapshot_of(job), output);
    json_decref(job);
    fpc_client_free(client);
    return status;
}

/* The storage that the snapshot of `url` is of. */
static int own_storage(struct fpc_client *client, const char *url,
                       char storage[32])
{
    int status;
    json_t *doc = fpc_client_get(client, url, &status);

    if (doc)
        snprintf(storage, 32, "%s", fpc_text(doc, "storage"));
    json_decref(doc);
    return status;
}

int fpc_cmd_restore(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "yes", no_argument, NULL, 'y' },
        { "smaller", no_argument, NULL, 'm' },
        FPC_WAIT_OPTIONS,
        { 0 },
    };
    struct fpc_wait wait = { 0 };
    bool yes = false, smaller = false;
    json_t *body, *job = NULL;
    char url[FPC_URL_MAX], storage[32] = "";
    struct fpc_client *client;
    int opt, status = FPC_EXIT_OK;

    while ((opt = getopt_long(argc, argv, "y", options, NULL)) != -1) {
        if (opt == 'y')
            yes = true;
        else if (opt == 'm')
            smaller = true;
        else if (!fpc_wait_option(&wait, opt, optarg, &status) &&
                 !fpc_common_option(ctx, opt, optarg))
            return fpc_usage("restore", NULL);
    }
    if (status)
        return status;
    if (argc - optind < 2 || argc - optind > 3)
        return fpc_usage("restore", "a snapshot, a device, at most a storage");
    status = fpc_wait_check("restore", &wait);
    if (status == FPC_EXIT_OK)
        status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    status = fpc_snapshot_url(client, url, argv[optind], "");
    if (status == FPC_EXIT_OK && argc - optind == 3)
        snprintf(storage, sizeof storage, "%s", argv[optind + 2]);
    else if (status == FPC_EXIT_OK)
        status = own_storage(client, url, storage);
    if (status == FPC_EXIT_OK && !yes)
        status = fpc_confirm("Overwrite %s of %s?", storage, argv[optind + 1]);
    if (status == FPC_EXIT_OK) {
        strcat(url, "/restore");
        body = json_pack("{s:s,s:s,s:b}", "device", argv[optind + 1], "storage",
                         storage, "smaller", smaller);
        status = fpc_wait_run(ctx, client, url, body, &wait, &job);
        json_decref(body);
    }
    if (status == FPC_EXIT_OK)
        print_job(ctx, job);
    json_decref(job);
    fpc_client_free(client);
    return status;
}
