/* SPDX-License-Identifier: MIT
 *
 * flashport mount, unmount, format: volumes of one device.
 */
#include "cli/client.h"
#include "cli/remote.h"
#include "cli/say.h"

#include <getopt.h>
#include <string.h>

struct flags {
    const char *fs, *options;
    bool yes;
};

static int parse(struct fpc_context *ctx, int argc, char **argv,
                 const char *own, struct flags *flags)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "fs", required_argument, NULL, 'f' },
        { "opt", required_argument, NULL, 'o' },
        { "yes", no_argument, NULL, 'y' },
        { 0 },
    };
    int opt;

    *flags = (struct flags){ .yes = false };
    while ((opt = getopt_long(argc, argv, "y", options, NULL)) != -1) {
        if (fpc_common_option(ctx, opt, optarg))
            continue;
        if (opt == '?' || !strchr(own, opt))
            return fpc_usage(argv[0], opt == '?' ? NULL : "no such option");
        if (opt == 'f')
            flags->fs = optarg;
        else if (opt == 'o')
            flags->options = optarg;
        else
            flags->yes = true;
    }
    if (argc - optind != 1)
        return fpc_usage(argv[0], "one volume, as in board-7:/flash");
    return FPC_EXIT_OK;
}

static void volume_url(const struct fpc_remote *volume, char url[FPC_URL_MAX])
{
    strcpy(url, "/api/v1/devices/");
    fpc_url_append(url, volume->device, false);
    strcat(url, "/volumes");
    fpc_url_append(url, volume->path, true);
}

static json_t *body_of(const char *action, const struct flags *flags)
{
    json_t *body = json_pack("{s:s}", "action", action);

    if (flags->fs)
        json_object_set_new(body, "fs", json_string(flags->fs));
    if (flags->options)
        json_object_set_new(body, "options", json_string(flags->options));
    return body;
}

static int act(struct fpc_context *ctx, const char *text, const char *action,
               const struct flags *flags)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "POST", .path = url };
    struct fpc_client *client;
    struct fpc_remote volume;
    int status = fpc_remote_parse(text, &volume);

    if (status == FPC_EXIT_OK)
        status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    volume_url(&volume, url);
    call.body = body_of(action, flags);
    status = fpc_client_call(client, &call);
    if (status == FPC_EXIT_OK && ctx->json)
        puts("{}");
    json_decref(call.body);
    fpc_call_free(&call);
    fpc_client_free(client);
    return status;
}

int fpc_cmd_mount(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "fo", &flags);

    return status ? status : act(ctx, argv[optind], "mount", &flags);
}

int fpc_cmd_unmount(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "", &flags);

    return status ? status : act(ctx, argv[optind], "unmount", &flags);
}

int fpc_cmd_format(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "foy", &flags);

    if (status)
        return status;
    if (!flags.fs)
        return fpc_usage("format", "say which filesystem: --fs littlefs");
    if (!flags.yes)
        status = fpc_confirm("Format %s, which loses all that is on it?",
                             argv[optind]);
    if (status)
        return status;
    return act(ctx, argv[optind], "format", &flags);
}
