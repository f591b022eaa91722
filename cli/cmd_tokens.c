/* SPDX-License-Identifier: MIT
 *
 * flashport tokens: who may do what with the daemon.
 */
#include "cli/id.h"
#include "cli/remote.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS "/api/v1/tokens"

struct flags {
    const char *scope;
    json_t *devices; /* or NULL: all */
    long expires_s;  /* 0: never */
};

static void print_name(const char *before, const char *text)
{
    fputs(before, stdout);
    fpc_print_name(stdout, text, strlen(text));
}

static void print_token(const json_t *token)
{
    const json_t *device;
    size_t i;

    printf("%-38s%-7s%s", fpc_text(token, "id"), fpc_text(token, "scope"),
           fpc_text(token, "created"));
    print_name("  ", fpc_text(token, "name"));
    if (*fpc_text(token, "expires"))
        print_name("  until ", fpc_text(token, "expires"));
    json_array_foreach(json_object_get(token, "devices"), i, device)
        print_name(i ? "," : "  for ", json_string_value(device));
    putchar('\n');
}

static int list(struct fpc_context *ctx, struct fpc_client *client, char **argv,
                const struct flags *flags)
{
    (void)argv;
    (void)flags;
    return fpc_list_print(ctx, client, TOKENS, "tokens", NULL, print_token);
}

static int add(struct fpc_context *ctx, struct fpc_client *client, char **argv,
               const struct flags *flags)
{
    struct fpc_call call = { .method = "POST", .path = TOKENS };
    int status;

    call.body = json_pack("{s:s,s:s}", "name", argv[0], "scope", flags->scope);
    if (flags->devices)
        json_object_set(call.body, "devices", flags->devices);
    if (flags->expires_s)
        json_object_set_new(call.body, "expires_in_s",
                            json_integer(flags->expires_s));
    status = fpc_client_call(client, &call);
    if (status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(call.json);
    else if (status == FPC_EXIT_OK)
        puts(fpc_text(call.json, "token"));
    json_decref(call.body);
    fpc_call_free(&call);
    return status;
}

static int revoke(struct fpc_context *ctx, struct fpc_client *client,
                  char **argv, const struct flags *flags)
{
    char url[FPC_URL_MAX] = TOKENS "/", id[FPC_ID_SIZE];
    struct fpc_call call = { .method = "DELETE", .path = url };
    int status = fpc_id_find(client, TOKENS, "tokens", argv[0], id);

    (void)flags;
    if (status)
        return status;
    fpc_url_append(url, id, false);
    status = fpc_client_call(client, &call);
    if (status == FPC_EXIT_OK && ctx->json)
        puts("{}");
    fpc_call_free(&call);
    return status;
}

static int take_expires(struct flags *flags, const char *text)
{
    char *end;

    flags->expires_s = strtol(text, &end, 10);
    if (end != text && !*end && flags->expires_s > 0)
        return FPC_EXIT_OK;
    fpc_error("--expires %s: not a number of seconds", text);
    return FPC_EXIT_USAGE;
}

static int parse(struct fpc_context *ctx, int argc, char **argv,
                 struct flags *flags)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "scope", required_argument, NULL, 's' },
        { "device", required_argument, NULL, 'd' },
        { "expires", required_argument, NULL, 'e' },
        { 0 },
    };
    int opt, status = FPC_EXIT_OK;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 's') {
            flags->scope = optarg;
        } else if (opt == 'd') {
            flags->devices = flags->devices ? flags->devices : json_array();
            json_array_append_new(flags->devices, json_string(optarg));
        } else if (opt == 'e') {
            status = take_expires(flags, optarg);
        } else if (!fpc_common_option(ctx, opt, optarg)) {
            status = fpc_usage("tokens", NULL);
        }
    }
    return status;
}

static int run(struct fpc_context *ctx, int argc, char **argv,
               const struct flags *flags)
{
    static const struct {
        const char *name;
        int operands;
        int (*run)(struct fpc_context *, struct fpc_client *, char **,
                   const struct flags *);
    } verbs[] = { { "list", 0, list }, { "add", 1, add }, { "rm", 1, revoke } };
    const char *verb = argc ? argv[0] : "list";
    const bool only_adds =
        flags->devices || flags->expires_s || strcmp(flags->scope, "read") != 0;
    struct fpc_client *client;
    int status;

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].name) != 0 ||
            (argc ? argc - 1 : 0) != verbs[i].operands)
            continue;
        if (only_adds && verbs[i].run != add)
            return fpc_usage("tokens", "these options go with add");
        status = fpc_client_new(ctx, &client);
        if (status)
            return status;
        status = verbs[i].run(ctx, client, argv + 1, flags);
        fpc_client_free(client);
        return status;
    }
    return fpc_usage("tokens", "no such form");
}

int fpc_cmd_tokens(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags = { .scope = "read" };
    int status = parse(ctx, argc, argv, &flags);

    if (status == FPC_EXIT_OK)
        status = run(ctx, argc - optind, argv + optind, &flags);
    json_decref(flags.devices);
    return status;
}
