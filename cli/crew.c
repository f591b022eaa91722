/* SPDX-License-Identifier: MIT */
#include "cli/crew.h"

#include "cli/command.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define WAITING_MAX 16

struct member {
    struct fpc_crew *crew;
    void *worker;
    pthread_t thread;
};

struct fpc_crew {
    const struct fpc_crew_ops *ops;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *waiting[WAITING_MAX]; /* a ring */
    unsigned first, count;
    bool ends;
    int status; /* of the first that failed */
    unsigned member_count;
    struct member members[];
};

/* The next job; NULL when there will be none. */
static void *take(struct fpc_crew *crew)
{
    void *job = NULL;

    pthread_mutex_lock(&crew->lock);
    while (crew->count == 0 && !crew->ends)
        pthread_cond_wait(&crew->changed, &crew->lock);
    if (crew->count > 0) {
        job = crew->waiting[crew->first];
        crew->first = (crew->first + 1) % WAITING_MAX;
        crew->count--;
        pthread_cond_broadcast(&crew->changed);
    }
    pthread_mutex_unlock(&crew->lock);
    return job;
}

static int status_of(struct fpc_crew *crew)
{
    int status;

    pthread_mutex_lock(&crew->lock);
    status = crew->status;
    pthread_mutex_unlock(&crew->lock);
    return status;
}

static void fail(struct fpc_crew *crew, int status)
{
    pthread_mutex_lock(&crew->lock);
    if (crew->status == FPC_EXIT_OK)
        crew->status = status;
    pthread_mutex_unlock(&crew->lock);
}

static void *run(void *ctx)
{
    struct member *member = ctx;
    struct fpc_crew *crew = member->crew;
    void *job;

    while ((job = take(crew)) != NULL) {
        if (status_of(crew) == FPC_EXIT_OK)
            fail(crew, crew->ops->work(member->worker, job));
        else
            crew->ops->drop(job);
    }
    return NULL;
}

struct fpc_crew *fpc_crew_new(const struct fpc_crew_ops *ops,
                              void *const *workers, unsigned count)
{
    struct fpc_crew *crew =
        calloc(1, sizeof *crew + count * sizeof crew->members[0]);

    if (!crew)
        return NULL;
    crew->ops = ops;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    for (unsigned i = 0; i < count; i++) {
        struct member *member = &crew->members[i];

        *member = (struct member){ .crew = crew, .worker = workers[i] };
        if (pthread_create(&member->thread, NULL, run, member) != 0)
            break;
        crew->member_count++;
    }
    if (crew->member_count > 0)
        return crew;
    (void)fpc_crew_end(crew);
    return NULL;
}

int fpc_crew_give(struct fpc_crew *crew, void *job)
{
    int status;

    pthread_mutex_lock(&crew->lock);
    while (crew->count == WAITING_MAX)
        pthread_cond_wait(&crew->changed, &crew->lock);
    status = crew->status;
    if (status == FPC_EXIT_OK) {
        crew->waiting[(crew->first + crew->count) % WAITING_MAX] = job;
        crew->count++;
        pthread_cond_broadcast(&crew->changed);
    }
    pthread_mutex_unlock(&crew->lock);
    if (status != FPC_EXIT_OK)
        crew->ops->drop(job);
    return status;
}

int fpc_crew_end(struct fpc_crew *crew)
{
    int status;

    pthread_mutex_lock(&crew->lock);
    crew->ends = true;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->member_count; i++)
        pthread_join(crew->members[i].thread, NULL);
    status = crew->status;
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
    return status;
}
