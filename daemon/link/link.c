/* SPDX-License-Identifier: MIT
 *
 * The front end of links: finds the kind for a SPEC and passes calls on.
 */
#include "daemon/link/link.h"

#include "daemon/link/links.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int fpd_link_fail(struct fpd_link *link, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(link->reason, sizeof link->reason, format, args);
    va_end(args);
    return err;
}

int fpd_link_error(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case EIO:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return FP_ERR_NODEV;
    case EACCES:
    case EPERM:
        return FP_ERR_ACCES;
    case EBUSY:
    case EWOULDBLOCK:
        return FP_ERR_BUSY;
    case EMFILE:
    case ENFILE:
        return FP_ERR_NFILE;
    case ENOMEM:
        return FP_ERR_NOMEM;
    case ETIMEDOUT:
        return FP_ERR_TIMEDOUT;
    case ECANCELED:
        return FP_ERR_CANCELED;
    case EINVAL:
    case ENOTTY:
        return FP_ERR_INVAL;
    default:
        return FP_ERR_IO;
    }
}

/* Cuts ",key-file=FILE" out of what is behind the kind, and reads it. */
static int take_key(struct fpd_link *link, char *rest)
{
    static const char word[] = ",key-file=";
    char *at = strstr(rest, word);
    size_t n;

    if (!at)
        return FP_OK;
    n = strcspn(at + strlen(word), ",");
    snprintf(link->key_file, sizeof link->key_file, "%.*s", (int)n,
             at + strlen(word));
    memmove(at, at + strlen(word) + n, strlen(at + strlen(word) + n) + 1);
    return fpd_key_read(link->key_file, link->key, &link->key_size,
                        link->reason, sizeof link->reason);
}

int fpd_link_init(struct fpd_link *link, const char *spec)
{
    char own[FPD_LINK_SPEC_MAX + 1];
    const char *rest = NULL;
    int err;

    *link = (struct fpd_link){ .fd = -1, .wake_fd = -1 };
    if (strlen(spec) > FPD_LINK_SPEC_MAX)
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "a link's SPEC has at most %d bytes",
                             FPD_LINK_SPEC_MAX);
    strcpy(link->spec, spec);
    link->ops = fpd_link_kind(spec, &rest);
    if (!link->ops)
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "no such kind of link: '%.40s'; it is serial:PATH"
                             "@BAUD, usb:, tcp:HOST:PORT or unix:PATH",
                             spec);
    link->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (link->wake_fd < 0)
        return fpd_link_fail(link, fpd_link_error(errno), "eventfd: %s",
                             strerrordesc_np(errno));
    strcpy(own, rest);
    err = take_key(link, own);
    if (!err)
        err = link->ops->parse(link, own);
    if (err) {
        close(link->wake_fd);
        link->wake_fd = -1;
    }
    return err;
}

void fpd_link_deinit(struct fpd_link *link)
{
    fpd_link_close(link);
    if (link->ops->deinit)
        link->ops->deinit(link);
    if (link->wake_fd >= 0)
        close(link->wake_fd);
    link->wake_fd = -1;
    explicit_bzero(link->key, sizeof link->key);
}

int fpd_link_open(struct fpd_link *link)
{
    link->reason[0] = '\0';
    link->want_write = false;
    atomic_store(&link->retry, false);
    if (link->key_file[0]) { /* it may be another by now */
        int err = fpd_key_read(link->key_file, link->key, &link->key_size,
                               link->reason, sizeof link->reason);

        if (err)
            return err;
    }
    link->rate_now = link->rate;
    return link->ops->open(link);
}

ssize_t fpd_link_send(struct fpd_link *link, const uint8_t *buf, size_t size)
{
    return link->ops->send(link, buf, size);
}

ssize_t fpd_link_recv(struct fpd_link *link, uint8_t *buf, size_t size,
                      int timeout_ms)
{
    return link->ops->recv(link, buf, size, timeout_ms);
}

void fpd_link_cancel(struct fpd_link *link)
{
    uint64_t one = 1;
    ssize_t n = write(link->wake_fd, &one, sizeof one);

    (void)n; /* full means that it is awake anyway */
}

int fpd_link_set_rate(struct fpd_link *link, uint32_t baud)
{
    int err;

    if (!link->ops->set_rate)
        return FP_ERR_NOTSUP;
    err = link->ops->set_rate(link, baud);
    if (!err)
        link->rate_now = baud;
    return err;
}

void fpd_link_close(struct fpd_link *link)
{
    if (link->fd >= 0)
        link->ops->close(link);
}

void fpd_link_sleep(struct fpd_link *link, int timeout_ms)
{
    struct pollfd fd = { .fd = link->wake_fd, .events = POLLIN };
    uint64_t count;

    if (poll(&fd, 1, timeout_ms) > 0) {
        ssize_t n = read(link->wake_fd, &count, sizeof count);

        (void)n;
    }
}

void fpd_link_retry(struct fpd_link *link)
{
    atomic_store(&link->retry, true);
    fpd_link_cancel(link);
}

bool fpd_link_is_worth_a_try(const struct fpd_link *link)
{
    return atomic_load(&link->retry);
}
