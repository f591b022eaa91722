/* SPDX-License-Identifier: MIT
 *
 * flashportd: opens the store, then the devices, then the doors; and closes
 * them in the order that leaves nobody waiting for what is gone.
 */
#include "core/error.h"
#include "daemon/config.h"
#include "daemon/device/device.h"
#include "daemon/http/http.h"
#include "daemon/http/presence.h"
#include "daemon/jobs/jobs.h"
#include "daemon/link/expand.h"
#include "daemon/log.h"
#include "daemon/store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_S   1       /* between two looks for new ports */
#define LOOK_NOW SIGUSR1 /* one was plugged in; to ourselves */

struct daemon {
    struct fpd_config cfg;
    struct fpd_store *store;
    struct fpd_presence *presence;
    struct fpd_devices *devices;
    struct fpd_jobs *jobs;
    /* Devices and jobs call back before it is there. */
    struct fpd_http *_Atomic http;
    char **links; /* that are open now */
    size_t link_count;
};

static void device_changed(void *ctx, const char *id)
{
    struct daemon *d = ctx;

    fpd_presence_changed(d->presence, id);
    fpd_http_device_changed(atomic_load(&d->http), id);
}

static void job_changed(void *ctx, const char *id)
{
    struct daemon *d = ctx;

    fpd_http_job_changed(atomic_load(&d->http), id);
}

/* ---- links ---- */

static bool has_link(char *const *list, size_t count, const char *spec)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], spec) == 0)
            return true;
    return false;
}

/* What the configuration names now, instead of what it named before. keep: what
 * a glob matched once stays, for its cable to come back. */
static int set_links(struct daemon *d, bool keep)
{
    char **fresh, why[400];
    size_t count;
    int err = fpd_link_expand(d->cfg.links, d->cfg.link_count,
                              FPD_CONFIG_LINKS_MAX, &fresh, &count);

    if (err)
        return err;
    for (size_t i = 0; i < d->link_count; i++) {
        if (has_link(fresh, count, d->links[i]))
            continue;
        if (keep && count < FPD_CONFIG_LINKS_MAX)
            fresh[count++] = strdup(d->links[i]);
        else
            fpd_devices_remove_link(d->devices, d->links[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (has_link(d->links, d->link_count, fresh[i]))
            continue;
        err = fpd_devices_add_link(d->devices, fresh[i], why, sizeof why);
        if (err)
            fpd_log(FPD_LOG_ERROR, "main", "link left out: %s: spec=%s", why,
                    fresh[i]);
    }
    fpd_link_specs_free(d->links, d->link_count);
    d->links = fresh;
    d->link_count = count;
    return FP_OK;
}

static void look_now(void)
{
    kill(getpid(), LOOK_NOW);
}

/* May ports that turn up later be links? */
static bool has_patterns(const struct fpd_config *cfg)
{
    for (size_t i = 0; i < cfg->link_count; i++)
        if (fpd_link_is_pattern(cfg->links[i]))
            return true;
    return false;
}

static void reload(struct daemon *d)
{
    char why[600];

    if (fpd_config_reload(&d->cfg, why, sizeof why) != FP_OK) {
        fpd_log(FPD_LOG_ERROR, "main", "nothing was reloaded: %s", why);
        return;
    }
    set_links(d, false);
    fpd_log(FPD_LOG_INFO, "main", "links reloaded: count=%zu", d->link_count);
}

/* ---- checks before anything is touched ---- */

static int check(const struct fpd_config *cfg, char *why, size_t size)
{
    char reason[400];
    int err = fpd_http_check_listen(cfg->listen, why, size);

    /* As they are written: a glob need not match anything yet. */
    for (size_t i = 0; i < cfg->link_count && !err; i++) {
        err = fpd_devices_check_link(cfg->links[i], reason, sizeof reason);
        if (err)
            snprintf(why, size, "--link %s: %s", cfg->links[i], reason);
    }
    return err;
}

/* ---- up and down ---- */

static int start(struct daemon *d, char *why, size_t size)
{
    struct fpd_devices_config devices = { .changed = device_changed, .ctx = d };
    struct fpd_jobs_config jobs = { .changed = job_changed, .ctx = d };
    struct fpd_http_config http = {
        .listen = d->cfg.listen,
        .socket = d->cfg.socket,
        .data = d->cfg.data,
        .host_names = d->cfg.host_names,
        .host_name_count = d->cfg.host_name_count,
    };
    struct fpd_http *server;
    int err;

    err = fpd_store_open(d->cfg.data, &d->store, why, size);
    if (err)
        return err;
    snprintf(why, size, "out of memory");
    err = fpd_presence_new(d->store, &d->presence);
    if (!err)
        err = fpd_devices_new(&devices, &d->devices);
    if (err)
        return err;
    fpd_presence_watch(d->presence, d->devices);
    jobs.store = http.store = d->store;
    jobs.devices = http.devices = d->devices;
    err = fpd_jobs_new(&jobs, &d->jobs);
    if (err)
        return err;
    http.jobs = d->jobs;
    err = fpd_http_new(&http, &server, why, size);
    if (err)
        return err;
    atomic_store(&d->http, server);
    fpd_link_watch(look_now);
    return set_links(d, false);
}

/* Each part outlives those that may still call it. */
static void stop(struct daemon *d)
{
    struct fpd_http *http = atomic_load(&d->http);

    if (http)
        fpd_http_quiesce(http);
    if (d->jobs)
        fpd_jobs_stop(d->jobs);
    if (d->devices)
        fpd_devices_stop(d->devices);
    atomic_store(&d->http, NULL);
    fpd_http_free(http);
    fpd_jobs_free(d->jobs);
    fpd_presence_free(d->presence);
    if (d->devices)
        fpd_devices_free(d->devices);
    fpd_link_watch_end();
    fpd_store_close(d->store);
    fpd_link_specs_free(d->links, d->link_count);
}

/* The URL is for a person at a terminal or a script that waits for it. */
static void announce(const struct daemon *d)
{
    char url[400];

    if (fpd_http_login_url(atomic_load(&d->http), url, sizeof url))
        printf("%s\n", url);
    else
        printf("%s/\n", fpd_http_url(atomic_load(&d->http)));
    fflush(stdout);
}

static void serve(struct daemon *d, const sigset_t *signals)
{
    const struct timespec look = { .tv_sec = LOOK_S };
    int sig;

    do {
        sig = has_patterns(&d->cfg) ? sigtimedwait(signals, NULL, &look)
                                    : sigwaitinfo(signals, NULL);
        if (sig == SIGHUP)
            reload(d);
        else if (sig == LOOK_NOW || (sig < 0 && errno == EAGAIN))
            set_links(d, true);
    } while (sig != SIGINT && sig != SIGTERM);
    fpd_log(FPD_LOG_INFO, "main", "stopping: signal=%s", strsignal(sig));
}

static int run(struct daemon *d)
{
    sigset_t signals;
    char why[600] = "";
    int err;

    /* Before any thread, so that all of them leave signals to this one. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, LOOK_NOW);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    err = start(d, why, sizeof why);
    if (err) {
        fprintf(stderr, "flashportd: %s\n", why[0] ? why : fp_strerror(err));
        stop(d);
        return EXIT_FAILURE;
    }
    fpd_log(FPD_LOG_INFO, "main", "serving: url=%s data=%s links=%zu",
            fpd_http_url(atomic_load(&d->http)), d->cfg.data, d->link_count);
    announce(d);
    serve(d, &signals);
    stop(d);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct daemon d; /* zeroed; the jobs' threads hold its address */
    char why[600] = "";
    int status = EXIT_SUCCESS;

    if (fpd_config_parse(&d.cfg, argc, argv, why, sizeof why) != FP_OK ||
        (d.cfg.action <= FPD_ACTION_CHECK &&
         check(&d.cfg, why, sizeof why) != FP_OK)) {
        fprintf(stderr, "flashportd: %s\n", why);
        fpd_config_free(&d.cfg);
        return 2;
    }
    fpd_log_set_level((enum fpd_log_level)d.cfg.log_level);
    switch (d.cfg.action) {
    case FPD_ACTION_HELP:
        fputs(fpd_config_usage, stdout);
        break;
    case FPD_ACTION_VERSION:
        puts("flashportd " FPD_VERSION);
        break;
    case FPD_ACTION_CHECK:
        puts("flashportd: the configuration is right");
        break;
    case FPD_ACTION_SERVE:
        status = run(&d);
        break;
    }
    fpd_config_free(&d.cfg);
    return status;
}
