/* SPDX-License-Identifier: MIT
 *
 * Headers that decide: byte ranges, entity tags, dates, digests. Pure parsing,
 * no connection in sight.
 *
 * An entity tag of a file is its SHA-256 in hex, quoted: strong, the same on
 * every device, and a precondition that the device itself can check.
 */
#ifndef FPD_HTTP_COND_H
#define FPD_HTTP_COND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_ETAG_SIZE 67 /* quotes, 64 digits, NUL */

void fpd_etag(const uint8_t sha256[32], char out[FPD_ETAG_SIZE]);

enum fpd_etag_match {
    FPD_ETAGS_ABSENT, /* no such header */
    FPD_ETAGS_ANY,    /* "*" */
    FPD_ETAGS_LIST,
};
/* How If-Match or If-None-Match begins. */
enum fpd_etag_match fpd_etags_kind(const char *header);
/* Is `etag` in the list? `weak`: W/"x" counts as "x" (If-None-Match). */
bool fpd_etags_have(const char *header, const char *etag, bool weak);
/* The strong tags of the list that are ours, as SHA-256s in out[0..max);
 * returns how many there are, more than max too. */
size_t fpd_etags_ours(const char *header, uint8_t (*out)[32], size_t max);

enum fpd_range {
    FPD_RANGE_NONE,  /* no range, or one to be ignored: send all */
    FPD_RANGE_OK,    /* *off and *len are set, len > 0 */
    FPD_RANGE_NEVER, /* 416 */
};
/* One range of bytes of something of `size`. Several ranges are answered with
 * the whole, as RFC 9110 14.2 allows. */
enum fpd_range fpd_range_parse(const char *header, uint64_t size, uint64_t *off,
                               uint64_t *len);

/* "Sun, 06 Nov 1994 08:49:37 GMT" to seconds and back. The older two forms of
 * RFC 9110 are read too. */
bool fpd_date_parse(const char *text, int64_t *seconds);
void fpd_date_format(int64_t seconds, char out[32]);
/* `sha-256=:BASE64:` in a Repr-Digest or Content-Digest (RFC 9530).
 * 1: found, 0: other algorithms only, -1: malformed. */
int fpd_digest_parse(const char *header, uint8_t sha256[32]);
/* "sha-256=:...:" */
void fpd_digest_format(const uint8_t sha256[32], char out[64]);

/* Decimal seconds with an optional fraction, to nanoseconds; may be negative. */
bool fpd_seconds_parse(const char *text, int64_t *ns);
/* Digits only, up to `max`. */
bool fpd_u64_parse(const char *text, uint64_t max, uint64_t *out);

#endif
