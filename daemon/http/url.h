/* SPDX-License-Identifier: MIT
 *
 * A request target taken apart: the path's segments, each percent-decoded
 * exactly once, and the query.
 *
 * Device file names are bytes, so a segment may be any bytes but '/' and NUL;
 * "." and ".." are refused, since no device has such a name and a proxy or a
 * client would read them differently than we do.
 *
 * Memory  one allocation, owned by the struct until fpd_url_free()
 * Errors  FP_ERR_INVAL, FP_ERR_NAMETOOLONG, FP_ERR_NOMEM; *why gets a static
 *         sentence
 */
#ifndef FPD_HTTP_URL_H
#define FPD_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>

#define FPD_URL_MAX      8192 /* bytes of the raw target */
#define FPD_URL_SEGMENTS 520

struct fpd_url {
    char *buf;
    const char *segment[FPD_URL_SEGMENTS];
    size_t count;
    bool slash;        /* the path ended with '/' */
    const char *query; /* raw, without '?'; "" */
    const char *raw;   /* the path as it came, with its encoding */
};

int fpd_url_parse(struct fpd_url *url, const char *raw, const char **why);
void fpd_url_free(struct fpd_url *url);

/* The value of a query parameter, decoded, into out[0..size), with a NUL.
 * false: it is not there, does not fit, or is badly encoded. */
bool fpd_url_query(const struct fpd_url *url, const char *name, char *out,
                   size_t size);
bool fpd_url_has(const struct fpd_url *url, const char *name);
/* Is it "1" or "true"? `?recursive` counts as 1. */
bool fpd_url_flag(const struct fpd_url *url, const char *name);
/* Is it there, and neither that nor "0" nor "false"? */
bool fpd_url_flag_is_bad(const struct fpd_url *url, const char *name);

/* Segments from `first` on, joined: "/flash/dir/file". FP_ERR_NAMETOOLONG. */
int fpd_url_join(const struct fpd_url *url, size_t first, char *out,
                 size_t size);

/* Percent-encodes everything but unreserved characters (and '/' if `slash`)
 * of in[0..len) into out, which holds 3 * len + 1 bytes. */
void fpd_url_encode(const char *in, size_t len, bool slash, char *out);

/* Is text[0..len) UTF-8, shortest form, no surrogates? */
bool fpd_utf8_valid(const char *text, size_t len);
/* A copy with each bad byte replaced by U+FFFD; out holds 3 * len + 1. Returns
 * its length: a NUL is a good byte. */
size_t fpd_utf8_lossy(const char *text, size_t len, char *out);

#endif
