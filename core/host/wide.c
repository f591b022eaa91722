/* SPDX-License-Identifier: MIT */
#include "core/host/wide.h"

#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define SHORT_MAX 248 /* of a directory; files have twelve more */

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

bool fp_host_is_device(const char *path)
{
    return is_slash(path[0]) && is_slash(path[1]) && path[2] == '.' &&
           is_slash(path[3]);
}

static wchar_t *convert(const char *text)
{
    int n =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;

    if (wide)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, n);
    return wide;
}

/* \\?\ before the full path; Windows then takes it as it is. */
static wchar_t *lengthen(const wchar_t *path)
{
    DWORD n = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *full = malloc((n + 4) * sizeof *full);

    if (!full)
        return NULL;
    memcpy(full, L"\\\\?\\", 4 * sizeof *full);
    GetFullPathNameW(path, n, full + 4, NULL);
    /* A share keeps its name in another place: such a path stays short. */
    if (full[4] == L'\\')
        memmove(full, full + 4, n * sizeof *full);
    return full;
}

wchar_t *fp_host_wide(const char *path)
{
    wchar_t *wide = convert(path), *full;

    if (!wide)
        return NULL;
    for (wchar_t *p = wide; *p; p++)
        if (*p == L'/')
            *p = L'\\';
    if (fp_host_is_device(path) || wcslen(wide) < SHORT_MAX ||
        wcsncmp(wide, L"\\\\?\\", 4) == 0)
        return wide;
    full = lengthen(wide);
    free(wide);
    return full;
}

char *fp_host_narrow(const wchar_t *text)
{
    int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *narrow = n > 0 ? malloc((size_t)n) : NULL;

    if (narrow)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, n, NULL, NULL);
    return narrow;
}
