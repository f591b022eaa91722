/* SPDX-License-Identifier: MIT */
#include "cli/id.h"

#include "cli/say.h"

#include <stdio.h>
#include <string.h>

#define PART_MIN  4  /* fewer characters name something by accident */
#define SHOWN_MAX 10 /* candidates that are named */

json_t *fpc_list(struct fpc_client *client, const char *path, const char *key,
                 int *exit_code)
{
    json_t *all = json_array(), *page;
    char url[FPC_URL_MAX], cursor[256] = "";

    do {
        snprintf(url, sizeof url, "%s", path);
        if (cursor[0]) {
            strcat(url, strchr(path, '?') ? "&cursor=" : "?cursor=");
            fpc_url_append(url, cursor, false);
        }
        page = fpc_client_get(client, url, exit_code);
        if (!page) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(page, key));
        snprintf(cursor, sizeof cursor, "%s", fpc_text(page, "next"));
        json_decref(page);
    } while (cursor[0]);
    return all;
}

int fpc_list_print(struct fpc_context *ctx, struct fpc_client *client,
                   const char *path, const char *key, const char *device,
                   void (*print)(const json_t *item))
{
    char url[FPC_URL_MAX];
    const json_t *item;
    json_t *all;
    size_t i;
    int status;

    snprintf(url, sizeof url, "%s%s", path, device ? "?device=" : "");
    if (device)
        fpc_url_append(url, device, false);
    all = fpc_list(client, url, key, &status);
    /* A device that was forgotten may have some; nobody knows it otherwise. */
    if (all && device && json_array_size(all) == 0)
        status = fpc_client_knows(client, device);
    if (all && status == FPC_EXIT_OK && ctx->json)
        fpc_print_json(all);
    else if (all && status == FPC_EXIT_OK)
        json_array_foreach(all, i, item) print(item);
    json_decref(all);
    return status;
}

static bool is_part(const char *id, const char *text)
{
    size_t n = strlen(text), len = strlen(id);

    return n <= len &&
           (memcmp(id, text, n) == 0 || memcmp(id + len - n, text, n) == 0);
}

static void name_candidates(const json_t *all, const char *text)
{
    const json_t *item;
    size_t i, shown = 0;

    json_array_foreach(all, i, item)
    {
        if (!is_part(fpc_text(item, "id"), text) || shown++ >= SHOWN_MAX)
            continue;
        fpc_error_more("  %s  %s  %s", fpc_text(item, "id"),
                       fpc_text(item, "device"),
                       *fpc_text(item, "taken") ? fpc_text(item, "taken")
                                                : fpc_text(item, "created"));
    }
    if (shown > SHOWN_MAX)
        fpc_error_more("  and %zu more", shown - SHOWN_MAX);
}

int fpc_id_find(struct fpc_client *client, const char *path, const char *key,
                const char *text, char id[FPC_ID_SIZE])
{
    int singular = (int)strlen(key) - 1, status;
    const json_t *item;
    size_t i, count = 0;
    json_t *all;

    if (strlen(text) == FPC_ID_SIZE - 1) {
        strcpy(id, text);
        return FPC_EXIT_OK;
    }
    if (strlen(text) < PART_MIN) {
        fpc_error("%s: of an id at least %d characters are needed", text,
                  PART_MIN);
        return FPC_EXIT_USAGE;
    }
    all = fpc_list(client, path, key, &status);
    if (!all)
        return status;
    json_array_foreach(all, i, item)
    {
        if (!is_part(fpc_text(item, "id"), text))
            continue;
        count++;
        snprintf(id, FPC_ID_SIZE, "%s", fpc_text(item, "id"));
    }
    if (count == 0) {
        fpc_error("there is no %.*s whose id begins or ends with %s", singular,
                  key, text);
        status = FPC_EXIT_NOT_FOUND;
    } else if (count > 1) {
        fpc_error("%s may be any of %zu %s; give more of the id:", text, count,
                  key);
        name_candidates(all, text);
        status = FPC_EXIT_USAGE;
    }
    json_decref(all);
    return status;
}
