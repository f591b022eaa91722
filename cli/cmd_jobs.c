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

static void print_job(const json_t *job)
{
    const char *device = fpc_text(job, "device");
    const char *why = fpc_text(json_object_get(job, "error"), "detail");

    printf("%-38s%-9s%-11s", fpc_text(job, "id"), fpc_text(job, "kind"),
           fpc_text(job, "state"));
    fpc_print_name(stdout, device, strlen(device));
    printf("%s%s", *device ? "  " : "", fpc_text(job, "created"));
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
    status = lists ? fpc_list_print(ctx, client, JOBS, "jobs",
                                    argc == 2 ? argv[1] : NULL, print_job)
                   : with_job(ctx, client, argv[1], run);
    fpc_client_free(client);
    return status;
}
