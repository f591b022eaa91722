/* SPDX-License-Identifier: MIT
 *
 * A crew: workers that do jobs side by side, so that a small request to a
 * device need not wait for the answer to the one before.
 *
 * Memory  from _new to _end; workers and jobs are the caller's, a job that was
 *         given belongs to `work`, which is called exactly once with it
 * Errors  exit codes. After the first failure no job is begun any more: what
 *         was given is passed to `drop`
 * Thread  _new, _give and _end from one thread; `work` runs on others, one call
 *         a worker at a time
 */
#ifndef FPC_CREW_H
#define FPC_CREW_H

struct fpc_crew;

struct fpc_crew_ops {
    int (*work)(void *worker, void *job); /* an exit code */
    void (*drop)(void *job);
};

/* One thread for each of workers[0..count). NULL: there is no thread to be had.
 */
struct fpc_crew *fpc_crew_new(const struct fpc_crew_ops *ops,
                              void *const *workers, unsigned count);
/* Waits until a worker may soon be free. Answers the first failure so far, and
 * then the job was dropped. */
int fpc_crew_give(struct fpc_crew *crew, void *job);
/* Waits until all is done. The first failure. */
int fpc_crew_end(struct fpc_crew *crew);

#endif
