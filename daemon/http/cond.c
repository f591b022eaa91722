/* SPDX-License-Identifier: MIT */
#include "daemon/http/cond.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- entity tags ---- */

void fpd_etag(const uint8_t sha256[32], char out[FPD_ETAG_SIZE])
{
    char *p = out;

    *p++ = '"';
    for (int i = 0; i < 32; i++)
        p += sprintf(p, "%02x", sha256[i]);
    *p++ = '"';
    *p = 0;
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t");
}

enum fpd_etag_match fpd_etags_kind(const char *header)
{
    if (!header)
        return FPD_ETAGS_ABSENT;
    header = skip_space(header);
    return header[0] == '*' && *skip_space(header + 1) == 0 ? FPD_ETAGS_ANY
                                                            : FPD_ETAGS_LIST;
}

/* The next tag of a list, quotes included; where the list goes on, or NULL at
 * its end or where it is malformed. */
static const char *next_etag(const char *p, const char **tag, size_t *len,
                             bool *weak)
{
    p += strspn(p, " \t,");
    *weak = strncmp(p, "W/", 2) == 0;
    p += *weak ? 2 : 0;
    if (*p != '"')
        return NULL;
    *tag = p;
    p = strchr(p + 1, '"');
    if (!p)
        return NULL;
    *len = (size_t)(p + 1 - *tag);
    return p + 1;
}

bool fpd_etags_have(const char *header, const char *etag, bool weak)
{
    const char *tag;
    size_t len;
    bool is_weak;

    while (header && (header = next_etag(header, &tag, &len, &is_weak)))
        if ((weak || !is_weak) && len == strlen(etag) &&
            memcmp(tag, etag, len) == 0)
            return true;
    return false;
}

static bool parse_etag(const char *tag, size_t len, uint8_t sha256[32])
{
    char text[FPD_ETAG_SIZE];

    if (len != FPD_ETAG_SIZE - 1)
        return false;
    for (int i = 0; i < 32; i++) {
        unsigned byte;

        if (strspn(tag + 1 + 2 * i, "0123456789abcdef") < 2 ||
            sscanf(tag + 1 + 2 * i, "%2x", &byte) != 1)
            return false;
        sha256[i] = (uint8_t)byte;
    }
    fpd_etag(sha256, text);
    return memcmp(text, tag, len) == 0;
}

size_t fpd_etags_ours(const char *header, uint8_t (*out)[32], size_t max)
{
    size_t count = 0, len;
    uint8_t sha256[32];
    const char *tag;
    bool weak;

    while ((header = next_etag(header, &tag, &len, &weak))) {
        if (weak || !parse_etag(tag, len, sha256))
            continue;
        if (count < max)
            memcpy(out[count], sha256, sizeof sha256);
        count++;
    }
    return count;
}

/* ---- ranges ---- */

bool fpd_u64_parse(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return v <= max;
}

static bool take_number(const char **p, uint64_t *out)
{
    char digits[24];
    size_t n = strspn(*p, "0123456789");

    if (n == 0)
        return false;
    /* More digits than a number has: as far as any size goes, the end. */
    *out = UINT64_MAX;
    if (n < sizeof digits) {
        memcpy(digits, *p, n);
        digits[n] = 0;
        if (!fpd_u64_parse(digits, UINT64_MAX, out))
            *out = UINT64_MAX;
    }
    *p += n;
    return true;
}

enum fpd_range fpd_range_parse(const char *header, uint64_t size, uint64_t *off,
                               uint64_t *len)
{
    uint64_t first, last = UINT64_MAX;
    bool has_first, has_last;

    if (!header || strncasecmp(header, "bytes=", 6) != 0)
        return FPD_RANGE_NONE;
    header = skip_space(header + 6);
    has_first = take_number(&header, &first);
    if (*header++ != '-')
        return FPD_RANGE_NONE;
    has_last = take_number(&header, &last);
    if (*skip_space(header) || (!has_first && !has_last))
        return FPD_RANGE_NONE;
    if (!has_first) { /* the last so many */
        if (last == 0 || size == 0)
            return FPD_RANGE_NEVER;
        *len = last < size ? last : size;
        *off = size - *len;
        return FPD_RANGE_OK;
    }
    if (has_last && last < first)
        return FPD_RANGE_NONE;
    if (first >= size)
        return FPD_RANGE_NEVER;
    *off = first;
    *len = (last < size - 1 ? last : size - 1) - first + 1;
    return FPD_RANGE_OK;
}

/* ---- dates ---- */

bool fpd_date_parse(const char *text, int64_t *seconds)
{
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
                                         "%A, %d-%b-%y %H:%M:%S GMT",
                                         "%a %b %d %H:%M:%S %Y" };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = { 0 };
        const char *end = strptime(text, forms[i], &tm);

        if (end && *end == 0) {
            *seconds = timegm(&tm);
            return true;
        }
    }
    return false;
}

void fpd_date_format(int64_t seconds, char out[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    out[0] = 0;
    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
        return;
    strftime(out, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

bool fpd_seconds_parse(const char *text, int64_t *ns)
{
    bool negative = *text == '-';
    uint64_t whole = 0, part = 0, unit = 100000000;
    size_t n;

    text += negative;
    n = strspn(text, "0123456789");
    if (n == 0 || n > 10 || (text[n] != 0 && text[n] != '.'))
        return false;
    for (size_t i = 0; i < n; i++)
        whole = whole * 10 + (uint64_t)(text[i] - '0');
    if (whole > INT64_MAX / 1000000000 - 1)
        return false;
    if (text[n] == '.') {
        text += n + 1;
        if (!*text || text[strspn(text, "0123456789")])
            return false;
        for (; *text && unit; text++, unit /= 10)
            part += unit * (uint64_t)(*text - '0');
    }
    *ns = (int64_t)(whole * 1000000000 + part);
    if (negative)
        *ns = -*ns;
    return true;
}

/* ---- digests ---- */

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 44 characters, the last a '=', to 32 bytes. */
static bool base64_32(const char *in, uint8_t out[32])
{
    uint32_t bits = 0;
    int have = 0, n = 0;

    for (int i = 0; i < 43; i++) {
        const char *at = in[i] ? strchr(base64, in[i]) : NULL;

        if (!at)
            return false;
        bits = bits << 6 | (uint32_t)(at - base64);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    return n == 32 && in[43] == '=' && (bits & 3) == 0;
}

int fpd_digest_parse(const char *header, uint8_t sha256[32])
{
    while (header && *header) {
        header += strspn(header, " \t,");
        if (strncasecmp(header, "sha-256=", 8) == 0) {
            header += 8;
            if (strlen(header) < 46 || header[0] != ':' || header[45] != ':')
                return -1;
            return base64_32(header + 1, sha256) ? 1 : -1;
        }
        header += strcspn(header, ",");
    }
    return 0;
}

void fpd_digest_format(const uint8_t sha256[32], char out[64])
{
    char *p = out + sprintf(out, "sha-256=:");

    for (int i = 0; i < 33; i += 3) {
        uint32_t b = (uint32_t)sha256[i] << 16;

        b |= i + 1 < 32 ? (uint32_t)sha256[i + 1] << 8 : 0;
        b |= i + 2 < 32 ? (uint32_t)sha256[i + 2] : 0;
        *p++ = base64[b >> 18];
        *p++ = base64[b >> 12 & 63];
        *p++ = base64[b >> 6 & 63];
        *p++ = i + 2 < 32 ? base64[b & 63] : '=';
    }
    *p++ = ':';
    *p = 0;
}
