/* SPDX-License-Identifier: MIT
 *
 * flashport snapshots.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/snapshot.h"

#include "cli/id.h"
#include "cli/whole.h"

#include <getopt.h>
#include <string.h>

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* --- what there is ------------------------------------------------------- */

/* "board-7:flash0/model", of which part of what device it is. */
static void print_origin(const json_t *s)
{
    static const char *const parts[][2] = { { "", "device" },
                                            { ":", "storage" },
                                            { "/", "region" } };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *text = fpc_text(s, parts[i][1]);

        if (!*text)
            continue;
        fputs(parts[i][0], stdout);
        fpc_print_name(stdout, text, strlen(text));
    }
}

static void print_snapshot(const json_t *s)
{
    char size[16], added[16];
    const json_t *tag;
    size_t i;

    printf("%-38s", fpc_text(s, "id"));
    print_origin(s);
    printf("  %s  %6s  +%-6s  %s", fpc_text(s, "taken"),
           fpc_size_text((uint64_t)number_of(s, "size"), size),
           fpc_size_text((uint64_t)number_of(s, "new_bytes"), added),
           fpc_text(s, "fs"));
    if (!json_is_true(json_object_get(s, "complete")))
        fputs("  incomplete", stdout);
    if (json_is_true(json_object_get(s, "pinned")))
        fputs("  pinned", stdout);
    json_array_foreach(json_object_get(s, "tags"), i, tag)
    {
        fputs("  #", stdout);
        fpc_print_name(stdout, json_string_value(tag),
                       strlen(json_string_value(tag)));
    }
    putchar('\n');
}

static int list(struct fpc_context *ctx, struct fpc_client *client, int argc,
                char **argv)
{
    return fpc_list_print(ctx, client, FPC_SNAPSHOTS, "snapshots",
                          argc ? argv[0] : NULL, print_snapshot);
}

/* --- into them ----------------------------------------------------------- */

/* `text` may be a part of the id. */
int fpc_snapshot_url(struct fpc_client *client, char url[FPC_URL_MAX],
                     const char *text, const char *rest)
{
    char id[FPC_ID_SIZE];
    int status = fpc_id_find(client, FPC_SNAPSHOTS, "snapshots", text, id);

    if (status)
        return status;
    strcpy(url, FPC_SNAPSHOTS "/");
    fpc_url_append(url, id, false);
    fpc_url_append(url, rest, true);
    return FPC_EXIT_OK;
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

    status =
        fpc_snapshot_url(client, url, argv[0], path[0] == '/' ? "/fs" : "/fs/");
    if (status)
        return status;
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
            fpc_print_name(stdout, fpc_text(entry, "name"),
                           strlen(fpc_text(entry, "name")));
            puts(strcmp(fpc_text(entry, "type"), "dir") == 0 ? "/" : "");
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
    const char *path = argv[1];
    int status;

    (void)argc;
    if (path[0] == '\0' || path[strlen(path) - 1] == '/') {
        fpc_error(
            "'%s' is a directory; flashport snapshots ls %s '%s' lists it",
            path, argv[0], path);
        return FPC_EXIT_CONFLICT;
    }
    status =
        fpc_snapshot_url(client, url, argv[0], path[0] == '/' ? "/fs" : "/fs/");
    if (status)
        return status;
    fpc_url_append(url, path, true);
    return fetch(ctx, client, url, stdout, path);
}

int fpc_snapshot_export(struct fpc_context *ctx, struct fpc_client *client,
                        const char *id, const char *path)
{
    char url[FPC_URL_MAX];
    struct fpc_whole whole;
    int status = fpc_snapshot_url(client, url, id, "/image");

    if (status)
        return status;
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
    return fpc_snapshot_export(ctx, client, argv[0], argv[1]);
}

static int rm(struct fpc_context *ctx, struct fpc_client *client, int argc,
              char **argv)
{
    char url[FPC_URL_MAX];
    int status = FPC_EXIT_OK;

    (void)ctx;
    for (int i = 0; i < argc && status == FPC_EXIT_OK; i++) {
        struct fpc_call call = { .method = "DELETE", .path = url };

        status = fpc_snapshot_url(client, url, argv[i], "");
        if (status == FPC_EXIT_OK)
            status = fpc_client_call(client, &call);
        fpc_call_free(&call);
    }
    return status;
}

static int set_pinned(struct fpc_context *ctx, struct fpc_client *client,
                      const char *text, bool pinned)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "PATCH", .path = url };
    int status = fpc_snapshot_url(client, url, text, "");

    if (status)
        return status;
    call.body = json_pack("{s:b}", "pinned", (int)pinned);
    status = fpc_client_call(client, &call);
    if (status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(call.json);
    json_decref(call.body);
    fpc_call_free(&call);
    return status;
}

static int pin(struct fpc_context *ctx, struct fpc_client *client, int argc,
               char **argv)
{
    (void)argc;
    return set_pinned(ctx, client, argv[0], true);
}

static int unpin(struct fpc_context *ctx, struct fpc_client *client, int argc,
                 char **argv)
{
    (void)argc;
    return set_pinned(ctx, client, argv[0], false);
}

int fpc_cmd_snapshots(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct {
        const char *name;
        int least, most;
        int (*run)(struct fpc_context *, struct fpc_client *, int, char **);
    } verbs[] = {
        { "list", 0, 1, list },     { "ls", 1, 2, ls },    { "cat", 2, 2, cat },
        { "export", 2, 2, export }, { "rm", 1, 1000, rm }, { "pin", 1, 1, pin },
        { "unpin", 1, 1, unpin },
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
