/* SPDX-License-Identifier: MIT
 *
 * What people read: names, sizes, times, progress.
 *
 * Names come from devices and are hostile: what is no printable UTF-8 is shown
 * as \xNN, so that no name can move the cursor or recolour a terminal.
 */
#ifndef FPC_OUT_H
#define FPC_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* name[0..len) with everything unprintable escaped. */
void fpc_print_name(FILE *out, const char *name, size_t len);

/* How many columns of a terminal that takes. */
int fpc_name_width(const char *name, size_t len);

/* Lines of text, where newline and tab are as they are, a carriage return
 * before a newline is left out, and so are colours (ESC [ ... m). Returns how
 * much of it was printed: at its end a beginning of such a sequence is left for
 * when more is there. */
size_t fpc_print_text(FILE *out, const char *text, size_t len);

/* "1.5M": at most seven characters. */
const char *fpc_size_text(uint64_t size, char text[16]);

/* "s", but of one. */
const char *fpc_plural(uint64_t count);

/* "2026-11-21 07:00", local time; "-" when there is none. */
const char *fpc_time_text(bool known, int64_t seconds, char text[24]);

/* One line on a terminal's stderr, rewritten at most ten times a second;
 * nothing when stderr is no terminal. */
struct fpc_progress {
    const char *label; /* what is copied; may be hostile */
    const char *limit; /* what it waits for, as the daemon names it, or NULL */
    bool on;
    /* private */
    int64_t start_ms, shown_ms;
    bool shown;
};

void fpc_progress_start(struct fpc_progress *p, const char *label, bool quiet);
void fpc_progress_update(struct fpc_progress *p, uint64_t done, uint64_t total);
/* Takes the line away, for another one to be printed; the next update shows it
 * again. */
void fpc_progress_clear(struct fpc_progress *p);
void fpc_progress_end(struct fpc_progress *p);

#endif
