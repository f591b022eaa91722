/* SPDX-License-Identifier: MIT
 *
 * The files that are built into the daemon: the page and the description of
 * the API.
 *
 * Memory  all of it lives as long as the program
 */
#ifndef FPD_HTTP_WEBFILE_H
#define FPD_HTTP_WEBFILE_H

#include <stddef.h>

struct fpd_web_file {
    const char *path; /* "/app.js" */
    const char *type;
    const char *etag; /* with its quotes */
    const unsigned char *data;
    size_t size;
};

/* The file of this path, or NULL. */
const struct fpd_web_file *fpd_web_find(const char *path);

/* The page, which asks for a token when it has none; NULL when flashport was
 * built without it. */
const struct fpd_web_file *fpd_web_page(void);

/* Made by web/embed.py; ends with a NULL path. */
extern const struct fpd_web_file fpd_web_files[];

#endif
