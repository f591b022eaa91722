/* SPDX-License-Identifier: MIT
 *
 * What links over a file descriptor share: send, recv and close of link->fd,
 * which is non-blocking, and the connect that two of them make.
 */
#ifndef FPD_LINK_FD_H
#define FPD_LINK_FD_H

#include "daemon/link/link.h"

#include <sys/socket.h>

ssize_t fpd_link_fd_send(struct fpd_link *link, const uint8_t *buf,
                         size_t size);
/* The same for sockets, whose broken peer must not raise SIGPIPE. */
ssize_t fpd_link_fd_send_socket(struct fpd_link *link, const uint8_t *buf,
                                size_t size);
ssize_t fpd_link_fd_recv(struct fpd_link *link, uint8_t *buf, size_t size,
                         int timeout_ms);
/* Waits until link->fd has one of `events` or the link is woken: the events it
 * has, or 0. */
short fpd_link_fd_wait(struct fpd_link *link, short events, int timeout_ms);
void fpd_link_fd_close(struct fpd_link *link);
/* Connects link->fd, a new non-blocking socket, within 5 s. On an error the
 * socket is closed. FP_ERR_CANCELED. */
int fpd_link_fd_connect(struct fpd_link *link, const struct sockaddr *addr,
                        socklen_t size);

#endif
