/* SPDX-License-Identifier: MIT */
#include "daemon/link/expand.h"

#include "daemon/link/links.h"
#include "daemon/link/usb_bus.h"

#include <stdlib.h>
#include <string.h>

bool fpd_link_is_pattern(const char *spec)
{
    const char *rest;
    const struct fpd_link_ops *ops = fpd_link_kind(spec, &rest);

    return ops && ops->is_pattern && ops->is_pattern(rest);
}

static size_t expand_one(const char *spec, char **out, size_t max)
{
    const char *rest;

    if (fpd_link_is_pattern(spec))
        return fpd_link_kind(spec, &rest)->expand(spec, out, max);
    if (max == 0)
        return 0;
    out[0] = strdup(spec);
    return 1;
}

int fpd_link_expand(char *const *specs, size_t count, size_t max, char ***out,
                    size_t *out_count)
{
    char **list = calloc(max + 1, sizeof *list);
    size_t n = 0;

    *out_count = 0;
    if (!list)
        return FP_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        n += expand_one(specs[i], list + n, max - n);
    *out = list;
    *out_count = n;
    return FP_OK;
}

void fpd_link_specs_free(char **specs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(specs[i]);
    free(specs);
}

/* ---- being told ---- */

static void (*tell)(void);

static void device_arrived(struct fpd_usb_listener *listener)
{
    (void)listener;
    tell();
}

static struct fpd_usb_listener watcher = { .arrived = device_arrived };

void fpd_link_watch(void (*arrived)(void))
{
    tell = arrived;
    fpd_usb_bus_listen(&watcher);
}

void fpd_link_watch_end(void)
{
    fpd_usb_bus_unlisten(&watcher);
    fpd_usb_bus_stop();
}
