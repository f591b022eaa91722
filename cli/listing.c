/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* timegm, strptime */
#include "cli/listing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *page(struct fpc_client *client, const struct fpc_remote *dir,
                    const char *cursor, int *exit_code)
{
    char url[FPC_URL_MAX + 128];

    fpc_remote_url(dir, true, url);
    strcat(url, "?cursor=");
    fpc_url_append(url, cursor, false);
    return fpc_client_get(client, url, exit_code);
}

/* A name that JSON can't carry goes as the daemon would send it. */
static json_t *entry_of(const struct fpc_remote *file, const char *url,
                        const struct fpc_call *call)
{
    const char *name = fpc_basename(file->path);
    json_t *text = json_string(name), *item = json_object();
    char hex[2 * sizeof file->path + 1], when[32];
    time_t seconds = (time_t)call->modified;
    struct tm tm;

    for (size_t i = 0; name[i]; i++)
        sprintf(hex + 2 * i, "%02x", (unsigned char)name[i]);
    if (!text)
        json_object_set_new(item, "name_hex", json_string(hex));
    json_object_set_new(item, "name", text ? text : json_string("?"));
    json_object_set_new(item, "href", json_string(url));
    json_object_set_new(item, "type", json_string("file"));
    json_object_set_new(item, "size", json_integer(call->length));
    if (call->modified >= 0 && gmtime_r(&seconds, &tm) &&
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm))
        json_object_set_new(item, "mtime", json_string(when));
    return item;
}

/* The listing of a file, as that of a directory with one entry. */
static json_t *file_listing(struct fpc_client *client,
                            const struct fpc_remote *file, int *exit_code)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "HEAD", .path = url };
    json_t *doc = NULL, *path;

    fpc_remote_url(file, false, url);
    *exit_code = fpc_client_call(client, &call);
    if (*exit_code == FPC_EXIT_OK) {
        path = json_string(file->path);
        doc = json_object();
        json_object_set_new(doc, "path", path ? path : json_null());
        json_object_set_new(doc, "entries", json_array());
        json_array_append_new(json_object_get(doc, "entries"),
                              entry_of(file, url, &call));
    }
    fpc_call_free(&call);
    return doc;
}

static json_t *first_page(struct fpc_client *client,
                          const struct fpc_remote *dir, int *exit_code)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "GET", .path = url, .silent = true };
    json_t *doc = NULL;

    fpc_remote_url(dir, true, url);
    *exit_code = fpc_client_call(client, &call);
    if (*exit_code == FPC_EXIT_OK)
        doc = json_incref(call.json);
    else if (fpc_call_is(&call, "not-a-directory"))
        doc = file_listing(client, dir, exit_code);
    else if (call.status)
        fpc_client_say(client, &call);
    fpc_call_free(&call);
    return doc;
}

static const char *next_of(const json_t *doc, char text[64])
{
    const json_t *next = json_object_get(doc, "next");

    if (json_is_string(next))
        snprintf(text, 64, "%s", json_string_value(next));
    else if (json_is_integer(next) && json_integer_value(next) > 0)
        snprintf(text, 64, "%lld", (long long)json_integer_value(next));
    else
        return NULL;
    return text;
}

json_t *fpc_listing(struct fpc_client *client, const struct fpc_remote *dir,
                    int *exit_code)
{
    json_t *all = first_page(client, dir, exit_code);
    char cursor[64];

    while (all && next_of(all, cursor)) {
        json_t *more = page(client, dir, cursor, exit_code);

        if (!more) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(json_object_get(all, "entries"),
                          json_object_get(more, "entries"));
        json_object_del(all, "next");
        if (json_object_get(more, "next"))
            json_object_set(all, "next", json_object_get(more, "next"));
        json_decref(more);
    }
    return all;
}

static bool from_hex(const char *hex, char *name, size_t size)
{
    size_t n = strlen(hex);

    if (n % 2 || n / 2 >= size)
        return false;
    for (size_t i = 0; i < n / 2; i++) {
        char pair[3] = { hex[2 * i], hex[2 * i + 1], 0 }, *end;

        name[i] = (char)strtoul(pair, &end, 16);
        if (*end)
            return false;
    }
    name[n / 2] = 0;
    return true;
}

/* RFC 3339 in UTC, or seconds. */
static bool time_of(const json_t *value, int64_t *seconds)
{
    struct tm tm = { 0 };

    if (json_is_number(value)) {
        *seconds = (int64_t)json_number_value(value);
        return true;
    }
    if (!json_is_string(value) ||
        !strptime(json_string_value(value), "%Y-%m-%dT%H:%M:%S", &tm))
        return false;
    *seconds = timegm(&tm);
    return true;
}

bool fpc_listing_entry(const json_t *listing, size_t i, struct fpc_entry *e)
{
    json_t *item = json_array_get(json_object_get(listing, "entries"), i);
    const char *name = NULL, *hex = NULL, *type = "";
    json_int_t size = 0;

    *e = (struct fpc_entry){ .dir = false };
    json_unpack(item, "{s?s,s?s,s?s,s?I}", "name", &name, "name_hex", &hex,
                "type", &type, "size", &size);
    if (!name || (hex ? !from_hex(hex, e->name, sizeof e->name)
                      : strlen(name) >= sizeof e->name))
        return fpc_error("a name in the listing cannot be used"), false;
    if (!hex)
        strcpy(e->name, name);
    if (!e->name[0] || strchr(e->name, '/') || strcmp(e->name, ".") == 0 ||
        strcmp(e->name, "..") == 0)
        return fpc_error("a name in the listing cannot be used"), false;
    e->dir = strcmp(type, "dir") == 0;
    e->size = (uint64_t)size;
    e->has_mtime = time_of(json_object_get(item, "mtime"), &e->mtime);
    return true;
}

int fpc_remote_stat(struct fpc_client *client, const struct fpc_remote *remote,
                    bool *exists, bool *dir)
{
    char url[FPC_URL_MAX];
    struct fpc_call call = { .method = "HEAD", .path = url, .silent = true };
    int status;

    *exists = *dir = false;
    if (remote->path[1] == 0) {
        *exists = *dir = true;
        return FPC_EXIT_OK;
    }
    /* The name with a slash is there only as a directory. */
    fpc_remote_url(remote, true, url);
    status = fpc_client_call(client, &call);
    fpc_call_free(&call);
    if (status == FPC_EXIT_OK) {
        *exists = *dir = true;
        return FPC_EXIT_OK;
    }
    if (call.status != 404 && call.status != 409) {
        /* Said once more with a body, which says what is wrong. */
        json_decref(fpc_client_get(client, url, &status));
        return status;
    }
    fpc_remote_url(remote, false, url);
    status = fpc_client_call(client, &call);
    fpc_call_free(&call);
    *exists = status == FPC_EXIT_OK;
    return FPC_EXIT_OK;
}

int fpc_remote_absent(struct fpc_client *client,
                      const struct fpc_remote *remote)
{
    char url[FPC_URL_MAX];
    int status;

    /* HEAD told no more than that it is not there; this answer has words. */
    fpc_remote_url(remote, true, url);
    json_decref(fpc_client_get(client, url, &status));
    return status ? status : FPC_EXIT_NOT_FOUND;
}
