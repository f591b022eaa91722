/* SPDX-License-Identifier: MIT */
#include "daemon/http/webfile.h"

#include <string.h>

const struct fpd_web_file *fpd_web_find(const char *path)
{
    for (const struct fpd_web_file *f = fpd_web_files; f->path; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

const struct fpd_web_file *fpd_web_page(void)
{
    return fpd_web_find("/app.js") ? fpd_web_find("/index.html") : NULL;
}
