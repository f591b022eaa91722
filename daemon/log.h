/* SPDX-License-Identifier: MIT
 *
 * The daemon's log: lines on stderr, "level module: plain sentence: key=value",
 * with the time in front where nobody else (the journal) writes one.
 *
 * error: a person should act; warn: we coped; info: a state changed, once;
 * debug: each operation. File contents and tokens stay out, and bytes that
 * come from outside are shown escaped, so that a device can't write lines of
 * its own.
 *
 * Thread  from any; a line is written whole
 */
#ifndef FPD_LOG_H
#define FPD_LOG_H

enum fpd_log_level {
    FPD_LOG_ERROR,
    FPD_LOG_WARN,
    FPD_LOG_INFO,
    FPD_LOG_DEBUG
};

/* Lines above this level are dropped; INFO at the start. */
void fpd_log_set_level(enum fpd_log_level level);
/* "error", "warn", "info" or "debug" to a level; -1 for another word. */
int fpd_log_level_parse(const char *word);

void fpd_log(enum fpd_log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* return fpd_trace(err): logs, at debug, where an error began. */
#define fpd_trace(err) fpd_log_trace((err), __FILE__, __LINE__)
int fpd_log_trace(int err, const char *file, int line);

#endif
