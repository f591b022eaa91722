/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/losses.h"

#include "cli/image/kinds.h"
#include "cli/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fpc_losses_clear(struct fpc_losses *losses)
{
    for (size_t i = 0; i < losses->count; i++) {
        free(losses->items[i].path);
        free(losses->items[i].text);
    }
    free(losses->items);
    *losses = (struct fpc_losses){ 0 };
}

static bool make_room(struct fpc_losses *losses)
{
    size_t room = losses->room ? 2 * losses->room : 16;
    struct fpc_loss *items;

    if (losses->count < losses->room)
        return true;
    items = realloc(losses->items, room * sizeof *items);
    if (!items)
        return false;
    losses->items = items;
    losses->room = room;
    return true;
}

bool fpc_losses_add(struct fpc_losses *losses, const char *path,
                    const char *format, ...)
{
    struct fpc_loss loss = { .path = strdup(path) };
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    loss.text = strdup(text);
    if (!loss.path || !loss.text || !make_room(losses)) {
        free(loss.path);
        free(loss.text);
        return false;
    }
    losses->items[losses->count++] = loss;
    return true;
}

int fpc_losses_add_hollow(struct fpc_losses *losses, struct fp_mount *mnt,
                          const char *name)
{
    struct fp_stat st;
    int err = fp_fs_stat(mnt, name, &st);

    if (err != FP_ERR_NOENT)
        return err;
    return fpc_losses_add(losses, name, "%s has no %sfolders", mnt->ops->name,
                          fpc_image_kind(mnt->ops->name)->no_folders ? ""
                                                                     : "empty ")
               ? FP_OK
               : FP_ERR_NOMEM;
}

bool fpc_losses_none(const struct fpc_losses *losses)
{
    return losses->count == 0 && losses->times == 0;
}

void fpc_losses_print(const struct fpc_losses *losses, const char *fs)
{
    for (size_t i = 0; i < losses->count; i++) {
        const struct fpc_loss *loss = &losses->items[i];

        fputs("lost: ", stdout);
        fpc_print_name(stdout, loss->path, strlen(loss->path));
        printf(": %s\n", loss->text);
    }
    if (losses->times)
        printf("lost: the times of %zu files or folders: %s cannot keep them\n",
               losses->times, fs);
    if (losses->rounded)
        printf("kept: the times of %zu files or folders, to two seconds\n",
               losses->rounded);
}

/* The bytes of a name that is no UTF-8, as ls --json gives them. */
static json_t *hex_json(const char *name)
{
    char hex[2 * 1024 + 1] = "";

    for (size_t i = 0; name[i] && 2 * i + 2 < sizeof hex; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)name[i]);
    return json_string(hex);
}

json_t *fpc_losses_json(const struct fpc_losses *losses)
{
    json_t *list = json_array();

    for (size_t i = 0; i < losses->count; i++) {
        const struct fpc_loss *loss = &losses->items[i];
        json_t *item = json_object(), *path = json_string(loss->path);

        json_object_set_new(item, "path", path ? path : json_null());
        if (!path)
            json_object_set_new(item, "path_hex", hex_json(loss->path));
        json_object_set_new(item, "text", json_string(loss->text));
        json_array_append_new(list, item);
    }
    return list;
}
