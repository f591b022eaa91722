/* SPDX-License-Identifier: MIT
 *
 * A file that is being written beside the name it is to take: Ctrl-C, or
 * another signal that ends the process, takes it away first.
 *
 * Memory  the path is borrowed until the next call
 * Thread  one such file at a time in a process
 */
#ifndef FPC_IMAGE_UNFINISHED_H
#define FPC_IMAGE_UNFINISHED_H

/* NULL: there is none any more. */
void fpc_unfinished(const char *path);

#endif
