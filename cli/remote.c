/* SPDX-License-Identifier: MIT */
#include "cli/remote.h"

#include "cli/command.h"

#include <stdio.h>
#include <string.h>

bool fpc_remote_is(const char *text)
{
    size_t n = strcspn(text, ":/");

#ifdef _WIN32
    if (n == 1) /* C:\dump.img is here */
        return false;
#endif
    return n > 0 && text[n] == ':';
}

int fpc_remote_parse(const char *text, struct fpc_remote *r)
{
    size_t n = strcspn(text, ":/"), len;

    if (!fpc_remote_is(text)) {
        fpc_error("%s: not on a device; name one as DEVICE:/path", text);
        return FPC_EXIT_USAGE;
    }
    if (n >= sizeof r->device) {
        fpc_error("%s: a device id has at most 64 characters", text);
        return FPC_EXIT_USAGE;
    }
    memcpy(r->device, text, n);
    r->device[n] = 0;
    text += n + 1;
    len = strlen(text);
    if (len >= sizeof r->path - 1) {
        fpc_error("the path is longer than %zu bytes", sizeof r->path - 2);
        return FPC_EXIT_USAGE;
    }
    snprintf(r->path, sizeof r->path, "%s%s", text[0] == '/' ? "" : "/", text);
    len = strlen(r->path);
    while (len > 1 && r->path[len - 1] == '/')
        r->path[--len] = 0;
    return FPC_EXIT_OK;
}

void fpc_url_append(char url[FPC_URL_MAX], const char *text, bool slash)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                                "UVWXYZ0123456789-._~";
    size_t n = strlen(url);

    for (; *text && n + 4 < FPC_URL_MAX; text++) {
        unsigned char c = (unsigned char)*text;

        if (strchr(plain, c) || (slash && c == '/')) {
            url[n++] = (char)c;
        } else {
            url[n++] = '%';
            url[n++] = hex[c >> 4];
            url[n++] = hex[c & 15];
        }
    }
    url[n] = 0;
}

void fpc_remote_url(const struct fpc_remote *r, bool dir, char url[FPC_URL_MAX])
{
    strcpy(url, "/api/v1/devices/");
    fpc_url_append(url, r->device, false);
    strcat(url, "/fs");
    fpc_url_append(url, r->path, true);
    if (dir && r->path[1])
        fpc_url_append(url, "/", true);
}

const char *fpc_basename(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool fpc_remote_join(struct fpc_remote *r, const char *name)
{
    size_t n = strlen(r->path);

    if (n + 1 + strlen(name) >= sizeof r->path)
        return false;
    if (n > 1)
        r->path[n++] = '/';
    strcpy(r->path + n, name);
    return true;
}
