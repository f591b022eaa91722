/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "cli/job.h"

#include "cli/say.h"
#include "core/error.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum {
    POLL_MS = 100,
    ASK_MS = 1000, /* between two looks at the device */
};

struct watch {
    struct fpc_client *client;
    const struct fpc_job_watch *how;
    struct fpc_progress progress;
    int64_t asked_ms; /* when the device was looked at */
    int64_t since_ms; /* when it was first seen to be away */
    bool away, gave_up;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- Ctrl-C -------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* The second one ends the process at once, whatever the daemon does. Who was
 * started with the signal ignored (nohup) goes on ignoring it. */
static void catch_interrupt(struct sigaction *before)
{
    struct sigaction action = { .sa_handler = on_interrupt,
                                .sa_flags = (int)SA_RESETHAND };

    interrupted = 0;
    sigaction(SIGINT, NULL, before);
    if (before->sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}

static void end_interrupted(struct watch *w, const json_t *job)
{
    fpc_progress_end(&w->progress);
    fpc_error("the %s goes on in the daemon as job %s; flashport jobs wait "
              "%s waits for it, flashport jobs cancel %s ends it",
              fpc_text(job, "kind"), fpc_text(job, "id"), fpc_text(job, "id"),
              fpc_text(job, "id"));
    fpc_say_end(128 + SIGINT);
    signal(SIGINT, SIG_DFL);
    raise(SIGINT); /* a shell's loop ends only by the signal itself */
}

/* --- a device that is away ----------------------------------------------- */

/* Looks at the device, and says when it left and when it is back. */
static void look_at_device(struct watch *w, const char *device)
{
    char url[FPC_URL_MAX] = "/api/v1/devices/";
    struct fpc_call call = { .method = "GET", .path = url, .silent = true };
    const char *state;
    bool away;

    fpc_url_append(url, device, false);
    w->asked_ms = now_ms();
    if (fpc_client_call(w->client, &call) == FPC_EXIT_OK) {
        state = fpc_text(call.json, "state");
        away = strcmp(state, "online") != 0;
        if (away && !w->away) {
            w->since_ms = now_ms();
            /* Of the ways to be away these a person has to do something
             * about; all others are a cable or a reset. */
            if (strcmp(state, "conflict") != 0 &&
                strcmp(state, "released") != 0 &&
                strcmp(state, "incompatible") != 0 &&
                strcmp(state, "refused") != 0)
                state = "absent";
            fpc_progress_clear(&w->progress);
            if (!w->how->quiet)
                fpc_note("waiting for %s, which is %s", device, state);
        }
        w->away = away;
    }
    fpc_call_free(&call);
}

/* A job that waits does so for its device; one that is queued for longer than
 * a moment perhaps stands behind one that does. */
static void look(struct watch *w, const json_t *job, const char *state)
{
    const char *device = fpc_text(job, "device");
    bool waits = strcmp(state, "waiting") == 0;

    if (!*device)
        return;
    if (waits || strcmp(state, "queued") == 0) {
        if (now_ms() - w->asked_ms >= ASK_MS || (waits && !w->away))
            look_at_device(w, device);
    } else if (w->away &&
               (strcmp(state, "running") == 0 || strcmp(state, "done") == 0)) {
        w->away = false;
        fpc_progress_clear(&w->progress);
        if (!w->how->quiet)
            fpc_note("%s is back: the %s goes on", device,
                     fpc_text(job, "kind"));
    }
}

static bool stayed_away(const struct watch *w)
{
    return w->how->timeout_s && w->away && !w->gave_up &&
           now_ms() - w->since_ms >= (int64_t)w->how->timeout_s * 1000;
}

/* What a script was told has failed must not happen an hour later. */
static int give_up(struct watch *w)
{
    struct fpc_call call = { .method = "DELETE",
                             .path = w->how->location,
                             .silent = true };
    int status = fpc_client_call(w->client, &call);

    w->gave_up = true;
    if (status == FPC_EXIT_CONFLICT) /* it ended by itself: said next */
        status = FPC_EXIT_OK;
    else if (status && call.status)
        fpc_client_say(w->client, &call);
    fpc_call_free(&call);
    return status;
}

/* --- the end ------------------------------------------------------------- */

static bool ended(const char *state)
{
    return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "cancelled") == 0;
}

static enum fpc_exit exit_of_error(json_int_t err)
{
    switch (err) {
    case FP_ERR_NODEV:
    case FP_ERR_TIMEDOUT:
        return FPC_EXIT_OFFLINE;
    case FP_ERR_NOENT:
        return FPC_EXIT_NOT_FOUND;
    case FP_ERR_NOSPC:
    case FP_ERR_FBIG:
        return FPC_EXIT_NO_SPACE;
    default:
        return FPC_EXIT_FAILED;
    }
}

static int say_outcome(const struct watch *w, const char *state,
                       const json_t *job)
{
    const json_t *error = json_object_get(job, "error");
    const char *kind = fpc_text(job, "kind"), *text = fpc_text(error, "detail");
    bool cancelled = strcmp(state, "cancelled") == 0;

    if (strcmp(state, "done") == 0)
        return FPC_EXIT_OK;
    if (cancelled && w->gave_up)
        fpc_error("%s stayed away for %u second%s: the %s is cancelled. %s",
                  fpc_text(job, "device"), w->how->timeout_s,
                  w->how->timeout_s == 1 ? "" : "s", kind,
                  strcmp(kind, "restore") == 0 ? text : "");
    else
        fpc_error("the %s %s%s%s", kind, cancelled ? "was cancelled" : "failed",
                  *text ? ": " : "", text);
    return cancelled && w->gave_up ? FPC_EXIT_OFFLINE
                                   : (int)exit_of_error(json_integer_value(
                                         json_object_get(error, "err")));
}

static void show(struct watch *w, const json_t *job, const char *state)
{
    const json_t *progress = json_object_get(job, "progress");
    const char *phase = fpc_text(job, "phase");

    w->progress.label = w->away ? "waiting" : *phase ? phase : state;
    w->progress.limit = fpc_text(progress, "limit");
    fpc_progress_update(
        &w->progress,
        (uint64_t)json_integer_value(json_object_get(progress, "done")),
        (uint64_t)json_integer_value(json_object_get(progress, "total")));
}

static int watch(struct watch *w, json_t **job)
{
    struct timespec pause = { 0, POLL_MS * 1000000L };
    int status = FPC_EXIT_OK;

    for (;;) {
        const char *state;

        *job = fpc_client_get(w->client, w->how->location, &status);
        if (!*job) {
            if (status == FPC_EXIT_NO_DAEMON)
                fpc_error("the job is taken up again when the daemon is: %s",
                          w->how->location);
            return status;
        }
        state = fpc_text(*job, "state");
        look(w, *job, state);
        if (ended(state)) {
            fpc_progress_end(&w->progress);
            return say_outcome(w, state, *job);
        }
        if (stayed_away(w))
            status = give_up(w);
        if (status)
            return status;
        show(w, *job, state);
        if (interrupted)
            end_interrupted(w, *job);
        json_decref(*job);
        *job = NULL;
        nanosleep(&pause, NULL);
    }
}

int fpc_job_watch(struct fpc_client *client, const struct fpc_job_watch *how,
                  json_t **job)
{
    struct watch w = { .client = client, .how = how, .asked_ms = now_ms() };
    struct sigaction before;
    int status;

    *job = NULL;
    fpc_progress_start(&w.progress, "waiting", how->quiet);
    catch_interrupt(&before);
    status = watch(&w, job);
    sigaction(SIGINT, &before, NULL);
    fpc_progress_end(&w.progress);
    return status;
}
