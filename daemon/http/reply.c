/* SPDX-License-Identifier: MIT */
#include "daemon/http/reply.h"
#include "core/error.h"
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Source: interfaces, section 7. */
static const struct problem {
    int err;
    unsigned status;
    const char *type;
    const char *title;
    const char *detail;
    int retry_after_s;
} problems[] = {
    { FP_ERR_NOENT, 404, "not-found", "Not found",
      "There is nothing of this name.", 0 },
    { FP_ERR_IO, 502, "device-io", "The device's flash failed",
      "The flash of the device did not do what it was told.", 0 },
    { FP_ERR_NOMEM, 503, "device-memory", "The device is out of memory",
      "There was not enough memory for this.", 2 },
    { FP_ERR_ACCES, 403, "protected", "Protected",
      "The device protects this from changes.", 0 },
    { FP_ERR_BUSY, 409, "busy", "In use",
      "It is in use, frozen, or handed to another host.", 0 },
    { FP_ERR_EXIST, 409, "exists", "Exists already", "The name is taken.", 0 },
    { FP_ERR_NODEV, 503, "device-offline", "The device is offline",
      "The device is not connected.", 5 },
    { FP_ERR_NOTDIR, 409, "not-a-directory", "Not a directory",
      "A component of the path is a file.", 0 },
    { FP_ERR_ISDIR, 409, "is-a-directory", "A directory",
      "This is a directory; a file was asked for.", 0 },
    { FP_ERR_INVAL, 400, "invalid", "Invalid request",
      "An argument is not one that can be given.", 0 },
    { FP_ERR_NFILE, 503, "too-many", "Too much at once",
      "The device has too many requests or open files now.", 1 },
    { FP_ERR_FBIG, 413, "too-large", "Too large",
      "It is larger than the volume's format allows.", 0 },
    { FP_ERR_NOSPC, 507, "volume-full", "The volume is full",
      "There is no room for it on the volume.", 0 },
    { FP_ERR_ROFS, 403, "read-only", "Read-only volume",
      "The volume can't be written.", 0 },
    { FP_ERR_NAMETOOLONG, 422, "name-too-long", "Name too long",
      "The name is longer than the volume allows.", 0 },
    { FP_ERR_NOTEMPTY, 409, "not-empty", "Directory not empty",
      "The directory has entries.", 0 },
    { FP_ERR_NODATA, 404, "no-attribute", "No such attribute",
      "There is no such attribute.", 0 },
    { FP_ERR_PROTO, 502, "device-protocol", "The device broke the protocol",
      "The device answered what no agent may.", 0 },
    { FP_ERR_CORRUPT, 502, "volume-corrupt", "The volume is corrupt",
      "What is on flash is damaged here.", 0 },
    { FP_ERR_NOTSUP, 501, "not-supported", "Not supported",
      "The device or the volume's format can't do that.", 0 },
    { FP_ERR_TIMEDOUT, 504, "timeout", "No answer in time",
      "The device did not answer in time.", 0 },
    { FP_ERR_STALE, 409, "changed", "Changed in the meantime",
      "It changed while the request ran; ask again.", 0 },
    { FP_ERR_CANCELED, 503, "cancelled", "Cancelled",
      "The request was cancelled before it was done.", 1 },
    { FP_ERR_OUTCOME, 504, "outcome-unknown", "Outcome unknown",
      "The link broke at the wrong moment: it may have been done or not. Look "
      "before trying again.",
      0 },
    { FP_ERR_DIGEST, 422, "digest-mismatch", "Content damaged on the way",
      "The content does not have the digest that was promised.", 0 },
    { FP_ERR_PRECOND, 412, "precondition-failed", "Precondition failed",
      "The resource is not in the state the request asks for.", 0 },
    { FP_ERR_LEASED, 423, "leased", "Leased by another client",
      "Another client has the device for itself.", 0 },
};

/* What the daemon itself is short of, not a device. */
static const struct problem own_problems[] = {
    { FP_ERR_NOSPC, 507, "daemon-full", "The daemon's disk is full",
      "There is no room for it in the data directory.", 0 },
    { FP_ERR_NOMEM, 503, "daemon-memory", "The daemon is out of memory",
      "The daemon did not have enough memory for this.", 2 },
};

static const struct problem *find_own_problem(int err)
{
    for (size_t i = 0; i < sizeof own_problems / sizeof own_problems[0]; i++)
        if (own_problems[i].err == err)
            return &own_problems[i];
    return NULL;
}

static const struct problem *find_problem(int err)
{
    static const struct problem other = {
        0, 500, "internal", "Internal error", "The daemon could not do this.", 0
    };

    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        if (problems[i].err == err)
            return &problems[i];
    return &other;
}

unsigned fpd_problem_status(int err)
{
    return find_problem(err)->status;
}

json_t *fpd_json_bytes(const char *text, size_t len)
{
    char *lossy;
    json_t *json;

    if (fpd_utf8_valid(text, len))
        return json_stringn(text, len);
    lossy = malloc(3 * len + 1);
    if (!lossy)
        return json_null();
    json = json_stringn(lossy, fpd_utf8_lossy(text, len, lossy));
    free(lossy);
    return json;
}

/* ---- answers ---- */

void fpd_reply_give(struct fpd_call *call, unsigned status,
                    struct MHD_Response *response)
{
    static const char *const headers[][2] = {
        { "X-Content-Type-Options", "nosniff" },
        { "Referrer-Policy", "no-referrer" },
        /* Also on files of devices: HTML of a device must not run as ours. */
        { "Content-Security-Policy",
          "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
          "base-uri 'none'; form-action 'self'" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Server", "flashport/" FPD_VERSION },
    };

    if (!response)
        return;
    if (call->response)
        MHD_destroy_response(call->response);
    call->response = response;
    call->status = status;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        fpd_reply_header(call, headers[i][0], headers[i][1]);
}

void fpd_reply_header(struct fpd_call *call, const char *name,
                      const char *value)
{
    if (call->response)
        MHD_add_response_header(call->response, name, value);
}

static void reply_document(struct fpd_call *call, unsigned status,
                           const char *type, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    struct MHD_Response *response = NULL;

    json_decref(json);
    if (text)
        response = MHD_create_response_from_buffer(strlen(text), text,
                                                   MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return;
    }
    fpd_reply_give(call, status, response);
    fpd_reply_header(call, "Content-Type", type);
    fpd_reply_header(call, "Cache-Control", "no-store");
}

void fpd_reply_json(struct fpd_call *call, unsigned status, json_t *json)
{
    if (!json) {
        fpd_problem(call, FP_ERR_NOMEM, NULL);
        return;
    }
    reply_document(call, status, "application/json", json);
}

void fpd_reply_empty(struct fpd_call *call, unsigned status)
{
    fpd_reply_static(call, status, NULL, "", 0);
}

void fpd_reply_static(struct fpd_call *call, unsigned status, const char *type,
                      const void *data, size_t size)
{
    /* MHD does not write to persistent memory; its type only lacks const. */
    union {
        const void *in;
        void *out;
    } drop = { .in = data };
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, drop.out, MHD_RESPMEM_PERSISTENT);

    if (!response)
        return;
    fpd_reply_give(call, status, response);
    if (type)
        fpd_reply_header(call, "Content-Type", type);
}

static void stream_free(void *cls)
{
    fpd_call_unref(cls);
}

void fpd_reply_stream(struct fpd_call *call, unsigned status, const char *type,
                      uint64_t size, MHD_ContentReaderCallback read)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        size == FPD_SIZE_UNKNOWN ? MHD_SIZE_UNKNOWN : size, 64 * 1024, read,
        fpd_call_ref(call), stream_free);

    if (!response) {
        fpd_call_unref(call);
        return;
    }
    fpd_reply_give(call, status, response);
    fpd_reply_header(call, "Content-Type", type);
}

/* ---- problems ---- */

void fpd_problem_member(struct fpd_call *call, const char *key, json_t *value)
{
    if (!call->extra)
        call->extra = json_object();
    json_object_set_new(call->extra, key, value);
}

void fpd_problem_hint(struct fpd_call *call, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(call->hint, sizeof call->hint, fmt, ap);
    va_end(ap);
}

void fpd_problem_also(struct fpd_call *call, const char *sentence)
{
    call->also = sentence;
}

void fpd_problem_retry(struct fpd_call *call, int seconds)
{
    call->retry_after_s = seconds;
}

void fpd_problem_type(struct fpd_call *call, const char *type)
{
    char text[80];

    snprintf(text, sizeof text, "/errors/%s", type);
    fpd_problem_member(call, "type", json_string(text));
}

static void reply_problem(struct fpd_call *call, const struct problem *p,
                          const char *code, const char *detail)
{
    char type[80], seconds[16], words[1000];
    json_t *doc = json_object();
    /* The raw path: what came, still percent-encoded; no query, which may
     * hold a token. */
    const char *instance = call->url.raw;
    int retry_s = call->retry_after_s ? call->retry_after_s : p->retry_after_s;

    snprintf(type, sizeof type, "/errors/%s", p->type);
    json_object_set_new(doc, "type", json_string(type));
    json_object_set_new(doc, "title", json_string(p->title));
    json_object_set_new(doc, "status", json_integer(p->status));
    snprintf(words, sizeof words, "%s%s%s", detail, call->also ? " " : "",
             call->also ? call->also : "");
    json_object_set_new(doc, "detail", fpd_json_bytes(words, strlen(words)));
    json_object_set_new(doc, "instance",
                        fpd_json_bytes(instance, strlen(instance)));
    json_object_set_new(doc, "code", json_string(code));
    if (retry_s)
        json_object_set_new(doc, "retry_after_s", json_integer(retry_s));
    if (call->hint[0])
        json_object_set_new(doc, "hint",
                            fpd_json_bytes(call->hint, strlen(call->hint)));
    if (call->extra)
        json_object_update(doc, call->extra);
    json_decref(call->extra);
    call->extra = NULL;
    call->hint[0] = 0;
    call->also = NULL;
    call->retry_after_s = 0;
    reply_document(call, p->status, "application/problem+json", doc);
    snprintf(seconds, sizeof seconds, "%d", retry_s);
    if (retry_s)
        fpd_reply_header(call, "Retry-After", seconds);
}

static void problem(struct fpd_call *call, const struct problem *p, int err,
                    const char *detail)
{
    detail = detail ? detail : p->detail;
    if (p->status == 500)
        fpd_log(FPD_LOG_ERROR, "http", "%s: err=%d path=%s", detail, err,
                call->url.raw);
    reply_problem(call, p, p->err ? fp_error_name(err) : "INTERNAL", detail);
}

void fpd_problem(struct fpd_call *call, int err, const char *fmt, ...)
{
    const struct problem *own = find_own_problem(err);
    char detail[800];
    va_list ap;

    if (fmt) {
        va_start(ap, fmt);
        vsnprintf(detail, sizeof detail, fmt, ap);
        va_end(ap);
    }
    problem(call, own ? own : find_problem(err), err, fmt ? detail : NULL);
}

void fpd_refuse(struct fpd_call *call, unsigned status, const char *type,
                const char *title, const char *fmt, ...)
{
    struct problem p = { .status = status, .type = type, .title = title };
    char detail[800], code[40] = "";
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i + 1 < sizeof code && type[i]; i++)
        code[i] = type[i] == '-'   ? '_'
                  : type[i] >= 'a' ? (char)(type[i] - 'a' + 'A')
                                   : type[i];
    reply_problem(call, &p, code, detail);
}

static void add_number(struct fpd_call *call, const char *key, uint64_t value)
{
    fpd_problem_member(call, key,
                       json_integer((json_int_t)(value & INT64_MAX)));
}

/* A device's phrase with a capital and a full stop. */
static void sentence(const char *phrase, size_t max, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%.*s", (int)max, phrase);

    if (out[0] >= 'a' && out[0] <= 'z')
        out[0] = (char)(out[0] - 'a' + 'A');
    if (n + 1 < size && !strchr(".!?", out[n - 1]))
        strcpy(out + n, ".");
}

bool fpd_failure_speaks(const struct fpd_failure *failure, int err)
{
    return failure->detail[0] &&
           strncmp(failure->detail, fp_strerror(err), sizeof failure->detail);
}

/* What the device's numbers say, "" if it told none. */
static void numbers(struct fpd_call *call, int err,
                    const struct fpd_failure *failure, char *out, size_t size)
{
    unsigned long long limit = failure->limit;

    out[0] = 0;
    if (err == FP_ERR_NOSPC && failure->needed) {
        add_number(call, "needed", failure->needed);
        add_number(call, "free", failure->free);
        snprintf(out, size,
                 "The volume has %llu bytes free, and %llu are needed.",
                 (unsigned long long)failure->free,
                 (unsigned long long)failure->needed);
    } else if (limit && (err == FP_ERR_NAMETOOLONG || err == FP_ERR_FBIG ||
                         err == FP_ERR_NFILE)) {
        add_number(call, "limit", failure->limit);
        if (err == FP_ERR_NAMETOOLONG)
            snprintf(out, size,
                     "A name may have %llu bytes here, and this is longer.",
                     limit);
        else if (err == FP_ERR_FBIG)
            snprintf(out, size,
                     "A file may have %llu bytes here, and this has more.",
                     limit);
    }
}

void fpd_problem_failure(struct fpd_call *call, const char *device,
                         const char *path, int err,
                         const struct fpd_failure *failure)
{
    const struct problem *own = failure->told ? NULL : find_own_problem(err);
    const struct problem *p = own ? own : find_problem(err);
    char detail[200], words[400];
    size_t n;

    if (device)
        fpd_problem_member(call, "device",
                           fpd_json_bytes(device, strlen(device)));
    if (path)
        fpd_problem_member(call, "path", fpd_json_bytes(path, strlen(path)));
    numbers(call, err, failure, detail, sizeof detail);
    if (err == FP_ERR_NODEV && failure->told) {
        fpd_problem_type(call, "no-medium");
        fpd_problem_member(call, "title", json_string("No medium"));
    }
    if (err == FP_ERR_ISDIR)
        fpd_problem_hint(call, "A directory is listed by its name with a "
                               "trailing slash.");
    if (!fpd_failure_speaks(failure, err)) {
        problem(call, p, err, detail[0] ? detail : NULL);
        return;
    }
    sentence(failure->detail, sizeof failure->detail, words, 200);
    /* Of a full volume both its words and the numbers are worth having. */
    n = strlen(words);
    if (err == FP_ERR_NAMETOOLONG && failure->limit)
        snprintf(words + n, sizeof words - n, " %llu bytes are the most.",
                 (unsigned long long)failure->limit);
    else if (err == FP_ERR_NOSPC && detail[0])
        snprintf(words + n, sizeof words - n, " %s", detail);
    problem(call, p, err, words);
}

void fpd_reply_content_range(struct fpd_call *call, uint64_t off, uint64_t len,
                             uint64_t size)
{
    char text[80];

    snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)off,
             (unsigned long long)(off + len - 1), (unsigned long long)size);
    fpd_reply_header(call, "Content-Range", text);
}

void fpd_reply_range_never(struct fpd_call *call, const char *what,
                           uint64_t size)
{
    char text[48];

    fpd_refuse(call, 416, "range", "Range not satisfiable",
               "%s has %llu bytes; the range starts behind them.", what,
               (unsigned long long)size);
    snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)size);
    fpd_reply_header(call, "Content-Range", text);
}

void fpd_reply_stopping(struct fpd_call *call)
{
    fpd_refuse(call, 503, "stopping", "The daemon is stopping",
               "The daemon is shutting down; ask the next one.");
    fpd_reply_header(call, "Retry-After", "5");
}
