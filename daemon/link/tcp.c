/* SPDX-License-Identifier: MIT
 *
 * tcp:HOST:PORT. Beyond loopback only with a key, so that a device's files do
 * not go to whoever answers at an address. An address in figures is refused at
 * once, a name when it turns out to mean one.
 */
#include "daemon/link/fd.h"
#include "daemon/link/links.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

/* 1..65535 in digits. */
static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");

    return n >= 1 && n <= 5 && text[n] == '\0' && atoi(text) >= 1 &&
           atoi(text) <= 65535;
}

static bool is_loopback(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, addr, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, addr, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

static int needs_key(struct fpd_link *link, int err)
{
    return fpd_link_fail(link, err,
                         "%.40s is no loopback address: beyond, a link needs a "
                         "key, ,key-file=FILE here and --key-file FILE at the "
                         "agent",
                         link->address);
}

/* An address in figures that is not ours; of a name nothing is known yet. */
static bool is_beyond(const char *host)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
    struct addrinfo *list = NULL;
    bool beyond;

    if (getaddrinfo(host, NULL, &hints, &list))
        return false;
    beyond = !is_loopback(list->ai_addr);
    freeaddrinfo(list);
    return beyond;
}

static int tcp_parse(struct fpd_link *link, const char *rest)
{
    const char *colon = strrchr(rest, ':');
    size_t n = colon ? (size_t)(colon - rest) : 0;

    if (n == 0 || !is_port(colon + 1))
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "tcp: needs host and port, as in "
                             "tcp:127.0.0.1:7000 or tcp:[::1]:7000");
    if (rest[0] == '[' && rest[n - 1] == ']') {
        rest++;
        n -= 2;
    }
    memcpy(link->address, rest, n);
    link->address[n] = '\0';
    strcpy(link->port, colon + 1);
    if (link->key_size == 0 && is_beyond(link->address))
        return needs_key(link, FP_ERR_INVAL);
    return FP_OK;
}

static int connect_to(struct fpd_link *link, const struct addrinfo *info)
{
    int on = 1;
    int err;

    if (!is_loopback(info->ai_addr) && link->key_size == 0)
        return needs_key(link, FP_ERR_ACCES);
    link->fd =
        socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return fpd_link_fail(link, fpd_link_error(errno), "socket: %s",
                             strerrordesc_np(errno));
    err = fpd_link_fd_connect(link, info->ai_addr, info->ai_addrlen);
    if (err)
        return err;
    /* Frames are small and wait for answers; a peer that vanished without a
     * word is noticed by the frame layer, keepalive is for the idle one. */
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return FP_OK;
}

static int tcp_open(struct fpd_link *link)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int err = getaddrinfo(link->address, link->port, &hints, &list);

    if (err)
        return fpd_link_fail(link, FP_ERR_NODEV, "%.60s: %s", link->address,
                             gai_strerror(err));
    err = FP_ERR_NODEV;
    for (const struct addrinfo *info = list; info; info = info->ai_next) {
        err = connect_to(link, info);
        if (!err || err == FP_ERR_CANCELED)
            break;
    }
    freeaddrinfo(list);
    return err;
}

const struct fpd_link_ops fpd_link_tcp = {
    .kind = "tcp",
    .parse = tcp_parse,
    .open = tcp_open,
    .send = fpd_link_fd_send_socket,
    .recv = fpd_link_fd_recv,
    .close = fpd_link_fd_close,
};
