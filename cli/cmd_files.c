/* SPDX-License-Identifier: MIT
 *
 * flashport ls, cat, mv, rm, mkdir: files of one device.
 */
#include "cli/client.h"
#include "cli/listing.h"
#include "cli/remote.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

struct flags {
    bool l, n, r, p;
};

/* The options of a command, whose own ones are those letters of `own`. */
static int parse(struct fpc_context *ctx, int argc, char **argv,
                 const char *own, int least, struct flags *flags)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "long", no_argument, NULL, 'l' },
        { "no-clobber", no_argument, NULL, 'n' },
        { "recursive", no_argument, NULL, 'r' },
        { "parents", no_argument, NULL, 'p' },
        { 0 },
    };
    int opt;

    *flags = (struct flags){ false };
    while ((opt = getopt_long(argc, argv, own, options, NULL)) != -1) {
        if (fpc_common_option(ctx, opt, optarg))
            continue;
        if (opt == '?' || !strchr(own, opt))
            return fpc_usage(argv[0], opt == '?' ? NULL : "no such option");
        flags->l |= opt == 'l';
        flags->n |= opt == 'n';
        flags->r |= opt == 'r';
        flags->p |= opt == 'p';
    }
    if (argc - optind < least)
        return fpc_usage(argv[0], "a path is missing");
    return FPC_EXIT_OK;
}

/* Calls fn for each operand, as a name of the far side, until one fails. */
static int for_each(struct fpc_context *ctx, int argc, char **argv,
                    const struct flags *flags,
                    int (*fn)(struct fpc_context *, struct fpc_client *,
                              const struct fpc_remote *, const struct flags *))
{
    struct fpc_client *client;
    struct fpc_remote remote;
    int status = fpc_client_new(ctx, &client);

    if (status)
        return status;
    for (int i = optind; i < argc && status == FPC_EXIT_OK; i++) {
        status = fpc_remote_parse(argv[i], &remote);
        if (status == FPC_EXIT_OK)
            status = fn(ctx, client, &remote, flags);
    }
    fpc_client_free(client);
    return status;
}

/* --- ls ------------------------------------------------------------------ */

static void print_entry(const struct fpc_entry *e, bool detailed)
{
    char size[16], time[24];

    if (detailed)
        printf("%c %8s  %-16s  ", e->dir ? 'd' : '-',
               e->dir ? "-" : fpc_size_text(e->size, size),
               fpc_time_text(e->has_mtime, e->mtime, time));
    fpc_print_name(stdout, e->name, strlen(e->name));
    puts(e->dir ? "/" : "");
}

static int ls(struct fpc_context *ctx, struct fpc_client *client,
              const struct fpc_remote *dir, const struct flags *flags)
{
    struct fpc_entry entry;
    int status;
    json_t *doc = fpc_listing(client, dir, &status);

    if (!doc)
        return status;
    if (ctx->json)
        fpc_print_json(doc);
    else
        for (size_t i = 0; i < json_array_size(json_object_get(doc, "entries"));
             i++)
            if (fpc_listing_entry(doc, i, &entry))
                print_entry(&entry, flags->l);
    json_decref(doc);
    return FPC_EXIT_OK;
}

int fpc_cmd_ls(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "l", 1, &flags);

    return status ? status : for_each(ctx, argc, argv, &flags, ls);
}

/* --- cat ----------------------------------------------------------------- */

static int cat(struct fpc_context *ctx, struct fpc_client *client,
               const struct fpc_remote *file, const struct flags *flags)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "GET", .path = url, .download = stdout };
    int status;

    (void)ctx;
    (void)flags;
    fpc_remote_url(file, false, url);
    status = fpc_client_call(client, &call);
    fpc_call_free(&call);
    return status;
}

int fpc_cmd_cat(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "", 1, &flags);

    return status ? status : for_each(ctx, argc, argv, &flags, cat);
}

/* --- mv, rm, mkdir: a call each ------------------------------------------ */

/* One call that answers nothing worth printing; with --json what it answered,
 * or {}. */
static int change(struct fpc_context *ctx, struct fpc_client *client,
                  struct fpc_call *call)
{
    int status = fpc_client_call(client, call);

    if (status == FPC_EXIT_OK && ctx->json) {
        json_t *doc = call->json ? json_incref(call->json) : json_object();

        fpc_print_json(doc);
        json_decref(doc);
    }
    fpc_call_free(call);
    return status;
}

int fpc_cmd_mv(struct fpc_context *ctx, int argc, char **argv)
{
    static const char name[] = "Destination: ";
    char url[FPC_URL_MAX], header[sizeof name + FPC_URL_MAX];
    struct fpc_call call = { .method = "MOVE",
                             .path = url,
                             .headers = { header } };
    struct fpc_client *client;
    struct fpc_remote from, to;
    bool exists, dir;
    struct flags flags;
    int status = parse(ctx, argc, argv, "n", 2, &flags);

    if (status)
        return status;
    if (argc - optind != 2)
        return fpc_usage("mv", "one source and one target");
    if ((status = fpc_remote_parse(argv[optind], &from)) ||
        (status = fpc_remote_parse(argv[optind + 1], &to)))
        return status;
    if (strcmp(from.device, to.device) != 0)
        return fpc_usage("mv", "both on one device; between devices use cp "
                               "and rm");
    status = fpc_client_new(ctx, &client);
    if (status)
        return status;
    status = fpc_remote_stat(client, &to, &exists, &dir);
    if (status == FPC_EXIT_OK && dir &&
        !fpc_remote_join(&to, fpc_basename(from.path))) {
        fpc_error("the new path is too long");
        status = FPC_EXIT_FAILED;
    }
    if (status == FPC_EXIT_OK) {
        fpc_remote_url(&from, false, url);
        strcpy(header, name);
        fpc_remote_url(&to, false, header + strlen(name));
        if (flags.n)
            call.headers[1] = "Overwrite: F";
        status = change(ctx, client, &call);
    }
    fpc_client_free(client);
    return status;
}

static int rm(struct fpc_context *ctx, struct fpc_client *client,
              const struct fpc_remote *file, const struct flags *flags)
{
    char url[FPC_URL_MAX + 16];
    struct fpc_call call = { .method = "DELETE", .path = url };

    fpc_remote_url(file, false, url);
    if (flags->r)
        strcat(url, "?recursive=1");
    return change(ctx, client, &call);
}

int fpc_cmd_rm(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "r", 1, &flags);

    return status ? status : for_each(ctx, argc, argv, &flags, rm);
}

static int make_dir(struct fpc_client *client, const struct fpc_remote *dir,
                    bool may_exist)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "MKCOL",
                             .path = url,
                             .silent = may_exist };
    bool exists, is_dir;
    int status;

    fpc_remote_url(dir, true, url);
    status = fpc_client_call(client, &call);
    if (status && may_exist && call.status) {
        if (fpc_remote_stat(client, dir, &exists, &is_dir) == FPC_EXIT_OK &&
            is_dir)
            status = FPC_EXIT_OK;
        else
            fpc_client_say(client, &call);
    }
    fpc_call_free(&call);
    return status;
}

static int mkdir_one(struct fpc_context *ctx, struct fpc_client *client,
                     const struct fpc_remote *dir, const struct flags *flags)
{
    struct fpc_remote part = *dir;
    char *slash = part.path;
    int status;

    (void)ctx;
    /* The first component is a mount point, which nobody makes. */
    slash = strchr(slash + 1, '/');
    while (flags->p && slash && (slash = strchr(slash + 1, '/'))) {
        *slash = 0;
        status = make_dir(client, &part, true);
        if (status)
            return status;
        *slash = '/';
    }
    return make_dir(client, dir, flags->p);
}

int fpc_cmd_mkdir(struct fpc_context *ctx, int argc, char **argv)
{
    struct flags flags;
    int status = parse(ctx, argc, argv, "p", 1, &flags);

    return status ? status : for_each(ctx, argc, argv, &flags, mkdir_one);
}
