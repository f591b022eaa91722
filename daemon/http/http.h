/* SPDX-License-Identifier: MIT
 *
 * The HTTP server: listens on TCP and, if asked, on a Unix socket, and hands
 * each request to its route.
 *
 * Memory  what the config points to is borrowed until fpd_http_free()
 * Thread  a pool of libmicrohttpd's, a small pool for work that takes longer
 *         than a moment, and one that notices clients that left
 * Stop    in this order: fpd_http_quiesce(), stop jobs and devices (which ends
 *         what calls wait for), fpd_http_free(), close the store
 */
#ifndef FPD_HTTP_HTTP_H
#define FPD_HTTP_HTTP_H

#include "daemon/device/device.h"

#include <stdbool.h>
#include <stddef.h>

struct fpd_http;
struct fpd_store;
struct fpd_jobs;

struct fpd_http_config {
    const char *listen; /* "127.0.0.1:8484", "[::1]:0" */
    const char *socket; /* path, or NULL */
    const char *data;   /* the data directory: spools */
    char *const *host_names;
    size_t host_name_count;
    struct fpd_devices *devices;
    struct fpd_store *store;
    struct fpd_jobs *jobs;
};

/* Is `listen` ADDR:PORT? FP_ERR_INVAL and a sentence. */
int fpd_http_check_listen(const char *listen, char *why, size_t size);
/* Binds and serves. On an error why[0..size) says what and where. */
int fpd_http_new(const struct fpd_http_config *cfg, struct fpd_http **out,
                 char *why, size_t size);
/* "http://127.0.0.1:8484": the port that it really is. */
const char *fpd_http_url(const struct fpd_http *http);
/* The same with the admin's token, for a browser: whoever sees it is admin.
 * False: there is no such token at hand. */
bool fpd_http_login_url(const struct fpd_http *http, char *out, size_t size);
/* Whatever is asked from now on is refused with 503. */
void fpd_http_quiesce(struct fpd_http *http);
void fpd_http_free(struct fpd_http *http);

/* Something about this device, or about this job, changed: for /events. From
 * any thread. `http` may be NULL. */
void fpd_http_device_changed(struct fpd_http *http, const char *id);
void fpd_http_job_changed(struct fpd_http *http, const char *id);

#endif
