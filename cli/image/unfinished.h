/* SPDX-License-Identifier: MIT
 *
 * A file that is being written beside the name it is to take: Ctrl-C, or
 * another signal that ends the process, takes it away first. While the file is
 * made, renamed or removed such a signal waits, so that none falls between the
 * step and the word of it.
 *
 * Memory  the path is borrowed until the next call
 * Thread  one such file at a time in a process
 */
#ifndef FPC_IMAGE_UNFINISHED_H
#define FPC_IMAGE_UNFINISHED_H

#include <stdbool.h>

/* NULL: there is none any more. */
void fpc_unfinished(const char *path);

/* true: signals that end the process wait from here on; false: they come. */
void fpc_unfinished_hold(bool hold);

#endif
