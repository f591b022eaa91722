/* SPDX-License-Identifier: MIT
 *
 * flashport verify, prune: the store of snapshots.
 */
#include "cli/snapshot.h"
#include "cli/wait.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void print_verified(const json_t *result)
{
    uint64_t chunks = number(result, "chunks");
    char size[16];

    printf("%" PRIu64 " chunk%s, %s: whole\n", chunks, fpc_plural(chunks),
           fpc_size_text(number(result, "bytes"), size));
}

static void print_pruned(const json_t *result)
{
    uint64_t chunks = number(result, "freed_chunks");
    char size[16];

    printf("freed %s in %" PRIu64 " chunk%s\n",
           fpc_size_text(number(result, "freed_bytes"), size), chunks,
           fpc_plural(chunks));
}

/* The options, and at most so many operands. */
static int parse(struct fpc_context *ctx, int argc, char **argv, int most,
                 struct fpc_wait *wait)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "no-wait", no_argument, NULL, 'W' },
        { 0 },
    };
    int opt;

    *wait = (struct fpc_wait){ 0 };
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'W')
            wait->no = true;
        else if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage(argv[0], NULL);
    }
    if (argc - optind > most)
        return fpc_usage(argv[0], most ? "at most one snapshot"
                                       : "it is about the whole store");
    return FPC_EXIT_OK;
}

static int run(struct fpc_context *ctx, struct fpc_client *client,
               const char *url, const struct fpc_wait *wait,
               void (*print)(const json_t *result))
{
    json_t *job;
    int status = fpc_wait_run(ctx, client, url, NULL, wait, &job);

    if (status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(job);
    else if (status == FPC_EXIT_OK && wait->no)
        puts(fpc_text(job, "id"));
    else if (status == FPC_EXIT_OK)
        print(json_object_get(job, "result"));
    json_decref(job);
    return status;
}

int fpc_cmd_verify(struct fpc_context *ctx, int argc, char **argv)
{
    char url[FPC_URL_MAX] = "/api/v1/store/verify";
    struct fpc_client *client;
    struct fpc_wait wait;
    int status = parse(ctx, argc, argv, 1, &wait);

    if (status == FPC_EXIT_OK)
        status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    if (optind < argc)
        status = fpc_snapshot_url(client, url, argv[optind], "/verify");
    if (status == FPC_EXIT_OK)
        status = run(ctx, client, url, &wait, print_verified);
    fpc_client_free(client);
    return status;
}

int fpc_cmd_prune(struct fpc_context *ctx, int argc, char **argv)
{
    struct fpc_client *client;
    struct fpc_wait wait;
    int status = parse(ctx, argc, argv, 0, &wait);

    if (status == FPC_EXIT_OK)
        status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    status = run(ctx, client, "/api/v1/store/prune", &wait, print_pruned);
    fpc_client_free(client);
    return status;
}
