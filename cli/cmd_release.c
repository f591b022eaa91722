/* SPDX-License-Identifier: MIT
 *
 * flashport release: the port of a device, or of a link, for another program.
 *
 * The daemon takes a port back when the loan's time is over, whatever became
 * of us. So a command gets a short loan that is renewed as long as it runs: if
 * we are killed, the device is back a minute later.
 */
#define _XOPEN_SOURCE 700
#include "cli/child.h"
#include "cli/client.h"
#include "cli/remote.h"
#include "cli/say.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOAN_S = 60,
    RENEW_S = 20,
    BACK_MS = 10000, /* a device that was flashed is back by then, or said */
    POLL_MS = 100,
};

struct flags {
    long seconds; /* 0: not given */
    bool force, end;
};

struct loan {
    struct fpc_client *client;
    const char *device; /* or a link: a path or SPEC, with a '/' */
    bool is_link;
    char url[FPC_URL_MAX];
    char id[40], port[256], until[40];
    unsigned age_s;
    bool renewed, lost;
};

/* ---- the loan ---- */

static int lend(struct loan *loan, long seconds, bool force, bool silent)
{
    struct fpc_call call = { .method = "POST",
                             .path = loan->url,
                             .silent = silent };
    int status;

    call.body = json_pack("{s:I,s:b}", "seconds", (json_int_t)seconds, "force",
                          (int)force);
    if (loan->is_link)
        json_object_set_new(call.body, "link", json_string(loan->device));
    if (loan->id[0])
        json_object_set_new(call.body, "id", json_string(loan->id));
    status = fpc_client_call(loan->client, &call);
    if (status == FPC_EXIT_OK) {
        snprintf(loan->id, sizeof loan->id, "%s", fpc_text(call.json, "id"));
        snprintf(loan->port, sizeof loan->port, "%s",
                 fpc_text(call.json, "port"));
        snprintf(loan->until, sizeof loan->until, "%s",
                 fpc_text(call.json, "until"));
    }
    json_decref(call.body);
    fpc_call_free(&call);
    return status;
}

static void renew(void *ctx)
{
    struct loan *loan = ctx;

    if (!loan->renewed || loan->lost || ++loan->age_s % RENEW_S != 0)
        return;
    loan->lost = lend(loan, LOAN_S, false, true) != FPC_EXIT_OK;
    if (loan->lost)
        fpc_error("the daemon does not renew the loan of %s: it takes the port "
                  "back within a minute",
                  loan->device);
}

/* `mine`: only the loan that we have, not that of who came after. */
static int take_back(struct loan *loan, bool mine)
{
    char url[FPC_URL_MAX] = "";
    struct fpc_call call = { .method = "DELETE", .path = url, .silent = mine };
    int status;

    strcpy(url, loan->url);
    if (loan->is_link) {
        strcat(url, "?link=");
        fpc_url_append(url, loan->device, false);
    }
    if (mine) {
        strcat(url, loan->is_link ? "&id=" : "?id=");
        fpc_url_append(url, loan->id, false);
    }
    status = fpc_client_call(loan->client, &call);
    fpc_call_free(&call);
    return status;
}

/* What comes behind us in a script finds the device there. */
static void wait_back(struct loan *loan)
{
    struct timespec pause = { 0, POLL_MS * 1000000L };
    char url[FPC_URL_MAX] = "/api/v1/devices/", state[32] = "", why[200] = "";

    fpc_url_append(url, loan->device, false);
    for (int left = BACK_MS; left > 0; left -= POLL_MS) {
        struct fpc_call call = { .method = "GET", .path = url, .silent = true };

        if (fpc_client_call(loan->client, &call) == FPC_EXIT_OK) {
            snprintf(state, sizeof state, "%s", fpc_text(call.json, "state"));
            snprintf(why, sizeof why, "%s", fpc_text(call.json, "reason"));
        }
        fpc_call_free(&call);
        if (strcmp(state, "online") == 0)
            return;
        nanosleep(&pause, NULL);
    }
    fpc_error("%s is not back yet: %s%s%s", loan->device,
              *state ? state : "not seen", *why ? ", " : "", why);
}

/* ---- the command ---- */

static int run(struct loan *loan, const struct flags *flags, char **argv)
{
    const struct fpc_child child = { .argv = argv,
                                     .variable = "FLASHPORT_PORT",
                                     .value = loan->port,
                                     .every_second = renew,
                                     .ctx = loan };
    int status;

    loan->renewed = flags->seconds == 0;
    status = fpc_child_run(&child);
    if (take_back(loan, true) == FPC_EXIT_NO_DAEMON)
        fpc_error("the daemon is gone; it has its ports when it is back");
    else if (!loan->is_link)
        wait_back(loan);
    return status;
}

static int release(struct loan *loan, const struct fpc_context *ctx,
                   const struct flags *flags, char **command)
{
    int status;

    if (flags->end)
        return take_back(loan, false);
    status = lend(loan, flags->seconds ? flags->seconds : LOAN_S, flags->force,
                  false);
    if (status)
        return status;
    if (*command)
        return run(loan, flags, command);
    if (ctx->json) {
        json_t *doc = json_pack("{s:s,s:s,s:s,s:s}", "id", loan->id,
                                loan->is_link ? "link" : "device", loan->device,
                                "port", loan->port, "until", loan->until);

        fpc_print_json(doc);
        json_decref(doc);
        return FPC_EXIT_OK;
    }
    fpc_print_name(stdout, loan->port, strlen(loan->port));
    putchar('\n');
    if (!ctx->quiet)
        fpc_note("%s is lent until %s; flashport release %s --end takes it "
                 "back sooner",
                 loan->device, loan->until, loan->device);
    return FPC_EXIT_OK;
}

/* ---- the command line ---- */

static bool take_seconds(struct flags *flags, const char *text)
{
    char *end;

    flags->seconds = strtol(text, &end, 10);
    return *text && !*end && flags->seconds >= 1 && flags->seconds <= 3600;
}

static int parse(struct fpc_context *ctx, int argc, char **argv,
                 struct flags *flags)
{
    static const struct option options[] = {
        { "for", required_argument, NULL, 'f' },
        { "force", no_argument, NULL, 'F' },
        { "end", no_argument, NULL, 'e' },
        FPC_COMMON_OPTIONS,
        { 0 },
    };
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'f' && !take_seconds(flags, optarg))
            return fpc_usage("release", "--for takes 1 to 3600 seconds");
        if (opt == 'F')
            flags->force = true;
        else if (opt == 'e')
            flags->end = true;
        else if (opt != 'f' && !fpc_common_option(ctx, opt, optarg))
            return fpc_usage("release", NULL);
    }
    return FPC_EXIT_OK;
}

int fpc_cmd_release(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags = { 0 };
    struct loan loan = { .url = "/api/v1/devices/" };
    char **command = argv + argc;
    int status;

    /* Behind "--" every word is the command's. */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            command = argv + i + 1;
            argc = i;
            break;
        }
    }
    status = parse(ctx, argc, argv, &flags);
    if (status)
        return status;
    if (optind + 1 != argc)
        return fpc_usage("release", optind == argc
                                        ? "which device?"
                                        : "one device, and a command behind "
                                          "--");
    if (flags.end && *command)
        return fpc_usage("release", "--end takes the port back: no command");
    status = fpc_client_new(ctx, &loan.client);
    if (status)
        return status;
    loan.device = argv[optind];
    loan.is_link = strchr(loan.device, '/') != NULL;
    if (loan.is_link) {
        strcpy(loan.url, "/api/v1/links/release");
    } else {
        fpc_url_append(loan.url, loan.device, false);
        strcat(loan.url, "/release");
    }
    status = release(&loan, ctx, &flags, command);
    fpc_client_free(loan.client);
    return status;
}
