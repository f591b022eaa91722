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

/* Do both lead to one device? Behind a comma is how it is treated. */
static bool is_same(const char *a, const char *b)
{
    size_t n = strcspn(a, ",");

    return n == strcspn(b, ",") && strncmp(a, b, n) == 0;
}

static bool has(char *const *list, size_t count, const char *spec)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(list[i], spec))
            return true;
    return false;
}

/* What a pattern finds, but for what is named, or was found by another one. A
 * pattern is never the same as what it stands for. */
static size_t find(const char *pattern, char *const *specs, size_t count,
                   char **list, size_t n, size_t max)
{
    const char *rest;
    size_t found =
        fpd_link_kind(pattern, &rest)->expand(pattern, list + n, max - n);
    size_t end = n + found;

    for (size_t i = n; i < end; i++) {
        if (has(specs, count, list[i]) || has(list, n, list[i]))
            free(list[i]);
        else
            list[n++] = list[i];
    }
    return n;
}

int fpd_link_expand(char *const *specs, size_t count, size_t max, char ***out,
                    size_t *out_count)
{
    char **list = calloc(max + 1, sizeof *list);
    size_t n = 0;

    *out_count = 0;
    if (!list)
        return FP_ERR_NOMEM;
    for (size_t i = 0; i < count && n < max; i++) {
        if (fpd_link_is_pattern(specs[i]))
            n = find(specs[i], specs, count, list, n, max);
        else
            list[n++] = strdup(specs[i]);
    }
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

static void device_arrived(struct fpd_usb_listener *listener,
                           libusb_device *device)
{
    (void)listener;
    (void)device;
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
