/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/client.h"

#include "cli/curl.h"
#include "cli/say.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_URL "http://127.0.0.1:8484"

/* A description is small; a listing of some thousand files is not. What is
 * larger than this is not the daemon's. */
#define JSON_MAX (64u << 20)

static const struct fpc_curl *const lib = &fpc_curl;

struct fpc_client {
    CURL *curl;
    char *url;   /* without a trailing slash */
    char *token; /* or NULL: over the socket none is needed */
    const char *socket;
};

/* --- where the daemon is ------------------------------------------------- */

static const char *or_env(const char *given, const char *name)
{
    const char *value = given ? given : getenv(name);

    return value && *value ? value : NULL;
}

/* The token of the daemon's default data directory, as its owner may read it;
 * NULL when there is none. */
static char *default_token(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char path[4096], line[256] = "";
    FILE *file;

    if (data && *data)
        snprintf(path, sizeof path, "%s/flashport/admin.token", data);
    else
        snprintf(path, sizeof path, "%s/.local/share/flashport/admin.token",
                 home ? home : "");
    file = fopen(path, "r");
    if (!file)
        return NULL;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);
    line[strcspn(line, "\r\n")] = 0;
    return line[0] ? strdup(line) : NULL;
}

int fpc_client_new(const struct fpc_context *ctx, struct fpc_client **client)
{
    struct fpc_client *c;
    const char *url = or_env(ctx->url, "FLASHPORT_URL");
    const char *token = or_env(ctx->token, "FLASHPORT_TOKEN");

    if (fpc_curl_load() != FPC_EXIT_OK)
        return FPC_EXIT_FAILED;
    c = calloc(1, sizeof *c);
    if (!c)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    lib->curl_global_init(CURL_GLOBAL_DEFAULT);
    /* A URL on the command line wins over a socket in the environment. */
    c->socket = ctx->socket || !ctx->url
                    ? or_env(ctx->socket, "FLASHPORT_SOCKET")
                    : NULL;
    c->url = strdup(c->socket ? "http://localhost" : url ? url : DEFAULT_URL);
    c->token = token ? strdup(token) : c->socket ? NULL : default_token();
    c->curl = lib->curl_easy_init();
    if (!c->url || !c->curl) {
        fpc_client_free(c);
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    }
    if (c->url[0] && c->url[strlen(c->url) - 1] == '/')
        c->url[strlen(c->url) - 1] = 0;
    *client = c;
    return FPC_EXIT_OK;
}

void fpc_client_free(struct fpc_client *c)
{
    if (!c)
        return;
    if (c->curl)
        lib->curl_easy_cleanup(c->curl);
    lib->curl_global_cleanup();
    free(c->url);
    free(c->token);
    free(c);
}

/* --- one call ------------------------------------------------------------ */

struct transfer {
    CURL *curl;
    struct fpc_call *call;
    char *body; /* JSON: the answer's, or a problem's */
    size_t size;
    bool write_failed;
};

static size_t on_body(char *data, size_t unit, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t size = unit * count;
    long status = 0;
    char *grown;

    lib->curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->call->download && status < 300) {
        if (fwrite(data, 1, size, t->call->download) == size)
            return size;
        t->write_failed = true;
        return 0;
    }
    if (size > JSON_MAX - t->size)
        return 0;
    grown = realloc(t->body, t->size + size);
    if (!grown)
        return 0;
    memcpy(grown + t->size, data, size);
    t->body = grown;
    t->size += size;
    return size;
}

/* Copies the value of header `name` in line[0..size) to `value`. */
static void take_header(const char *line, size_t size, const char *name,
                        char *value, size_t value_size)
{
    size_t skip = strlen(name);

    if (size <= skip || strncasecmp(line, name, skip) != 0)
        return;
    while (skip < size && (line[skip] == ' ' || line[skip] == '\t'))
        skip++;
    while (size > skip && (line[size - 1] == '\r' || line[size - 1] == '\n'))
        size--;
    if (size - skip >= value_size)
        return;
    memcpy(value, line + skip, size - skip);
    value[size - skip] = 0;
}

static size_t on_header(char *data, size_t unit, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t size = unit * count;

    take_header(data, size, "Location:", t->call->location,
                sizeof t->call->location);
    take_header(data, size, "Content-Type:", t->call->content_type,
                sizeof t->call->content_type);
    return size;
}

static size_t on_upload(char *buf, size_t unit, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t n = fread(buf, unit, count, t->call->upload);

    t->call->sent += (int64_t)(n * unit);
    return n == 0 && ferror(t->call->upload) ? CURL_READFUNC_ABORT : n * unit;
}

static int on_seek(void *ctx, curl_off_t off, int whence)
{
    struct transfer *t = ctx;

    /* It asks for its start only. */
    if (fseeko(t->call->upload, (off_t)off, whence) != 0)
        return CURL_SEEKFUNC_FAIL;
    t->call->sent = off;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down,
                       curl_off_t up_total, curl_off_t up)
{
    struct transfer *t = ctx;

    if (t->call->upload)
        fpc_progress_update(t->call->progress, (uint64_t)up,
                            (uint64_t)up_total);
    else
        fpc_progress_update(t->call->progress, (uint64_t)down,
                            (uint64_t)down_total);
    return 0;
}

static struct curl_slist *headers_of(struct fpc_client *c,
                                     const struct fpc_call *call)
{
    struct curl_slist *list = NULL;
    char line[512];

    if (c->token) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", c->token);
        list = lib->curl_slist_append(list, line);
    }
    if (call->body)
        list = lib->curl_slist_append(list, "Content-Type: application/json");
    /* The daemon refuses before it reads a body; waiting to be told to go on
     * would only cost a turn. */
    list = lib->curl_slist_append(list, "Expect:");
    for (size_t i = 0; i < sizeof call->headers / sizeof call->headers[0]; i++)
        if (call->headers[i])
            list = lib->curl_slist_append(list, call->headers[i]);
    return list;
}

static void prepare(struct fpc_client *c, struct transfer *t, const char *url,
                    char *body)
{
    CURL *curl = c->curl;

    lib->curl_easy_reset(curl);
    lib->curl_easy_setopt(curl, CURLOPT_URL, url);
    lib->curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    if (c->socket)
        lib->curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    lib->curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    lib->curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    lib->curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    lib->curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    lib->curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    lib->curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    lib->curl_easy_setopt(curl, CURLOPT_FILETIME, 1L);
    if (body)
        lib->curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (t->call->upload) {
        lib->curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        lib->curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
        lib->curl_easy_setopt(curl, CURLOPT_READDATA, t);
        lib->curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        lib->curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
        lib->curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                              (curl_off_t)t->call->upload_size);
    }
    if (strcmp(t->call->method, "HEAD") == 0)
        lib->curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        lib->curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, t->call->method);
    if (t->call->progress) {
        lib->curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        lib->curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        lib->curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    }
}

/* --- what came of it ----------------------------------------------------- */

static enum fpc_exit exit_of_status(long status)
{
    switch (status) {
    case 400:
    case 405:
    case 414:
    case 422:
        return FPC_EXIT_FAILED;
    case 401:
    case 403:
        return FPC_EXIT_DENIED;
    case 404:
        return FPC_EXIT_NOT_FOUND;
    case 409:
    case 412:
    case 423:
        return FPC_EXIT_CONFLICT;
    case 413:
    case 507:
        return FPC_EXIT_NO_SPACE;
    case 503:
    case 504:
        return FPC_EXIT_OFFLINE;
    default:
        return status < 300 ? FPC_EXIT_OK : FPC_EXIT_FAILED;
    }
}

/* The last part of the "/errors/..." that a problem is; "" of none. */
static const char *type_of(const struct fpc_call *call)
{
    static const char prefix[] = "/errors/";
    const char *type = json_string_value(json_object_get(call->json, "type"));

    return type && strncmp(type, prefix, strlen(prefix)) == 0
               ? type + strlen(prefix)
               : "";
}

bool fpc_call_is(const struct fpc_call *call, const char *type)
{
    return strcmp(type_of(call), type) == 0;
}

/* What the daemon advises is for who speaks HTTP; on the shell it is this. */
static const char *hint_of(const char *type)
{
    static const char *const hints[][2] = {
        { "unknown-device", "flashport devices lists those that are." },
        { "unauthorized", "Give --token or FLASHPORT_TOKEN; the first token is "
                          "in admin.token of the daemon's data directory." },
        { "is-a-directory", "flashport ls lists it, cp -r copies all of it." },
        { "no-parent", "flashport mkdir -p makes it." },
        { "volume-root", "Name what is in it instead." },
        { "not-empty", "rm -r deletes it with all it holds." },
        { "size-differs", "--smaller writes it at the start of a larger one." },
        { "daemon-full", "On its machine; flashport snapshots rm makes room "
                         "in the store." },
        { "snapshot-pinned", "flashport snapshots unpin lets it go." },
    };

    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (strcmp(type, hints[i][0]) == 0)
            return hints[i][1];
    return NULL;
}

static void say(json_t *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(json_t *problem, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fpc_say(problem, format, args);
    va_end(args);
}

/* A problem document as a sentence or two. */
void fpc_client_say(struct fpc_client *c, const struct fpc_call *call)
{
    const char *title = NULL, *detail = NULL, *hint = hint_of(type_of(call));
    const char *device = NULL, *path = NULL;
    char where[FPC_URL_MAX] = "";
    size_t n;

    (void)c;
    json_unpack(call->json, "{s?s,s?s,s?s,s?s}", "title", &title, "detail",
                &detail, "device", &device, "path", &path);
    detail = detail ? detail : title;
    n = detail ? strlen(detail) : 0;
    if (device && path)
        snprintf(where, sizeof where, "%s:%s: ", device, path);
    if (n)
        say(call->json, "%s%s%s%s%s", where, detail,
            strchr(".!?", detail[n - 1]) ? "" : ".", hint ? " " : "",
            hint ? hint : "");
    else
        say(call->json, "%sthe daemon answered %ld to %s %s.", where,
            call->status, call->method, call->path);
}

static int say_unreached(struct fpc_client *c, CURLcode code,
                         const struct transfer *t)
{
    if (t->write_failed)
        return fpc_error("cannot write the output"), FPC_EXIT_FAILED;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return fpc_error("cannot read the file to send"), FPC_EXIT_FAILED;
    if (t->call->status)
        return fpc_error("the answer broke off: %s",
                         lib->curl_easy_strerror(code)),
               FPC_EXIT_FAILED;
    fpc_error("cannot reach flashportd at %s: %s",
              c->socket ? c->socket : c->url, lib->curl_easy_strerror(code));
    return FPC_EXIT_NO_DAEMON;
}

int fpc_client_call(struct fpc_client *c, struct fpc_call *call)
{
    struct transfer t = { .curl = c->curl, .call = call };
    size_t url_size = strlen(c->url) + strlen(call->path) + 1;
    char *url = malloc(url_size);
    char *body = call->body ? json_dumps(call->body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = headers_of(c, call);
    curl_off_t modified = -1, length = -1;
    CURLcode code;
    int status;

    if (!url || !headers || (call->body && !body)) {
        fpc_error("out of memory");
        status = FPC_EXIT_FAILED;
        goto out;
    }
    snprintf(url, url_size, "%s%s", c->url, call->path);
    prepare(c, &t, url, body);
    lib->curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    code = lib->curl_easy_perform(c->curl);
    lib->curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &call->status);
    lib->curl_easy_getinfo(c->curl, CURLINFO_FILETIME_T, &modified);
    call->modified = modified;
    lib->curl_easy_getinfo(c->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                           &length);
    call->length = length;
    if (call->progress)
        fpc_progress_end(call->progress);
    if (t.size)
        call->json = json_loadb(t.body, t.size, JSON_REJECT_DUPLICATES, NULL);
    if (code != CURLE_OK && !(call->status >= 400 && call->json)) {
        status = say_unreached(c, code, &t);
        goto out;
    }
    status = (int)exit_of_status(call->status);
    if (status != FPC_EXIT_OK && !call->silent)
        fpc_client_say(c, call);

out:
    lib->curl_slist_free_all(headers);
    free(t.body);
    free(body);
    free(url);
    return status;
}

const char *fpc_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

void fpc_call_free(struct fpc_call *call)
{
    json_decref(call->json);
    call->json = NULL;
}

int fpc_client_knows(struct fpc_client *client, const char *device)
{
    char url[FPC_URL_MAX] = "/api/v1/devices/";
    int status;

    fpc_url_append(url, device, false);
    json_decref(fpc_client_get(client, url, &status));
    return status;
}

json_t *fpc_client_get(struct fpc_client *client, const char *path,
                       int *exit_code)
{
    struct fpc_call call = { .method = "GET", .path = path };

    *exit_code = fpc_client_call(client, &call);
    if (*exit_code == FPC_EXIT_OK && call.json)
        return call.json;
    if (*exit_code == FPC_EXIT_OK) {
        fpc_error("the daemon's answer to %s is no JSON", path);
        *exit_code = FPC_EXIT_FAILED;
    }
    fpc_call_free(&call);
    return NULL;
}

void fpc_print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
}
