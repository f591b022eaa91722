/* SPDX-License-Identifier: MIT
 *
 * The content of one file into another, as cheaply as the host can: sharing
 * blocks where the filesystem knows how to, and leaving holes what they are, so
 * that a card of 128 GiB of which 2 are written costs 2 at the most.
 */
#ifndef FPC_IMAGE_CLONE_H
#define FPC_IMAGE_CLONE_H

/* Makes `to`, a regular file, what `from` is, whatever it held. 0, or -1 and
 * errno. Positions of neither descriptor matter or are kept. */
int fpc_clone(int from, int to);

#endif
