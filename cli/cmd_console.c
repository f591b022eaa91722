/* SPDX-License-Identifier: MIT
 *
 * flashport console: what a device's firmware prints.
 */
#define _XOPEN_SOURCE 700
#include "cli/client.h"
#include "cli/remote.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_MS = 200,
    HELD_MAX = 64, /* more than what fpc_print_text() leaves */
};

struct console {
    struct fpc_client *client;
    const char *device;
    int64_t since; /* -1: the oldest that is kept */
    bool follow;
    char held[HELD_MAX]; /* the beginning of a sequence */
    size_t held_size;
};

/* ---- what came ---- */

/* Where text is missing, a line of ours says so. */
static void mark_gap(const struct console *c, int64_t from)
{
    if (c->since < 0 || from == c->since)
        return;
    fflush(stdout);
    if (from > c->since)
        fpc_error("%" PRId64 " bytes are no longer kept", from - c->since);
    else
        fpc_error("flashportd was started anew; what was printed before is "
                  "gone");
}

static void print(struct console *c, const char *text, size_t size)
{
    char *all = malloc(c->held_size + size);
    size_t n, len = c->held_size + size;

    if (!all)
        return;
    memcpy(all, c->held, c->held_size);
    memcpy(all + c->held_size, text, size);
    n = fpc_print_text(stdout, all, len);
    c->held_size = len - n < HELD_MAX ? len - n : 0;
    memcpy(c->held, all + n, c->held_size);
    free(all);
}

/* Nothing follows that would complete it. */
static void print_held(struct console *c)
{
    fpc_print_name(stdout, c->held, c->held_size);
    c->held_size = 0;
}

static void take(struct console *c, const struct fpc_context *ctx,
                 const json_t *doc)
{
    const json_t *text = json_object_get(doc, "text");

    if (ctx->json) {
        json_dumpf(doc, stdout, c->follow ? JSON_COMPACT : JSON_INDENT(2));
        putchar('\n');
    } else {
        mark_gap(c, json_integer_value(json_object_get(doc, "from")));
        print(c, json_string_value(text), json_string_length(text));
    }
    c->since = json_integer_value(json_object_get(doc, "next"));
    fflush(stdout);
}

/* ---- asking ---- */

static int ask(struct console *c, json_t **doc)
{
    char url[FPC_URL_MAX + 40] = "/api/v1/devices/";
    struct fpc_call call = { .method = "GET", .path = url, .silent = true };
    int status;

    fpc_url_append(url, c->device, false);
    strcat(url, "/console");
    if (c->since >= 0)
        sprintf(url + strlen(url), "?since=%" PRId64, c->since);
    status = fpc_client_call(c->client, &call);
    if (status == FPC_EXIT_OK && json_object_get(call.json, "text"))
        *doc = json_incref(call.json);
    else if (call.status)
        fpc_client_say(c->client, &call);
    fpc_call_free(&call);
    return status;
}

static int watch(struct console *c, const struct fpc_context *ctx)
{
    struct timespec pause = { 0, LOOK_MS * 1000000L };
    bool first = true;

    for (;;) {
        json_t *doc = NULL;
        int status = ask(c, &doc);

        if (!doc)
            return status ? status : FPC_EXIT_FAILED;
        if (first || !ctx->json ||
            json_string_length(json_object_get(doc, "text")))
            take(c, ctx, doc);
        json_decref(doc);
        if (!c->follow || ferror(stdout))
            break;
        first = false;
        nanosleep(&pause, NULL);
    }
    print_held(c);
    return FPC_EXIT_OK;
}

/* ---- the command line ---- */

static bool take_since(struct console *c, const char *text)
{
    char *end;

    errno = 0;
    c->since = strtoll(text, &end, 10);
    return *text && !*end && !errno && c->since >= 0;
}

int fpc_cmd_console(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        { "follow", no_argument, NULL, 'f' },
        { "since", required_argument, NULL, 's' },
        FPC_COMMON_OPTIONS,
        { 0 },
    };
    struct console c = { .since = -1 };
    int opt, status;

    while ((opt = getopt_long(argc, argv, "f", options, NULL)) != -1) {
        if (opt == 'f')
            c.follow = true;
        else if (opt == 's' && !take_since(&c, optarg))
            return fpc_usage("console", "--since takes a position, 0 or more");
        else if (opt != 's' && !fpc_common_option(ctx, opt, optarg))
            return fpc_usage("console", NULL);
    }
    if (optind + 1 != argc)
        return fpc_usage("console", "which device?");
    c.device = argv[optind];
    status = fpc_client_new(ctx, &c.client);
    if (status)
        return status;
    status = watch(&c, ctx);
    fpc_client_free(c.client);
    return status;
}
