/* SPDX-License-Identifier: MIT
 *
 * Waiting is one poll() over the descriptor and the link's eventfd. The
 * eventfd is written by fpd_link_cancel() and read here, so that a wake-up
 * that comes before the wait is not lost.
 */
#include "daemon/link/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 5000

static bool was_woken(struct fpd_link *link)
{
    uint64_t count;

    return read(link->wake_fd, &count, sizeof count) == (ssize_t)sizeof count;
}

static ssize_t sent(struct fpd_link *link, ssize_t n, size_t size)
{
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return fpd_link_fail(link, FP_ERR_NODEV, "the link broke: %s",
                                 strerrordesc_np(errno));
        n = 0;
    }
    link->want_write = (size_t)n < size;
    return n;
}

ssize_t fpd_link_fd_send(struct fpd_link *link, const uint8_t *buf, size_t size)
{
    return sent(link, write(link->fd, buf, size), size);
}

ssize_t fpd_link_fd_send_socket(struct fpd_link *link, const uint8_t *buf,
                                size_t size)
{
    return sent(link, send(link->fd, buf, size, MSG_NOSIGNAL), size);
}

/* A count, 0 when there is nothing, FP_ERR_NODEV when the peer is gone. */
static ssize_t read_now(struct fpd_link *link, uint8_t *buf, size_t size)
{
    ssize_t n = read(link->fd, buf, size);

    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n == 0)
        return fpd_link_fail(link, FP_ERR_NODEV, "the far end closed the link");
    /* A terminal whose other end went away reads EIO. */
    return fpd_link_fail(link, FP_ERR_NODEV, "the link broke: %s",
                         strerrordesc_np(errno));
}

short fpd_link_fd_wait(struct fpd_link *link, short events, int timeout_ms)
{
    struct pollfd fds[2] = {
        { .fd = link->fd, .events = events },
        { .fd = link->wake_fd, .events = POLLIN },
    };

    if (poll(fds, 2, timeout_ms) <= 0)
        return 0;
    if (fds[1].revents)
        was_woken(link);
    return fds[0].revents;
}

ssize_t fpd_link_fd_recv(struct fpd_link *link, uint8_t *buf, size_t size,
                         int timeout_ms)
{
    short want = link->want_write ? POLLIN | POLLOUT : POLLIN;
    short has = fpd_link_fd_wait(link, want, timeout_ms);

    if (has & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
        return read_now(link, buf, size);
    return 0;
}

void fpd_link_fd_close(struct fpd_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->want_write = false;
}

/* Waits for a connect that is under way: 0 or an errno. */
static int finish_connect(struct fpd_link *link)
{
    struct pollfd fds[2] = {
        { .fd = link->fd, .events = POLLOUT },
        { .fd = link->wake_fd, .events = POLLIN },
    };
    int error = 0;
    socklen_t size = sizeof error;
    int n = poll(fds, 2, CONNECT_MS);

    if (n == 0)
        return ETIMEDOUT;
    if (n < 0)
        return errno;
    if (fds[1].revents && !fds[0].revents) {
        was_woken(link);
        return ECANCELED;
    }
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error;
}

int fpd_link_fd_connect(struct fpd_link *link, const struct sockaddr *addr,
                        socklen_t size)
{
    int error = 0;

    if (connect(link->fd, addr, size) < 0)
        error = errno == EINPROGRESS ? finish_connect(link) : errno;
    if (!error)
        return FP_OK;
    fpd_link_fd_close(link);
    if (error == EAGAIN) /* a Unix socket whose backlog is full */
        error = EBUSY;
    return fpd_link_fail(link, fpd_link_error(error), "cannot connect: %s",
                         strerrordesc_np(error));
}
