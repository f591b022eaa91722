/* SPDX-License-Identifier: MIT */
#include "daemon/link/glob.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A key's file may have any name: what is before it is the port's. */
static size_t port_size(const char *rest)
{
    const char *key = strstr(rest, ",key-file=");

    return key ? (size_t)(key - rest) : strlen(rest);
}

bool fpd_link_glob_is_pattern(const char *rest)
{
    return strcspn(rest, "*?[") < port_size(rest);
}

/* udev names a port by-path more than once. */
static bool is_other_name(const glob_t *found, size_t at)
{
    char *path = realpath(found->gl_pathv[at], NULL);
    bool same = false;

    for (size_t i = 0; path && i < at && !same; i++) {
        char *other = realpath(found->gl_pathv[i], NULL);

        same = other && strcmp(path, other) == 0;
        free(other);
    }
    free(path);
    return same;
}

/* "serial:/dev/ttyACM*@115200": the path between the first ':' and '@'. */
size_t fpd_link_glob_expand(const char *spec, char **out, size_t max)
{
    const char *path = strchr(spec, ':') + 1;
    const char *tail = memrchr(path, '@', port_size(path));
    char pattern[4096], full[8300];
    size_t n = 0;
    glob_t found;

    if (!tail)
        tail = path + strcspn(path, ",");
    snprintf(pattern, sizeof pattern, "%.*s", (int)(tail - path), path);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc && n < max; i++) {
        if (is_other_name(&found, i))
            continue;
        snprintf(full, sizeof full, "%.*s%s%s", (int)(path - spec), spec,
                 found.gl_pathv[i], tail);
        out[n++] = strdup(full);
    }
    globfree(&found);
    return n;
}
