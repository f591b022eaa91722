/* SPDX-License-Identifier: MIT
 *
 * The documents of the API. Each function gives a new reference, or NULL when
 * memory is short or there is no such thing.
 */
#ifndef FPD_HTTP_JSON_H
#define FPD_HTTP_JSON_H

#include "core/fs/fs.h"
#include "daemon/device/device.h"
#include "daemon/store/snapshot.h"
#include "daemon/store/tokens.h"

#include <jansson.h>

struct fpd_http;

/* The device of this id, whether it is here now or only known; NULL: neither.
 * `device` may be NULL, else it is this one. */
json_t *fpd_json_device(struct fpd_http *http, const char *id,
                        struct fpd_device *device);
json_t *fpd_json_device_by_id(struct fpd_http *http, const char *id);
json_t *fpd_json_storage(const struct fpd_storage_info *storage);
/* An entry of a listing; `dir_href` ends with '/'. */
json_t *fpd_json_entry(const char *dir_href, const char *name, size_t name_len,
                       bool is_dir, uint64_t size, bool has_mtime,
                       int64_t mtime_ns);
json_t *fpd_json_snapshot(const struct fpd_snapshot *snapshot);
json_t *fpd_json_token(const struct fpd_token *token);
/* Tags lie in the store as JSON text: an array of strings. "" is none. */
json_t *fpd_json_tags(const char *tags);
/* Out of a body: false if it is no array of strings of 1 to 63 bytes without
 * control characters, or longer than `size` as text. */
bool fpd_json_parse_tags(json_t *json, char *out, size_t size);
/* What tells a client that it was false. */
#define FPD_JSON_TAGS_WANTED                                                  \
    "\"tags\" is an array of strings, each 1 to 63 bytes of printable text, " \
    "about 1,000 bytes together."
/* "a,b" to ["a","b"] and back; false: no array of such strings, an empty one,
 * or too long. */
json_t *fpd_json_words(const char *words);
bool fpd_json_parse_words(const json_t *json, char *out, size_t size);
json_t *fpd_json_time(int64_t ms);
json_t *fpd_json_u64(uint64_t value);

#endif
