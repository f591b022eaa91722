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
/* "a,b" to ["a","b"] and back; false: no array of strings, or too long. */
json_t *fpd_json_tags(const char *tags);
bool fpd_json_parse_tags(const json_t *json, char *out, size_t size);
json_t *fpd_json_time(int64_t ms);
json_t *fpd_json_u64(uint64_t value);

#endif
