/* SPDX-License-Identifier: MIT
 *
 * What a command says on stderr: fpc_error() of command.h, and what goes with
 * it.
 *
 * After --json an error is one document, whatever of it was said where and in
 * how many sentences: {"error":{"exit":4,"text":"...","problem":{...}}}, where
 * `problem` is the daemon's answer if that is what failed. It is printed when
 * the command ends; what is no error comes after a command that succeeded.
 */
#ifndef FPC_SAY_H
#define FPC_SAY_H

#include "cli/command.h"

#include <jansson.h>
#include <stdarg.h>

/* As fpc_error(), with the daemon's problem document or NULL. */
void fpc_say(json_t *problem, const char *format, va_list args);
/* A line more about the last error, printed without "flashport: ". */
void fpc_error_more(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* What is good to know and no error. */
void fpc_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Asks the question, "[y/N]" behind it. FPC_EXIT_OK: yes; FPC_EXIT_FAILED: no;
 * FPC_EXIT_USAGE: nobody is there to answer, and it has said that --yes is
 * wanted. */
int fpc_confirm(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool fpc_says_json(void);
void fpc_say_json(bool as_json);
/* The command ends with this exit code. */
void fpc_say_end(int status);

#endif
