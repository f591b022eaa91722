/* SPDX-License-Identifier: MIT
 *
 * Raising the rate of a line that has one: part of a session, between Hello
 * and the first question. Source: proto/PROTOCOL.md, "Rates".
 */
#ifndef FPD_DEVICE_RAISE_H
#define FPD_DEVICE_RAISE_H

#include "proto/flashport.pb.h"

#include <stdbool.h>
#include <stdint.h>

struct fpd_session;

enum fpd_raise_step {
    FPD_RAISE_NOT,   /* nothing to raise, or it is over */
    FPD_RAISE_ASK,   /* the next rate is to be asked for */
    FPD_RAISE_ASKED, /* SetRate is on its way */
    FPD_RAISE_WAIT,  /* agreed; what is on the line leaves first */
    FPD_RAISE_TRY,   /* at the new rate, until a Ping is answered */
    FPD_RAISE_BACK,  /* at the old one, until the Ping is answered there */
};

struct fpd_raise {
    enum fpd_raise_step step;
    uint32_t baud;     /* that is tried */
    uint32_t fails;    /* in this session */
    int64_t since_ms;  /* when the step began */
    int64_t spoken_ms; /* a Ping went out, so that the device stays there */
    uint32_t rates[12];
    uint32_t count;
};

/* What the device's Hello tells: is there a rate to be tried? */
bool fpd_raise_begin(struct fpd_session *s, const fp_HelloReply *reply);
/* Does what is due. False: it is over, one way or another. */
bool fpd_raise_go_on(struct fpd_session *s);
/* An answer to its SetRate (ok: Done) or Ping. */
void fpd_raise_answered(struct fpd_session *s, bool ok);
/* Milliseconds until it wants to be called; at most `wait`. */
int fpd_raise_wait(const struct fpd_session *s, int wait);
/* At a raised rate the device is spoken to every 2 s: is it time? */
bool fpd_raise_speaks(struct fpd_session *s, int64_t now);

#endif
