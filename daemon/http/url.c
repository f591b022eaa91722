/* SPDX-License-Identifier: MIT */
#include "daemon/http/url.h"
#include "core/error.h"
#include "daemon/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte "%41" stands for, -1 when it is no such thing. */
static int decode_byte(const char *in, const char *end)
{
    int hi, lo;

    if (end - in < 3)
        return -1;
    hi = hex_value(in[1]);
    lo = hex_value(in[2]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

/* Decodes in[0..len) to out, NUL-terminated; returns where out went on. */
static char *decode_segment(const char *in, size_t len, char *out,
                            const char **why)
{
    const char *end = in + len;
    int c;

    while (in < end) {
        if (*in != '%') {
            *out++ = *in++;
            continue;
        }
        c = decode_byte(in, end);
        if (c <= 0 || c == '/') {
            *why = c == 0  ? "The path has an encoded NUL (%00); no file name "
                             "can hold one."
                   : c < 0 ? "The path has a '%' that two hexadecimal digits "
                             "don't follow; a literal one is written %25."
                           : "The path has an encoded slash (%2F); no file "
                             "name can hold one.";
            return NULL;
        }
        *out++ = (char)c;
        in += 3;
    }
    *out++ = 0;
    return out;
}

static int add_segment(struct fpd_url *url, const char *in, size_t len,
                       char **out, const char **why)
{
    char *start = *out;

    if (url->count == FPD_URL_SEGMENTS) {
        *why = "The path has too many components; 520 is the limit.";
        return FP_ERR_NAMETOOLONG;
    }
    *out = decode_segment(in, len, start, why);
    if (!*out)
        return FP_ERR_INVAL;
    if (strcmp(start, ".") == 0 || strcmp(start, "..") == 0) {
        *why = "The path has a component \".\" or \"..\"; name the file by "
               "its full path.";
        return FP_ERR_INVAL;
    }
    url->segment[url->count++] = start;
    return FP_OK;
}

static int split(struct fpd_url *url, const char *path, size_t len, char *out,
                 const char **why)
{
    const char *end = path + len, *stop;
    int err;

    path++; /* the first '/' */
    while (path < end) {
        stop = memchr(path, '/', (size_t)(end - path));
        if (!stop)
            stop = end;
        if (stop == path) {
            *why = "The path has an empty component (\"//\").";
            return FP_ERR_INVAL;
        }
        err = add_segment(url, path, (size_t)(stop - path), &out, why);
        if (err)
            return err;
        path = stop < end ? stop + 1 : end;
    }
    return FP_OK;
}

int fpd_url_parse(struct fpd_url *url, const char *raw, const char **why)
{
    size_t len = strnlen(raw, FPD_URL_MAX + 1), path_len;
    char *copy;

    *url = (struct fpd_url){ .query = "", .raw = "" };
    if (len > FPD_URL_MAX) {
        *why = "The request target is longer than 8192 bytes.";
        return FP_ERR_NAMETOOLONG;
    }
    if (raw[0] != '/') {
        *why = "The request target is not a path that starts with '/'.";
        return FP_ERR_INVAL;
    }
    /* The raw text, its path again with a NUL, and the decoded segments. */
    url->buf = malloc(3 * len + 4);
    if (!url->buf) {
        *why = "Out of memory.";
        return FP_ERR_NOMEM;
    }
    memcpy(url->buf, raw, len + 1);
    path_len = strcspn(url->buf, "?");
    if (url->buf[path_len] == '?')
        url->query = url->buf + path_len + 1;
    copy = url->buf + len + 1;
    memcpy(copy, raw, path_len);
    copy[path_len] = 0;
    url->raw = copy;
    url->slash = copy[path_len - 1] == '/';
    return split(url, copy, path_len, copy + path_len + 1, why);
}

void fpd_url_free(struct fpd_url *url)
{
    free(url->buf);
    *url = (struct fpd_url){ .query = "", .raw = "" };
}

static bool decode_query(const char *in, size_t len, char *out, size_t size)
{
    const char *end = in + len;
    size_t n = 0;
    int c;

    while (in < end) {
        c = *in == '+' ? ' ' : (unsigned char)*in;
        if (*in == '%') {
            c = decode_byte(in, end);
            in += 2;
        }
        in++;
        if (c <= 0 || n + 1 >= size)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

/* The raw value of a parameter, *size bytes; NULL: it is not there. */
static const char *find_query(const struct fpd_url *url, const char *name,
                              size_t *size)
{
    size_t len = strlen(name);

    for (const char *p = url->query; *p;) {
        size_t n = strcspn(p, "&");

        if (n >= len && strncmp(p, name, len) == 0 &&
            (n == len || p[len] == '=')) {
            *size = n == len ? 0 : n - len - 1;
            return p + n - *size;
        }
        p += n + (p[n] == '&');
    }
    return NULL;
}

bool fpd_url_query(const struct fpd_url *url, const char *name, char *out,
                   size_t size)
{
    size_t n;
    const char *value = find_query(url, name, &n);

    return value && decode_query(value, n, out, size);
}

bool fpd_url_has(const struct fpd_url *url, const char *name)
{
    size_t n;

    return find_query(url, name, &n) != NULL;
}

/* 1, 0, or -1 for what is neither. */
static int flag_value(const char *value)
{
    static const char *const words[] = { "0", "false", "", "1", "true" };

    for (int i = 0; i < 5; i++)
        if (strcmp(value, words[i]) == 0)
            return i >= 2;
    return -1;
}

bool fpd_url_flag(const struct fpd_url *url, const char *name)
{
    char value[8];

    return fpd_url_query(url, name, value, sizeof value) &&
           flag_value(value) == 1;
}

bool fpd_url_flag_is_bad(const struct fpd_url *url, const char *name)
{
    char value[8];

    return fpd_url_has(url, name) &&
           (!fpd_url_query(url, name, value, sizeof value) ||
            flag_value(value) < 0);
}

int fpd_url_join(const struct fpd_url *url, size_t first, char *out,
                 size_t size)
{
    size_t n = 0;

    if (size < 2)
        return FP_ERR_NAMETOOLONG;
    for (size_t i = first; i < url->count; i++) {
        size_t len = strlen(url->segment[i]);

        if (n + len + 2 > size)
            return FP_ERR_NAMETOOLONG;
        out[n++] = '/';
        memcpy(out + n, url->segment[i], len);
        n += len;
    }
    if (n == 0)
        out[n++] = '/';
    out[n] = 0;
    return FP_OK;
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

void fpd_url_encode(const char *in, size_t len, bool slash, char *out)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)in[i];

        if (unreserved(c) || (slash && c == '/')) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    *out = 0;
}

bool fpd_utf8_valid(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n;

    for (size_t i = 0; i < len; i += n) {
        n = fpd_utf8_size(p + i, len - i);
        if (n == 0)
            return false;
    }
    return true;
}

size_t fpd_utf8_lossy(const char *text, size_t len, char *out)
{
    char *begin = out;
    const uint8_t *p = (const uint8_t *)text;
    size_t n;

    for (size_t i = 0; i < len; i += n ? n : 1) {
        n = fpd_utf8_size(p + i, len - i);
        if (n)
            memcpy(out, p + i, n);
        else
            memcpy(out, "\xef\xbf\xbd", 3);
        out += n ? n : 3;
    }
    *out = 0;
    return (size_t)(out - begin);
}
