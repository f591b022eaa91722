/* SPDX-License-Identifier: MIT
 *
 * A link: the byte path to a device. It moves bytes and knows no frames.
 *
 * SPEC    serial:PATH@BAUD[,max=BAUD][,dtr=keep|set|clear]
 *         [,rts=keep|set|clear]
 *         usb:[VID:PID[:SERIAL]], tcp:HOST:PORT, unix:PATH. links.c has the table of kinds. Behind any
 *         of them ,key-file=FILE: the key that the device must have too
 * Memory  struct fpd_link is the caller's; a deinit link holds nothing
 * Errors  negative enum fp_error, with a sentence for a person in `reason`.
 *         FP_ERR_NODEV: it is not there (before open) or went away (after);
 *         FP_ERR_BUSY: another program holds it
 * Thread  one caller at a time, except fpd_link_cancel(), which any thread may
 *         call from init to deinit
 */
#ifndef FPD_LINK_LINK_H
#define FPD_LINK_LINK_H

#include "core/error.h"
#include "daemon/link/key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FPD_LINK_SPEC_MAX   255
#define FPD_LINK_REASON_MAX 160

struct fpd_link;
struct fpd_link_usb;

struct fpd_link_ops {
    const char *kind; /* "serial" */
    /* Opening may reset the board: it stays open while it works, even when no
     * agent answers. */
    bool stays_open;
    /* NULL: each SPEC is one link. Else: is it a pattern (expand.h), and what
     * SPECs does it stand for now: up to max malloc'd ones into out; a count */
    bool (*is_pattern)(const char *rest);
    size_t (*expand)(const char *spec, char **out, size_t max);
    /* Takes the SPEC behind "kind:" apart into the link's fields. On
     * FP_ERR_INVAL or FP_ERR_NOTSUP `reason` says what would be right. */
    int (*parse)(struct fpd_link *link, const char *rest);
    /* Undoes parse. NULL: there is nothing to undo. */
    void (*deinit)(struct fpd_link *link);
    /* Blocks for 5 s at most, less when cancelled. */
    int (*open)(struct fpd_link *link);
    /* Hands bytes on without blocking: how many were taken, perhaps 0. */
    ssize_t (*send)(struct fpd_link *link, const uint8_t *buf, size_t size);
    /* Waits up to timeout_ms (-1: for ever) until bytes come, until what send
     * had to leave could go, or until cancelled: a count, 0 for all else. */
    ssize_t (*recv)(struct fpd_link *link, uint8_t *buf, size_t size,
                    int timeout_ms);
    void (*close)(struct fpd_link *link);
    /* NULL: it has no rate. Blocks until what was sent has left. */
    int (*set_rate)(struct fpd_link *link, uint32_t baud);
};

enum fpd_link_line {
    FPD_LINE_KEEP,
    FPD_LINE_SET,
    FPD_LINE_CLEAR
};

struct fpd_link {
    const struct fpd_link_ops *ops;
    char spec[FPD_LINK_SPEC_MAX + 1];
    char reason[FPD_LINK_REASON_MAX]; /* of the last failure */
    uint32_t rate;     /* baud, that it opens with; 0 where there is none */
    uint32_t rate_max; /* that it may be raised to; `rate` if not */
    uint32_t rate_now;
    /* What both ends have, as it was when the link was opened. The link moves
     * bytes; whoever speaks over it asks for proofs. */
    uint8_t key[FPD_KEY_MAX];
    size_t key_size; /* 0: none */

    /* private: what parse() found; what open() made */
    char address[FPD_LINK_SPEC_MAX + 1]; /* a path, or a host */
    char port[8];
    char key_file[FPD_LINK_SPEC_MAX + 1]; /* or "" */
    enum fpd_link_line dtr, rts;
    int fd;          /* -1 when closed */
    int wake_fd;     /* an eventfd, lives from init to deinit */
    bool want_write; /* send left something */
    _Atomic bool retry;
    struct fpd_link_usb *usb; /* what usb.c keeps, from parse to deinit */
};

/* Takes a SPEC apart; opens nothing. FP_ERR_INVAL, FP_ERR_NOTSUP, with a
 * sentence in link->reason; the link must be deinited only after FP_OK. */
int fpd_link_init(struct fpd_link *link, const char *spec);
void fpd_link_deinit(struct fpd_link *link);

int fpd_link_open(struct fpd_link *link);
ssize_t fpd_link_send(struct fpd_link *link, const uint8_t *buf, size_t size);
ssize_t fpd_link_recv(struct fpd_link *link, uint8_t *buf, size_t size,
                      int timeout_ms);
/* Ends the recv or open that runs or, if none does, the next: it answers
 * early. */
void fpd_link_cancel(struct fpd_link *link);
void fpd_link_close(struct fpd_link *link);
/* The rate from now on. FP_ERR_INVAL: the port has no such one; FP_ERR_NOTSUP:
 * none at all. */
int fpd_link_set_rate(struct fpd_link *link, uint32_t baud);
/* Sleeps up to timeout_ms or until cancelled; the link may be closed. */
void fpd_link_sleep(struct fpd_link *link, int timeout_ms);
/* Something was plugged in: to open the link is worth a try, at once. Any
 * thread; ends a sleep. */
void fpd_link_retry(struct fpd_link *link);
/* Was that so since it was last opened? */
bool fpd_link_is_worth_a_try(const struct fpd_link *link);

/* For the kinds of link: a sentence into link->reason; returns err. */
int fpd_link_fail(struct fpd_link *link, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The enum fp_error of an errno. */
int fpd_link_error(int sys_errno);

#endif
