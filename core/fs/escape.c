/* SPDX-License-Identifier: MIT
 *
 * Names as stored and as shown. Shown is what can stand in a path. A '%' that
 * stands before no escape is itself, so that names without oddities look like
 * themselves, and every name shown leads to its file.
 */
#include "core/fs/fs.h"

#include <string.h>

/* The escape that `at` begins with, or of the byte there; or NULL. */
static const char *find(const char *escapes, const char *at, bool is_shown)
{
    if (escapes == NULL || (is_shown && at[0] != '%'))
        return NULL;
    for (uint32_t left = (uint8_t)*escapes++; left > 0; left--, escapes += 3)
        if (is_shown ? at[1] == escapes[1] && at[2] == escapes[2]
                     : at[0] == escapes[0])
            return escapes;
    return NULL;
}

uint32_t fp_fs_unescape(const char **path, const char *escapes, uint8_t *out,
                        uint32_t max)
{
    const char *at = *path;
    uint32_t size = 0;

    for (; *at != '\0' && (*at != '/' || escapes == NULL); at++, size++) {
        const char *escape = find(escapes, at, true);

        if (size < max)
            out[size] = (uint8_t)(escape != NULL ? *escape : *at);
        at += escape != NULL ? 2 : 0;
    }
    *path = at;
    return size;
}

/* Reserved as a whole: ".", ".." and ".data", in a name that begins with a
 * dot. */
static bool is_reserved(const char *name, uint32_t size)
{
    return size <= 2 ? name[size - 1] == '.'
                     : size == 5 && memcmp(name, ".data", 5) == 0;
}

/* The escape of byte `i`, NULL where it shows as itself. */
static const char *escape_of(const char *escapes, const char *name,
                             uint32_t size, uint32_t i)
{
    if ((name[i] == '%' &&
         (i + 3 > size || find(escapes, name + i, true) == NULL)) ||
        (name[i] == '.' && (i > 0 || !is_reserved(name, size))))
        return NULL;
    return find(escapes, name + i, false);
}

void fp_fs_escape(struct fp_dirent *entry, const char *escapes,
                  const uint8_t *name, uint32_t size)
{
    char *out = entry->name;

    for (uint32_t i = 0; i < size; i++) {
        const char *escape = escape_of(escapes, (const char *)name, size, i);

        if (out + (escape != NULL ? 3 : 1) > entry->name + FP_NAME_MAX)
            break;
        *out++ = (char)name[i];
        if (escape != NULL) {
            out[-1] = '%';
            *out++ = escape[1];
            *out++ = escape[2];
        }
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
}
