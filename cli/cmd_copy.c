/* SPDX-License-Identifier: MIT
 *
 * flashport cp: files and trees between here and devices, and between devices.
 *
 * Several files travel at once, each worker of a crew with a connection of its
 * own: on a serial line the answers to small files take longer than their bytes.
 *
 * "-" is what comes on stdin, or goes to stdout; its length is known at its end.
 *
 * Here a file appears under its name only when it is whole: it is written
 * beside it and renamed. On a device the daemon and the agent see to the same.
 */
#define _XOPEN_SOURCE 700
#include "cli/client.h"
#include "cli/crew.h"
#include "cli/listing.h"
#include "cli/remote.h"
#include "cli/whole.h"
#include "core/host/name.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS 8

struct copy {
    struct fpc_context *ctx;
    struct fpc_client *client;
    struct fpc_crew *crew; /* NULL: one file after the other */
    bool recursive, in_place;
    uint64_t files, bytes; /* copied so far, for --json */
};

/* A source or a target: on a device, or here. */
struct place {
    bool far;
    struct fpc_remote remote;
    char path[PATH_MAX]; /* here */
};

static int place_of(const char *text, struct place *place)
{
    place->far = fpc_remote_is(text);
    if (place->far)
        return fpc_remote_parse(text, &place->remote);
    if (strlen(text) >= sizeof place->path) {
        fpc_error("the path is longer than %zu bytes", sizeof place->path - 1);
        return FPC_EXIT_USAGE;
    }
    strcpy(place->path, text);
    return FPC_EXIT_OK;
}

static bool join(struct place *place, const char *name)
{
    size_t n = strlen(place->path);

    if (!place->far && !fp_host_name_is_plain(name, strlen(name))) {
        fpc_error("%s: no name for a file on Windows", name);
        return false;
    }
    if (place->far ? fpc_remote_join(&place->remote, name)
                   : n + strlen(name) + 2 <= sizeof place->path) {
        if (!place->far)
            snprintf(place->path + n, sizeof place->path - n, "%s%s",
                     n && place->path[n - 1] == '/' ? "" : "/", name);
        return true;
    }
    fpc_error("a path becomes too long with %s", name);
    return false;
}

static int look(struct copy *copy, const struct place *place, bool *exists,
                bool *dir)
{
    struct stat st;

    if (place->far)
        return fpc_remote_stat(copy->client, &place->remote, exists, dir);
    *exists = stat(place->path, &st) == 0;
    *dir = *exists && S_ISDIR(st.st_mode);
    return *exists || errno == ENOENT ? FPC_EXIT_OK : fpc_failed(place->path);
}

/* --- one file ------------------------------------------------------------ */

/* Of the files under way one shows how far it is. */
struct shown {
    struct fpc_progress progress;
    bool has_line;
};

static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER;

static void show(struct shown *shown, const struct copy *copy,
                 const char *label)
{
    shown->has_line = !copy->ctx->quiet && pthread_mutex_trylock(&line) == 0;
    fpc_progress_start(&shown->progress, label, !shown->has_line);
}

static void show_end(struct shown *shown)
{
    fpc_progress_end(&shown->progress);
    if (shown->has_line)
        pthread_mutex_unlock(&line);
}

static int send_file(struct copy *copy, FILE *file, int64_t size, int64_t mtime,
                     const struct fpc_remote *to)
{
    char url[FPC_URL_MAX + 16], header[64];
    struct shown shown;
    struct fpc_call call = { .method = "PUT",
                             .path = url,
                             .upload = file,
                             .upload_size = size,
                             .progress = &shown.progress };
    int status;

    fpc_remote_url(to, false, url);
    if (copy->in_place)
        strcat(url, "?in_place=1");
    if (mtime >= 0) {
        snprintf(header, sizeof header, "X-Flashport-Mtime: %" PRId64, mtime);
        call.headers[0] = header;
    }
    show(&shown, copy, to->path);
    status = fpc_client_call(copy->client, &call);
    show_end(&shown);
    fpc_call_free(&call);
    if (status == FPC_EXIT_OK) {
        copy->files++;
        copy->bytes += (uint64_t)call.sent;
    }
    return status;
}

static int upload(struct copy *copy, const char *path,
                  const struct fpc_remote *to)
{
    struct stat st;
    FILE *file;
    int status;

    /* Looked at before it is opened: that would wait for a pipe's writer. */
    if (stat(path, &st) != 0)
        return fpc_failed(path);
    if (!S_ISREG(st.st_mode)) {
        fpc_error("%s: not a regular file", path);
        return FPC_EXIT_FAILED;
    }
    file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st) != 0)
        status = fpc_failed(path);
    else
        status = send_file(copy, file, st.st_size, st.st_mtime, to);
    if (file)
        fclose(file);
    return status;
}

static int fetch(struct copy *copy, const struct fpc_remote *from, FILE *file,
                 int64_t *mtime)
{
    char url[FPC_URL_MAX];
    struct shown shown;
    struct fpc_call call = { .method = "GET",
                             .path = url,
                             .download = file,
                             .progress = &shown.progress };
    int status;

    fpc_remote_url(from, false, url);
    show(&shown, copy, from->path);
    status = fpc_client_call(copy->client, &call);
    show_end(&shown);
    *mtime = call.modified;
    fpc_call_free(&call);
    return status;
}

static int download(struct copy *copy, const struct fpc_remote *from,
                    const char *path)
{
    struct fpc_whole whole;
    int64_t mtime = -1, size = 0;
    int status = fpc_whole_begin(&whole, path);

    if (status != FPC_EXIT_OK)
        return status;
    status = fetch(copy, from, whole.file, &mtime);
    if (status == FPC_EXIT_OK)
        size = (int64_t)ftello(whole.file);
    status = fpc_whole_end(&whole, status, mtime);
    if (status == FPC_EXIT_OK) {
        copy->files++;
        copy->bytes += (uint64_t)size;
    }
    return status;
}

static int between(struct copy *copy, const struct fpc_remote *from,
                   const struct fpc_remote *to)
{
    FILE *file = tmpfile();
    int64_t mtime = -1;
    int status;

    if (!file)
        return fpc_failed("a temporary file");
    status = fetch(copy, from, file, &mtime);
    if (status == FPC_EXIT_OK && fflush(file) != 0)
        status = fpc_failed("a temporary file");
    if (status == FPC_EXIT_OK) {
        int64_t size = ftello(file);

        rewind(file);
        status = send_file(copy, file, size, mtime, to);
    }
    fclose(file);
    return status;
}

static int copy_now(struct copy *copy, const struct place *from,
                    const struct place *to)
{
    if (from->far && to->far)
        return between(copy, &from->remote, &to->remote);
    if (to->far)
        return upload(copy, from->path, &to->remote);
    return download(copy, &from->remote, to->path);
}

/* --- many files ---------------------------------------------------------- */

struct pair {
    struct place from, to;
};

static int work(void *worker, void *job)
{
    struct pair *pair = job;
    int status = copy_now(worker, &pair->from, &pair->to);

    free(pair);
    return status;
}

static int copy_file(struct copy *copy, const struct place *from,
                     const struct place *to)
{
    struct pair *pair;

    if (!copy->crew)
        return copy_now(copy, from, to);
    pair = malloc(sizeof *pair);
    if (!pair)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    pair->from = *from;
    pair->to = *to;
    return fpc_crew_give(copy->crew, pair);
}

/* --- trees --------------------------------------------------------------- */

static int copy_known(struct copy *copy, const struct place *from,
                      const struct place *to, bool dir);

static int make_dir(struct copy *copy, const struct place *dir)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "MKCOL", .path = url };
    bool exists, is_dir;
    int status = look(copy, dir, &exists, &is_dir);

    if (status || is_dir)
        return status;
    if (!dir->far)
        return mkdir(dir->path, 0777) == 0 ? FPC_EXIT_OK
                                           : fpc_failed(dir->path);
    fpc_remote_url(&dir->remote, true, url);
    status = fpc_client_call(copy->client, &call);
    fpc_call_free(&call);
    return status;
}

/* Copies the entry `name` of one directory into the other. What it is here is
 * looked up; far away the listing has told. */
static int copy_entry(struct copy *copy, const struct place *from,
                      const struct place *to, const char *name, bool dir)
{
    struct pair *pair = malloc(sizeof *pair);
    bool exists;
    int status = FPC_EXIT_FAILED;

    if (!pair)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    pair->from = *from;
    pair->to = *to;
    if (join(&pair->from, name) && join(&pair->to, name))
        status =
            from->far ? FPC_EXIT_OK : look(copy, &pair->from, &exists, &dir);
    if (status == FPC_EXIT_OK)
        status = copy_known(copy, &pair->from, &pair->to, dir);
    free(pair);
    return status;
}

static int copy_far_entries(struct copy *copy, const struct place *from,
                            const struct place *to)
{
    struct fpc_entry entry;
    int status;
    json_t *doc = fpc_listing(copy->client, &from->remote, &status);
    size_t count = json_array_size(json_object_get(doc, "entries"));

    for (size_t i = 0; i < count && status == FPC_EXIT_OK; i++)
        status = fpc_listing_entry(doc, i, &entry)
                     ? copy_entry(copy, from, to, entry.name, entry.dir)
                     : FPC_EXIT_FAILED;
    json_decref(doc);
    return status;
}

static int copy_near_entries(struct copy *copy, const struct place *from,
                             const struct place *to)
{
    struct dirent **names;
    int count = scandir(from->path, &names, NULL, alphasort);
    int status = FPC_EXIT_OK;

    if (count < 0)
        return fpc_failed(from->path);
    for (int i = 0; i < count; i++) {
        if (status == FPC_EXIT_OK && strcmp(names[i]->d_name, ".") != 0 &&
            strcmp(names[i]->d_name, "..") != 0)
            status = copy_entry(copy, from, to, names[i]->d_name, false);
        free(names[i]);
    }
    free(names);
    return status;
}

static int copy_known(struct copy *copy, const struct place *from,
                      const struct place *to, bool dir)
{
    int status;

    if (!dir)
        return copy_file(copy, from, to);
    if (!copy->recursive) {
        fpc_error("%s: is a directory; copy it with -r",
                  from->far ? from->remote.path : from->path);
        return FPC_EXIT_USAGE;
    }
    status = make_dir(copy, to);
    if (status)
        return status;
    return from->far ? copy_far_entries(copy, from, to)
                     : copy_near_entries(copy, from, to);
}

static int copy_any(struct copy *copy, const struct place *from,
                    const struct place *to)
{
    bool exists, dir;
    int status = look(copy, from, &exists, &dir);

    if (status)
        return status;
    if (!exists && from->far)
        return fpc_remote_absent(copy->client, &from->remote);
    if (!exists) {
        fpc_error("%s: no such file or directory", from->path);
        return FPC_EXIT_NOT_FOUND;
    }
    return copy_known(copy, from, to, dir);
}

/* --- the command --------------------------------------------------------- */

/* Where a source goes: into the target when that is a directory. */
static int copy_operand(struct copy *copy, const char *source,
                        const char *target, bool many)
{
    size_t n = strlen(target);
    bool must_be_dir = many || (n && target[n - 1] == '/'), exists, dir;
    struct place from, to;
    const char *name;
    int status;

    if ((status = place_of(source, &from)) || (status = place_of(target, &to)))
        return status;
    if (!from.far && !to.far)
        return fpc_usage("cp", "one side must be on a device: DEVICE:/path");
    status = look(copy, &to, &exists, &dir);
    if (status)
        return status;
    if (must_be_dir && !exists && to.far)
        return fpc_remote_absent(copy->client, &to.remote);
    if (must_be_dir && !dir) {
        fpc_error("%s: not a directory", target);
        return FPC_EXIT_USAGE;
    }
    if (!from.far)
        for (n = strlen(from.path); n > 1 && from.path[n - 1] == '/';)
            from.path[--n] = 0;
    name = fpc_basename(from.far ? from.remote.path : from.path);
    if (dir && *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
        !join(&to, name))
        return FPC_EXIT_FAILED;
    return copy_any(copy, &from, &to);
}

static bool is_stream(const char *operand)
{
    return strcmp(operand, "-") == 0;
}

static int copy_stdin(struct copy *copy, const char *target)
{
    size_t n = strlen(target);
    struct place to;
    bool exists, dir = false;
    int status = place_of(target, &to);

    if (status == FPC_EXIT_OK)
        status = look(copy, &to, &exists, &dir);
    if (status)
        return status;
    if (dir || target[n - 1] == '/') {
        fpc_error("%s: is a directory; what comes on stdin needs a name in it",
                  target);
        return FPC_EXIT_USAGE;
    }
    return send_file(copy, stdin, -1, -1, &to.remote);
}

static int copy_stdout(struct copy *copy, const char *source)
{
    struct place from;
    int64_t mtime;
    int status = place_of(source, &from);

    return status ? status : fetch(copy, &from.remote, stdout, &mtime);
}

/* One operand is "-". */
static int copy_stream(struct copy *copy, int argc, char **argv)
{
    if (argc != 2 || copy->recursive)
        return fpc_usage("cp", "- stands for one file: cp - DEVICE:/path, or "
                               "cp DEVICE:/path -");
    if (!fpc_remote_is(argv[is_stream(argv[0])]))
        return fpc_usage("cp", "one side must be on a device: DEVICE:/path");
    return is_stream(argv[0]) ? copy_stdin(copy, argv[1])
                              : copy_stdout(copy, argv[0]);
}

static bool has_stream(int argc, char **argv)
{
    bool has = false;

    for (int i = 0; i < argc; i++)
        has |= is_stream(argv[i]);
    return has;
}

static int copy_operands(struct copy *copy, int argc, char **argv)
{
    int status = FPC_EXIT_OK;

    for (int i = 0; i < argc - 1 && status == FPC_EXIT_OK; i++)
        status = copy_operand(copy, argv[i], argv[argc - 1], argc > 2);
    return status;
}

static int copy_with_crew(struct copy *copy, int argc, char **argv)
{
    static const struct fpc_crew_ops ops = { work, free };
    struct copy workers[WORKERS];
    void *list[WORKERS];
    unsigned count = 0;
    int status = FPC_EXIT_OK, ended = FPC_EXIT_OK;

    for (; count < WORKERS && status == FPC_EXIT_OK; count++) {
        workers[count] =
            (struct copy){ .ctx = copy->ctx, .in_place = copy->in_place };
        list[count] = &workers[count];
        status = fpc_client_new(copy->ctx, &workers[count].client);
    }
    if (status == FPC_EXIT_OK)
        copy->crew = fpc_crew_new(&ops, list, count);
    if (status == FPC_EXIT_OK)
        status = copy_operands(copy, argc, argv);
    if (copy->crew)
        ended = fpc_crew_end(copy->crew);
    for (unsigned i = 0; i < count; i++) {
        copy->files += workers[i].files;
        copy->bytes += workers[i].bytes;
        fpc_client_free(workers[i].client);
    }
    return ended ? ended : status;
}

/* The first failure is the last that is tried: a device that is gone or full
 * would fail all the others. */
static void say_how_far(const struct copy *copy)
{
    fpc_error("%" PRIu64 " %s copied before that; of the rest nothing more was "
              "tried",
              copy->files, copy->files == 1 ? "file was" : "files were");
}

int fpc_cmd_cp(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS,
        { "recursive", no_argument, NULL, 'r' },
        { "in-place", no_argument, NULL, 'i' },
        { 0 },
    };
    struct copy copy = { .ctx = ctx };
    bool many, streams;
    int opt, status;

    while ((opt = getopt_long(argc, argv, "r", options, NULL)) != -1) {
        if (opt == 'r')
            copy.recursive = true;
        else if (opt == 'i')
            copy.in_place = true;
        else if (!fpc_common_option(ctx, opt, optarg))
            return fpc_usage("cp", NULL);
    }
    if (argc - optind < 2)
        return fpc_usage("cp", "a source and a target");
    many = copy.recursive || argc - optind > 2;
    streams = has_stream(argc - optind, argv + optind);
    status = fpc_client_new(ctx, &copy.client);
    if (status == FPC_EXIT_OK && streams)
        status = copy_stream(&copy, argc - optind, argv + optind);
    else if (status == FPC_EXIT_OK && many)
        status = copy_with_crew(&copy, argc - optind, argv + optind);
    else if (status == FPC_EXIT_OK)
        status = copy_operands(&copy, argc - optind, argv + optind);
    fpc_client_free(copy.client);
    if (status != FPC_EXIT_OK && many && copy.files > 0)
        say_how_far(&copy);
    if (status == FPC_EXIT_OK && ctx->json && !is_stream(argv[argc - 1]))
        printf("{\"files\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", copy.files,
               copy.bytes);
    return status;
}
