/* SPDX-License-Identifier: MIT
 *
 * flashport jobs: what the daemon works on.
 */
#include "cli/id.h"
#include "cli/job.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define JOBS "/api/v1/jobs"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void print_job(const json_t *job)
{
    const char *device = text_of(job, "device");
    const char *why = text_of(json_object_get(job, "error"), "detail");

    printf("%-38s%-9s%-11s", text_of(job, "id"), text_of(job, "kind"),
           text_of(job, "state"));
    fpc_print_name(stdout, device, strlen(device));
    printf("%s%s", *device ? "  " : "", text_of(job, "created"));
    if (*why) {
        fputs("  ", stdout);
        fpc_print_name(stdout, why, strlen(why));
    }
    putchar('\n');
}

static void print(const struct fpc_context *ctx, const json_t *job)
{
    if (ctx->json)
        fpc_print_json(job);
    else
        print_job(job);
}

static int list(struct fpc_context *ctx, struct fpc_client *client,
                const char *device)
{
    char url[FPC_URL_MAX] = JOBS;
    const json_t *item;
    json_t *all;
    size_t i;
    int status;

    if (device) {
        strcat(url, "?device=");
        fpc_url_append(url, device, false);
    }
    all = fpc_list(client, url, "jobs", &status);
    if (all && device && json_array_size(all) == 0)
        status = fpc_client_knows(client, device);
    if (all && status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(all);
    else if (all && status == FPC_EXIT_OK)
        json_array_foreach(all, i, item) print_job(item);
    json_decref(all);
    return status;
}

static int show(struct fpc_context *ctx, struct fpc_client *client,
                const char *url)
{
    int status;
    json_t *job = fpc_client_get(client, url, &status);

    if (job)
        print(ctx, job);
    json_decref(job);
    return status;
}

static int wait(struct fpc_context *ctx, struct fpc_client *client,
                const char *url)
{
    struct fpc_job_watch how = { .location = url, .quiet = ctx->quiet };
    json_t *job;
    int status = fpc_job_watch(client, &how, &job);

    if (status == FPC_EXIT_OK)
        print(ctx, job);
    json_decref(job);
    return status;
}

static int cancel(struct fpc_context *ctx, struct fpc_client *client,
                  const char *url)
{
    struct fpc_call call = { .method = "DELETE", .path = url };
    int status = fpc_client_call(client, &call);

    if (status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(call.json);
    fpc_call_free(&call);
    return status;
}

static int with_job(struct fpc_context *ctx, struct fpc_client *client,
                    const char *text,
                    int (*run)(struct fpc_context *, struct fpc_client *,
                               const char *url))
{
    char url[FPC_URL_MAX] = JOBS "/", id[FPC_ID_SIZE];
    int status = fpc_id_find(client, JOBS, "jobs", text, id);

    if (status)
        return status;
    fpc_url_append(url, id, false);
    return run(ctx, client, url);
}

int fpc_cmd_jobs(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct fpc_context *, struct fpc_client *, const char *);
    } verbs[] = { { "show", show }, { "wait", wait }, { "cancel", cancel } };
    static const struct option options[] = { FPC_COMMON_OPTIONS, { 0 } };
    int (*run)(struct fpc_context *, struct fpc_client *, const char *) = NULL;
    struct fpc_client *client;
    int opt, status;
    bool lists;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage("jobs", NULL);
    argc -= optind;
    argv += optind;
    lists = argc == 0 || (strcmp(argv[0], "list") == 0 && argc <= 2);
    for (size_t i = 0; argc == 2 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[0], verbs[i].name) == 0)
            run = verbs[i].run;
    if (!lists && !run)
        return fpc_usage("jobs", "no such form");
    status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    status = lists ? list(ctx, client, argc == 2 ? argv[1] : NULL)
                   : with_job(ctx, client, argv[1], run);
    fpc_client_free(client);
    return status;
}
