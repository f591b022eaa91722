/* SPDX-License-Identifier: MIT
 *
 * A belt: trays that go round, so that what one thread does in order is
 * prepared or finished by others. Its owner fills an empty tray and gives it;
 * somebody works on it; the owner takes it back, in the order in which it gave.
 *
 *     reading ahead   give the names of the next files, take their contents
 *     writing behind  give contents, take what became of them
 *
 * An owner that would have to wait works itself, so that with one processor, or
 * where there is no thread to be had, it all happens just the same. The first
 * thread is started when half of the trays wait for one.
 *
 * Memory  all trays from _new to _free, zeroed at first; the belt looks at
 *         nothing in them. One is its owner's from _empty to _give, and from
 *         _take to the next _empty; between _give and _take it is `work`'s.
 *         A hand is what one who works keeps from tray to tray, zeroed at
 *         first, too: each has its own
 * Errors  are left in the tray, for whoever takes it
 * Thread  one owner; `work` runs in several, its signals blocked, on a tray
 *         each
 */
#ifndef FPC_BELT_H
#define FPC_BELT_H

#include <stddef.h>

struct fpc_belt;

struct fpc_belt_kind {
    void (*work)(void *tray, void *hand);
    size_t tray_size;
    unsigned count;            /* of trays */
    size_t hand_size;          /* 0: work is given nothing that counts */
    void (*leave)(void *hand); /* of each in _free; NULL: nothing is to do */
};

/* NULL: out of memory. */
struct fpc_belt *fpc_belt_new(const struct fpc_belt_kind *kind);
/* A tray to fill; NULL: all are on the belt. */
void *fpc_belt_empty(struct fpc_belt *belt);
/* What _empty last answered goes on the belt. */
void fpc_belt_give(struct fpc_belt *belt);
/* The first of those on the belt, when it was worked on; NULL: none is. */
void *fpc_belt_take(struct fpc_belt *belt);
/* Nothing is begun any more: what still waits is off the belt. */
void fpc_belt_stop(struct fpc_belt *belt);
/* Waits for what was begun. NULL is accepted. */
void fpc_belt_free(struct fpc_belt *belt);

#endif
