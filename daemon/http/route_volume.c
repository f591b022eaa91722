/* SPDX-License-Identifier: MIT
 *
 * POST to a volume: mount, unmount, format, check, repair.
 */
#include "core/error.h"
#include "core/fs/fs.h"
#include "core/host/options.h"
#include "daemon/http/fspath.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/jobs/jobs.h"

#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 200
#define FS_MAX       16 /* bytes on the wire */
#define OPTIONS_MAX  64

struct finding {
    uint32_t level, block;
    char text[128];
};

struct act {
    struct fpd_ask ask;
    char path[FPD_PATH_MAX + 1];
    char fs[FS_MAX + 1];
    char options[OPTIONS_MAX + 1];
    const char *name; /* of the action */
    struct finding findings[FINDINGS_MAX];
    uint32_t count;
};

static const struct {
    const char *name;
    enum fpd_op op;
} actions[] = {
    { "mount", FPD_OP_MOUNT },   { "unmount", FPD_OP_UNMOUNT },
    { "format", FPD_OP_FORMAT }, { "check", FPD_OP_CHECK },
    { "repair", FPD_OP_CHECK },
};

static void act_gone(struct fpd_call *call)
{
    fpd_ask_cancel(call->device, &((struct act *)call->state)->ask);
}

/* On the worker, while the call waits. */
static void on_finding(struct fpd_request *req, uint32_t level, uint32_t block,
                       const char *text)
{
    struct fpd_ask *ask = req->ctx;
    struct act *a = ask->call->state;
    struct finding *f;

    if (a->count == FINDINGS_MAX)
        return;
    f = &a->findings[a->count++];
    f->level = level;
    f->block = block;
    strncpy(f->text, text, sizeof f->text - 1);
}

static json_t *findings(const struct act *a)
{
    static const char *const levels[] = { "error", "warning", "pending" };
    json_t *array = json_array();

    for (uint32_t i = 0; i < a->count; i++) {
        const struct finding *f = &a->findings[i];
        json_t *o = json_object();

        json_object_set_new(o, "level",
                            json_string(f->level < 3 ? levels[f->level] : "?"));
        if (f->block != UINT32_MAX)
            json_object_set_new(o, "block", fpd_json_u64(f->block));
        json_object_set_new(o, "text",
                            fpd_json_bytes(f->text, strlen(f->text)));
        json_array_append_new(array, o);
    }
    return array;
}

static void after_act(struct fpd_call *call)
{
    struct act *a = call->state;
    const struct fpd_request *req = &a->ask.req;
    json_t *doc;

    if (req->err) {
        fpd_fs_fail(call, a->path, &a->ask);
        return;
    }
    if (req->op != FPD_OP_CHECK) {
        fpd_reply_empty(call, 204);
        return;
    }
    doc = json_object();
    json_object_set_new(doc, "volume", json_string(a->path));
    json_object_set_new(doc, "errors", fpd_json_u64(req->u.volume.errors));
    json_object_set_new(doc, "warnings", fpd_json_u64(req->u.volume.warnings));
    json_object_set_new(doc, "pending", fpd_json_u64(req->u.volume.pending));
    json_object_set_new(doc, "findings", findings(a));
    fpd_reply_json(call, 200, doc);
}

/* An optional text of the body; false after having answered. */
static bool take_text(struct fpd_call *call, const json_t *body,
                      const char *key, char *out, size_t max)
{
    const json_t *value = json_object_get(body, key);
    const char *text = json_string_value(value);

    if (!value || (text && strlen(text) == json_string_length(value) &&
                   strlen(text) <= max)) {
        strcpy(out, text ? text : "");
        return true;
    }
    fpd_problem_member(call, "limit", fpd_json_u64(max));
    fpd_problem(call, FP_ERR_INVAL, "\"%s\" is a text of at most %zu bytes.",
                key, max);
    return false;
}

/* One of them as "k=v"; false when there is no room or it is no value. */
static bool add_option(struct act *a, const char *key, const json_t *value)
{
    size_t at = strlen(a->options);
    size_t room = sizeof a->options - at;
    const char *comma = at ? "," : "", *text = json_string_value(value);
    int n = -1;

    if (text && !strpbrk(text, ",="))
        n = snprintf(a->options + at, room, "%s%s=%s", comma, key, text);
    else if (json_is_integer(value))
        n = snprintf(a->options + at, room, "%s%s=%" JSON_INTEGER_FORMAT, comma,
                     key, json_integer_value(value));
    else if (json_is_boolean(value))
        n = snprintf(a->options + at, room, "%s%s=%d", comma, key,
                     json_is_true(value));
    return n > 0 && (size_t)n < room && !strpbrk(key, ",=");
}

/* "options" as the wire has it, "k=v,k=v", or an object; false after having
 * answered. */
static bool take_options(struct fpd_call *call, json_t *body, struct act *a)
{
    json_t *options = json_object_get(body, "options"), *value;
    const char *key;

    if (!json_is_object(options))
        return take_text(call, body, "options", a->options, OPTIONS_MAX);
    json_object_foreach(options, key, value)
    {
        if (add_option(a, key, value))
            continue;
        fpd_problem_member(call, "limit", fpd_json_u64(OPTIONS_MAX));
        fpd_problem(call, FP_ERR_INVAL,
                    "\"options\" has numbers, words and booleans by their "
                    "names, %d bytes in all as k=v,k=v.",
                    OPTIONS_MAX);
        return false;
    }
    return true;
}

/* An agent makes the best of what it does not know, so here it is refused;
 * false after having answered. What a driver of the firmware's own takes, only
 * it knows. */
static bool check_options(struct fpd_call *call, struct act *a)
{
    const bool is_named = a->fs[0] && strcmp(a->fs, "auto") != 0;
    char why[FP_HOST_OPTION_WHY], *text;
    struct fp_fs_config cfg;
    unsigned uses;
    bool fits;
    int err;

    if (is_named && !fp_host_option_at(a->fs, 0, why, &uses))
        return true;
    err = fp_host_options_take(is_named ? a->fs : NULL, FP_HOST_OPTION_DEVICE,
                               a->options, &cfg, &text, why);
    if (err) {
        fpd_problem(call, err, "\"options\": %s.", why);
        return false;
    }
    fits = !text || strlen(text) <= OPTIONS_MAX;
    if (fits)
        strcpy(a->options, text ? text : "");
    else
        fpd_problem(call, FP_ERR_INVAL,
                    "\"options\" are more than %d bytes when their numbers "
                    "are written out.",
                    OPTIONS_MAX);
    free(text);
    return fits;
}

/* Fills the request by the body; false after having answered. */
static bool take_action(struct fpd_call *call, struct act *a, json_t *body)
{
    const char *name = json_string_value(json_object_get(body, "action"));
    for (size_t i = 0; name && i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, name) == 0) {
            a->name = actions[i].name;
            a->ask.req.op = actions[i].op;
        }
    if (!a->name) {
        fpd_problem(call, FP_ERR_INVAL,
                    "\"action\" is one of mount, unmount, format, check, "
                    "repair.");
        return false;
    }
    if (!take_text(call, body, "fs", a->fs, FS_MAX) ||
        !take_options(call, body, a) || !check_options(call, a))
        return false;
    if (a->ask.req.op == FPD_OP_FORMAT && !a->fs[0]) {
        fpd_problem(call, FP_ERR_INVAL,
                    "A format names the filesystem in \"fs\", such as "
                    "\"littlefs\".");
        return false;
    }
    a->ask.req.u.volume.volume = a->path;
    a->ask.req.u.volume.fs = a->fs;
    a->ask.req.u.volume.options = a->options;
    a->ask.req.u.volume.repair = strcmp(a->name, "repair") == 0;
    a->ask.req.u.volume.finding = on_finding;
    return true;
}

void fpd_route_volume(struct fpd_call *call)
{
    json_t *body = fpd_call_json(call, false);
    struct act *a;
    bool ok;

    if (!body)
        return;
    a = calloc(1, sizeof *a);
    if (!a) {
        json_decref(body);
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = a;
    call->state_free = free;
    call->on_gone = act_gone;
    ok = fpd_fs_path(call, a->path) && take_action(call, a, body);
    json_decref(body);
    if (!ok)
        return;
    if (a->ask.req.op != FPD_OP_CHECK &&
        fpd_jobs_busy(call->http->cfg.jobs, call->param[0])) {
        fpd_problem(call, FP_ERR_BUSY,
                    "A job works with this device; wait for it or cancel it.");
        return;
    }
    fpd_call_ask(call, call->device, &a->ask, after_act);
}
