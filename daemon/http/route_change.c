/* SPDX-License-Identifier: MIT
 *
 * What changes the tree of a device: DELETE, MOVE, COPY, MKCOL and POST ?mkdir.
 *
 * Deleting a directory with what is in it is many small steps of the device,
 * so that everything else goes between them; a cut in the middle leaves the
 * rest. The walk keeps no list: it asks for one entry of the deepest directory
 * it is in, again and again, until there is none; or, of a device that lists
 * without end, until it has met more than the volume can have.
 */
#include "core/error.h"
#include "daemon/http/auth.h"
#include "daemon/http/cond.h"
#include "daemon/http/fspath.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/routes.h"
#include "daemon/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEVICE_SEGMENT 3 /* of /api/v1/devices/{device}/fs/ */

struct change {
    char path[FPD_PATH_MAX + 1];
    char to[FPD_PATH_MAX + 1];
    char at[FPD_PATH_MAX + 1]; /* recursive: where the walk is */
    uint32_t left;             /* and how many entries it may still meet */
    struct fpd_ask ask;
    struct fpd_ask read; /* COPY: runs beside the PUT in `ask` */
    struct fpd_pipe *pipe;
    struct fpd_spool *spool;
    void (*then)(struct fpd_call *call); /* when the conditions hold */
    bool guarded;                        /* sha256 is what If-Match named */
    struct fpd_stat st;                  /* of what conditions are about */
    uint8_t sha256[32];
    bool existed, overwrite, over;
};

static void change_free(void *state)
{
    struct change *c = state;

    if (c->ask.req.op == FPD_OP_LIST)
        free(c->ask.req.u.list.entries);
    fpd_pipe_unref(c->pipe);
    fpd_spool_unref(c->spool);
    free(c);
}

static void change_gone(struct fpd_call *call)
{
    struct change *c = call->state;

    if (c->pipe)
        fpd_pipe_abandon(c->pipe);
    fpd_ask_cancel(call->device, &c->read);
    /* A rename, remove or mkdir that is under way is done in a moment; only
     * what waits in the queue is called back. */
    fpd_ask_cancel(call->device, &c->ask);
    if (c->pipe)
        fpd_call_wake_gone(call);
}

static struct change *begin(struct fpd_call *call)
{
    struct change *c = calloc(1, sizeof *c);

    if (!c) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return NULL;
    }
    call->state = c;
    call->state_free = change_free;
    call->on_gone = change_gone;
    if (!fpd_fs_path(call, c->path))
        return NULL;
    if (c->path[1] == 0) {
        fpd_problem(call, FP_ERR_ROFS,
                    "The root holds only volumes and can't be changed.");
        return NULL;
    }
    return c;
}

static void reply_changed(struct fpd_call *call)
{
    struct change *c = call->state;

    if (c->ask.req.err)
        fpd_fs_fail(call, c->path, &c->ask);
    else
        fpd_reply_empty(call, 204);
}

static void ask(struct fpd_call *call, struct change *c, enum fpd_op op,
                const char *path, void (*next)(struct fpd_call *))
{
    if (c->ask.req.op == FPD_OP_LIST)
        free(c->ask.req.u.list.entries);
    c->ask.req = (struct fpd_request){ .op = op };
    if (op == FPD_OP_STAT)
        c->ask.req.u.stat.path = path;
    else if (op == FPD_OP_LIST) {
        c->ask.req.u.list.path = path;
        c->ask.req.u.list.max = 1;
    } else {
        c->ask.req.u.change.path = path;
    }
    fpd_call_ask(call, call->device, &c->ask, next);
}

/* ---- conditions on what is deleted, moved or copied ---- */

/* What does not hold, in the order of RFC 9110, 13.2.2; NULL. `etag` "": it has
 * none. */
static const char *unmet(struct fpd_call *call, const struct change *c,
                         const char *etag)
{
    const char *match = fpd_call_header(call, "If-Match");
    const char *none = fpd_call_header(call, "If-None-Match");
    const char *date = fpd_call_header(call, "If-Unmodified-Since");
    bool any = fpd_etags_kind(match) == FPD_ETAGS_ANY;
    int64_t since;

    if (match && !(any ? c->existed : fpd_etags_have(match, etag, false)))
        return "It is not what If-Match names.";
    /* What has no time can't have changed since one. */
    if (!match && date && c->existed && c->st.has_mtime &&
        fpd_date_parse(date, &since) && c->st.mtime_ns / 1000000000 > since)
        return "It was changed after If-Unmodified-Since.";
    any = fpd_etags_kind(none) == FPD_ETAGS_ANY;
    if (none && (any ? c->existed : fpd_etags_have(none, etag, true)))
        return "It is what If-None-Match names.";
    return NULL;
}

static void judge(struct fpd_call *call, struct change *c, const char *etag)
{
    const char *why = unmet(call, c, etag);

    if (why)
        fpd_problem(call, FP_ERR_PRECOND, "%s", why);
    else
        c->then(call);
}

static void after_digest(struct fpd_call *call)
{
    struct change *c = call->state;
    char etag[FPD_ETAG_SIZE];

    if (c->ask.req.err) {
        fpd_fs_fail(call, c->path, &c->ask);
        return;
    }
    memcpy(c->sha256, c->ask.req.u.digest.sha256, sizeof c->sha256);
    c->guarded =
        fpd_etags_kind(fpd_call_header(call, "If-Match")) == FPD_ETAGS_LIST;
    fpd_etag(c->sha256, etag);
    judge(call, c, etag);
}

static void after_look(struct fpd_call *call)
{
    struct change *c = call->state;
    int err = c->ask.req.err;

    if (err && err != FP_ERR_NOENT) {
        fpd_fs_fail(call, c->path, &c->ask);
        return;
    }
    c->existed = !err;
    c->st = c->ask.req.u.stat.st;
    if (err || c->st.type == FPD_TYPE_DIR ||
        (fpd_etags_kind(fpd_call_header(call, "If-Match")) != FPD_ETAGS_LIST &&
         fpd_etags_kind(fpd_call_header(call, "If-None-Match")) !=
             FPD_ETAGS_LIST)) {
        judge(call, c, "");
        return;
    }
    c->ask.req = (struct fpd_request){ .op = FPD_OP_DIGEST,
                                       .u.digest = { .path = c->path } };
    fpd_call_ask(call, call->device, &c->ask, after_digest);
}

/* Goes on with `then` if they hold. */
static void check(struct fpd_call *call, struct change *c,
                  void (*then)(struct fpd_call *call))
{
    c->then = then;
    if (fpd_call_header(call, "If-Match") ||
        fpd_call_header(call, "If-None-Match") ||
        fpd_call_header(call, "If-Unmodified-Since"))
        ask(call, c, FPD_OP_STAT, c->path, after_look);
    else
        then(call);
}

/* ---- directories ---- */

static void after_mkdir(struct fpd_call *call)
{
    struct change *c = call->state;

    if (c->ask.req.err) {
        fpd_fs_fail_new(call, c->path, &c->ask);
        return;
    }
    fpd_reply_empty(call, 201);
    fpd_reply_header(call, "Location", call->url.raw);
}

void fpd_route_fs_mkdir(struct fpd_call *call)
{
    struct change *c;

    if (call->body_size || (call->has_body && call->route->data)) {
        fpd_refuse(call, 415, "body-unwanted", "No body wanted",
                   "A directory is made without a body.");
        return;
    }
    c = begin(call);
    if (c)
        ask(call, c, FPD_OP_MKDIR, c->path, after_mkdir);
}

void fpd_route_fs_post(struct fpd_call *call)
{
    if (fpd_url_flag(&call->url, "mkdir"))
        fpd_route_fs_mkdir(call);
    else
        fpd_problem(call, FP_ERR_INVAL,
                    "POST here makes a directory, with ?mkdir; a file is "
                    "written with PUT.");
}

/* ---- DELETE ---- */

static void step_down(struct fpd_call *call);

static void after_remove(struct fpd_call *call)
{
    struct change *c = call->state;
    int err = c->ask.req.err;

    /* Someone else was quicker: as good. */
    if (err && (err != FP_ERR_NOENT || strcmp(c->at, c->path) == 0)) {
        fpd_fs_fail(call, c->at, &c->ask);
        return;
    }
    if (strcmp(c->at, c->path) == 0) {
        fpd_reply_empty(call, 204);
        return;
    }
    *strrchr(c->at, '/') = 0;
    step_down(call);
}

static void after_first(struct fpd_call *call)
{
    struct change *c = call->state;
    struct fpd_request *req = &c->ask.req;
    const struct fpd_entry *e = req->u.list.entries;
    size_t len = strlen(c->at);

    if (req->err == FP_ERR_NOTDIR || (!req->err && req->u.list.count == 0)) {
        ask(call, c, FPD_OP_REMOVE, c->at, after_remove);
        return;
    }
    if (req->err) {
        fpd_fs_fail(call, c->at, &c->ask);
        return;
    }
    if (c->left-- == 0) {
        fpd_problem(call, FP_ERR_PROTO,
                    "The device lists entries without end: %u were deleted, "
                    "and there are more.",
                    fpd_fs_entries_max(call, c->path));
        return;
    }
    if (len + e->name_len + 2 > sizeof c->at) {
        fpd_problem(call, FP_ERR_NAMETOOLONG, NULL);
        return;
    }
    c->at[len] = '/';
    memcpy(c->at + len + 1, e->name, e->name_len);
    c->at[len + 1 + e->name_len] = 0;
    if (e->st.type == FPD_TYPE_DIR)
        step_down(call);
    else
        ask(call, c, FPD_OP_REMOVE, c->at, after_remove);
}

static void step_down(struct fpd_call *call)
{
    struct change *c = call->state;

    if (fpd_call_over(call)) /* nobody waits: the walk ends here */
        fpd_problem(call, FP_ERR_CANCELED, NULL);
    else
        ask(call, c, FPD_OP_LIST, c->at, after_first);
}

static void after_trailing_stat(struct fpd_call *call)
{
    struct change *c = call->state;

    if (!c->ask.req.err && c->ask.req.u.stat.st.type != FPD_TYPE_DIR)
        c->ask.req.err = FP_ERR_NOTDIR;
    if (c->ask.req.err)
        fpd_fs_fail(call, c->path, &c->ask);
    else if (fpd_url_flag(&call->url, "recursive"))
        step_down(call);
    else
        ask(call, c, FPD_OP_REMOVE, c->path, reply_changed);
}

static void refuse_volume(struct fpd_call *call, const char *path)
{
    const char *device = fpd_device_id(call->device);

    fpd_problem_member(call, "device", fpd_json_bytes(device, strlen(device)));
    fpd_problem_member(call, "path", fpd_json_bytes(path, strlen(path)));
    fpd_problem_type(call, "volume-root");
    fpd_problem_hint(call,
                     "POST {\"action\":\"format\",\"fs\":\"littlefs\"} to "
                     "/api/v1/devices/%s/volumes%s empties it.",
                     device, path);
    fpd_problem(call, FP_ERR_ROFS, "A volume can't be deleted.");
}

static void start_delete(struct fpd_call *call)
{
    struct change *c = call->state;

    c->left = fpd_fs_entries_max(call, c->path);
    if (c->guarded) {
        /* The device looks once more, in one step with the removal. */
        c->ask.req = (struct fpd_request){
            .op = FPD_OP_REMOVE,
            .u.change = { .path = c->path, .if_sha256 = c->sha256 },
        };
        fpd_call_ask(call, call->device, &c->ask, reply_changed);
    } else if (call->url.slash) {
        /* The slash names a directory; a file of that name is not meant. */
        ask(call, c, FPD_OP_STAT, c->path, after_trailing_stat);
    } else if (fpd_url_flag(&call->url, "recursive")) {
        step_down(call);
    } else {
        ask(call, c, FPD_OP_REMOVE, c->path, reply_changed);
    }
}

void fpd_route_fs_delete(struct fpd_call *call)
{
    struct change *c = begin(call);

    if (!c)
        return;
    if (!strchr(c->path + 1, '/')) {
        refuse_volume(call, c->path);
        return;
    }
    strcpy(c->at, c->path);
    check(call, c, start_delete);
}

/* ---- Destination ---- */

/* The path of "http://name:port/path"; NULL: it is another server's. */
static const char *path_of(struct fpd_call *call, const char *url)
{
    const char *name, *path;
    char authority[256];
    size_t len;

    if (strncasecmp(url, "http://", 7) != 0 &&
        strncasecmp(url, "https://", 8) != 0)
        return url;
    name = strchr(url, ':') + 3;
    len = strcspn(name, "/?#");
    path = name[len] == '/' ? name + len : "/";
    if (len >= sizeof authority)
        return NULL;
    memcpy(authority, name, len);
    authority[len] = 0;
    return fpd_auth_is_here(call, authority) ? path : NULL;
}

/* Is it under the route's own path, whatever the device? */
static bool is_under_fs(const struct fpd_call *call, const struct fpd_url *to)
{
    if (to->count <= call->rest)
        return false;
    for (size_t i = 0; i < call->rest; i++)
        if (i != DEVICE_SEGMENT &&
            strcmp(to->segment[i], call->url.segment[i]) != 0)
            return false;
    return true;
}

static void refuse_elsewhere(struct fpd_call *call, const char *where)
{
    fpd_refuse(call, 502, "other-device", "Another device",
               "Destination is on another %s; read from one and write to the "
               "other.",
               where);
}

/* The header is a URL or a path of one; the same device is what we can do. */
static bool take_destination(struct fpd_call *call, struct change *c)
{
    const char *header = fpd_call_header(call, "Destination"), *why = "";
    const char *overwrite = fpd_call_header(call, "Overwrite");
    struct fpd_url to;
    bool ok = false;
    int err;

    if (!header) {
        fpd_problem(call, FP_ERR_INVAL,
                    "Destination says where to: a path under /api/v1/devices/"
                    "{id}/fs/.");
        return false;
    }
    header = path_of(call, header);
    if (!header) {
        refuse_elsewhere(call, "server");
        return false;
    }
    c->overwrite = !overwrite || (overwrite[0] | 0x20) != 'f';
    err = fpd_url_parse(&to, header, &why);
    if (err) {
        fpd_problem(call, FP_ERR_INVAL, "Destination: %s", why);
    } else if (!is_under_fs(call, &to)) {
        fpd_problem(call, FP_ERR_INVAL,
                    "Destination is not a path under /api/v1/devices/{id}/"
                    "fs/.");
    } else if (strcmp(to.segment[DEVICE_SEGMENT],
                      call->url.segment[DEVICE_SEGMENT]) != 0 &&
               strcmp(to.segment[DEVICE_SEGMENT], call->param[0]) != 0) {
        refuse_elsewhere(call, "device");
    } else if (fpd_url_join(&to, call->rest, c->to, sizeof c->to) != FP_OK) {
        fpd_problem(call, FP_ERR_NAMETOOLONG,
                    "A path on a device may have %d bytes.", FPD_PATH_MAX);
    } else {
        ok = true;
    }
    fpd_url_free(&to);
    return ok;
}

/* ---- MOVE ---- */

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* Nothing was found: the source, or the directory to move it into? */
static void after_source(struct fpd_call *call)
{
    struct change *c = call->state;

    if (c->ask.req.err) {
        fpd_fs_fail(call, c->path, &c->ask);
        return;
    }
    c->ask.req.err = FP_ERR_NOENT;
    fpd_fs_fail_new(call, c->to, &c->ask);
}

static void after_move(struct fpd_call *call)
{
    struct change *c = call->state;

    if (c->ask.req.err == FP_ERR_EXIST && !c->overwrite)
        c->ask.req.err = FP_ERR_PRECOND;
    if (c->ask.req.err == FP_ERR_INVAL && is_below(c->to, c->path)) {
        fpd_problem_type(call, "into-itself");
        strcpy(c->ask.req.failure.detail,
               "a directory can't be moved into itself");
    }
    if (c->ask.req.err == FP_ERR_NOENT &&
        !fpd_failure_speaks(&c->ask.req.failure, FP_ERR_NOENT)) {
        ask(call, c, FPD_OP_STAT, c->path, after_source);
        return;
    }
    if (c->ask.req.err)
        fpd_fs_fail(call, fpd_fs_name_refused(call, c->to) ? c->to : c->path,
                    &c->ask);
    else
        fpd_reply_empty(call, c->existed ? 204 : 201);
}

static void after_target(struct fpd_call *call)
{
    struct change *c = call->state;

    c->existed = !c->ask.req.err;
    if (c->ask.req.err && c->ask.req.err != FP_ERR_NOENT) {
        fpd_fs_fail(call, c->to, &c->ask);
        return;
    }
    c->ask.req = (struct fpd_request){
        .op = FPD_OP_RENAME,
        .u.rename = { .from = c->path,
                      .to = c->to,
                      .no_replace = !c->overwrite },
    };
    fpd_call_ask(call, call->device, &c->ask, after_move);
}

static void start_move(struct fpd_call *call)
{
    struct change *c = call->state;

    /* Whether it was there decides between 201 and 204, no more. */
    ask(call, c, FPD_OP_STAT, c->to, after_target);
}

void fpd_route_fs_move(struct fpd_call *call)
{
    struct change *c = begin(call);

    if (c && take_destination(call, c))
        check(call, c, start_move);
}

/* ---- COPY: a READ into a PUT of the same device ---- */

static void copy_more(struct fpd_call *call);

static void after_copy(struct fpd_call *call)
{
    struct change *c = call->state;
    /* The PUT failed, and the READ with it. */
    bool cut = fpd_pipe_abandoned(c->pipe);

    if (!fpd_ask_done(&c->ask)) { /* nobody waits any more */
        fpd_problem(call, FP_ERR_CANCELED, NULL);
        return;
    }
    /* The pipe had its end a moment before the READ has its own. */
    if (!cut && !fpd_ask_done(&c->read)) {
        fpd_ask_wait(call, &c->read, after_copy);
        return;
    }
    if (c->ask.req.err == FP_ERR_EXIST && !c->overwrite)
        c->ask.req.err = FP_ERR_PRECOND;
    if (!cut && c->read.req.err)
        fpd_fs_fail(call, c->path, &c->read);
    else if (c->ask.req.err)
        fpd_fs_fail_new(call, c->to, &c->ask);
    else
        fpd_reply_empty(call, c->ask.req.u.put.created ? 201 : 204);
}

static void copy_end(struct fpd_call *call, struct change *c, int err)
{
    if (err)
        fpd_spool_fail(c->spool, err);
    else
        fpd_spool_end(c->spool);
    fpd_ask_wait(call, &c->ask, after_copy);
}

static void pipe_ready(void *ctx)
{
    struct fpd_call *call = ctx;

    fpd_call_wake(call, ((struct change *)call->state)->pipe);
}

static void spool_ready(void *ctx)
{
    struct fpd_call *call = ctx;

    fpd_call_wake(call, ((struct change *)call->state)->spool);
}

static void copy_wait(struct fpd_call *call, struct change *c, bool for_room)
{
    call->next = copy_more;
    if (!fpd_call_wait(call, for_room ? (void *)c->spool : (void *)c->pipe)) {
        fpd_spool_fail(c->spool, FP_ERR_CANCELED);
        fpd_reply_stopping(call);
    } else if (for_room) {
        fpd_spool_wake_when_writable(c->spool, spool_ready, call);
    } else {
        fpd_pipe_wake_when_ready(c->pipe, pipe_ready, call);
    }
}

static void copy_more(struct fpd_call *call)
{
    struct change *c = call->state;
    char buf[16384];
    size_t got;
    int err;

    for (;;) {
        if (!fpd_spool_writable(c->spool)) {
            copy_wait(call, c, true);
            return;
        }
        switch (fpd_pipe_read(c->pipe, buf, sizeof buf, &got)) {
        case FPD_PIPE_DATA:
            err = fpd_spool_write(c->spool, buf, got);
            if (!err)
                break;
            fpd_pipe_abandon(c->pipe);
            copy_end(call, c, err);
            return;
        case FPD_PIPE_EMPTY:
            copy_wait(call, c, false);
            return;
        case FPD_PIPE_END:
            copy_end(call, c, FP_OK);
            return;
        default:
            copy_end(call, c, fpd_pipe_error(c->pipe));
            return;
        }
    }
}

static void copy_opened(struct fpd_request *req)
{
    struct fpd_ask *read = req->ctx;
    struct change *c = read->call->state;

    c->over = true;
    fpd_call_wake(read->call, read);
}

static void after_copy_open(struct fpd_call *call)
{
    struct change *c = call->state;
    uint64_t room;
    int err;

    if (!c->over) {
        if (fpd_ask_done(&c->read))
            fpd_fs_fail(call, c->path, &c->read);
        else
            fpd_problem(call, FP_ERR_CANCELED, NULL);
        return;
    }
    if (!fpd_fs_fits(call, c->to, c->read.req.u.read.send, &room)) {
        fpd_pipe_abandon(c->pipe);
        return;
    }
    err =
        fpd_spool_new(call->http->cfg.data, c->read.req.u.read.send, &c->spool);
    if (err) {
        fpd_pipe_abandon(c->pipe);
        fpd_problem(call, err, "The copy can't be buffered.");
        return;
    }
    c->ask.req = (struct fpd_request){
        .op = FPD_OP_PUT,
        .klass = FPD_UPLOAD,
        .u.put = { .path = c->to,
                   .spool = c->spool,
                   .if_absent = !c->overwrite,
                   .has_mtime = c->read.req.u.read.has_mtime,
                   .mtime_ns = c->read.req.u.read.mtime_ns },
    };
    fpd_ask_submit(call, call->device, &c->ask);
    copy_more(call);
}

static void start_copy(struct fpd_call *call)
{
    struct change *c = call->state;

    c->pipe = fpd_pipe_new(0);
    if (!c->pipe) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    c->read.req = (struct fpd_request){
        .op = FPD_OP_READ,
        .u.read = { .path = c->path, .pipe = c->pipe, .opened = copy_opened }
    };
    fpd_call_ask(call, call->device, &c->read, after_copy_open);
}

void fpd_route_fs_copy(struct fpd_call *call)
{
    struct change *c = begin(call);

    if (!c || !take_destination(call, c))
        return;
    if (strcmp(c->path, c->to) == 0)
        fpd_refuse(call, 403, "same", "The same file",
                   "Source and Destination are the same.");
    else
        check(call, c, start_copy);
}
