/* SPDX-License-Identifier: MIT
 *
 * The sockets that requests come in by.
 */
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* "127.0.0.1:80" or "[::1]:80" into host and port. */
static bool split_listen(const char *listen, char *host, size_t size,
                         uint64_t *port)
{
    const char *colon = strrchr(listen, ':');
    size_t n = colon ? (size_t)(colon - listen) : 0;
    bool brackets = listen[0] == '[';

    if (!colon || !fpd_u64_parse(colon + 1, 65535, port))
        return false;
    if (brackets && (n < 3 || listen[n - 1] != ']'))
        return false;
    listen += brackets;
    n -= brackets ? 2 : 0;
    if (n == 0 || n >= size || (!brackets && memchr(listen, ':', n)))
        return false;
    memcpy(host, listen, n);
    host[n] = 0;
    return true;
}

int fpd_http_check_listen(const char *listen, char *why, size_t size)
{
    char host[200];
    uint64_t port;

    if (split_listen(listen, host, sizeof host, &port))
        return FP_OK;
    snprintf(why, size,
             "--listen %s: want ADDR:PORT, such as 127.0.0.1:8484 or "
             "[::1]:8484",
             listen);
    return FP_ERR_INVAL;
}

static int bind_to(const struct addrinfo *ai)
{
    int one = 1, fd;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 128) == 0)
        return fd;
    one = errno;
    close(fd);
    errno = one;
    return -1;
}

int fpd_listen_tcp(struct fpd_http *http, char *why, size_t size)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    char host[200], service[8] = "";
    uint64_t port;
    int fd, err;

    err = fpd_http_check_listen(http->cfg.listen, why, size);
    if (err)
        return -1;
    split_listen(http->cfg.listen, host, sizeof host, &port);
    snprintf(service, sizeof service, "%u", (unsigned)port);
    err = getaddrinfo(host, service, &hints, &found);
    if (err) {
        snprintf(why, size, "--listen %s: %s", http->cfg.listen,
                 gai_strerror(err));
        return -1;
    }
    fd = bind_to(found);
    freeaddrinfo(found);
    if (fd < 0) {
        snprintf(why, size, "--listen %s: %s", http->cfg.listen,
                 errno == EADDRINUSE
                     ? "another program has this port; name another, or 0 "
                       "for a free one"
                     : strerror(errno));
        return -1;
    }
    if (getsockname(fd, (struct sockaddr *)&sa, &sa_len) == 0 &&
        getnameinfo((struct sockaddr *)&sa, sa_len, NULL, 0, service,
                    sizeof service, NI_NUMERICSERV) == 0)
        http->port = (uint16_t)strtoul(service, NULL, 10);
    snprintf(http->host, sizeof http->host, strchr(host, ':') ? "[%s]" : "%s",
             host);
    snprintf(http->url, sizeof http->url, "http://%s:%u", http->host,
             http->port);
    return fd;
}

/* A socket file whose daemon is gone is in the way; a live one is not ours. */
static bool socket_is_dead(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 &&
                connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 &&
                errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return dead;
}

int fpd_listen_unix(struct fpd_http *http, char *why, size_t size)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    const char *path = http->cfg.socket;
    int fd, err;

    if (strlen(path) >= sizeof sa.sun_path) {
        snprintf(why, size, "--socket %s: longer than %zu bytes", path,
                 sizeof sa.sun_path - 1);
        return -1;
    }
    strcpy(sa.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        goto fail;
    /* Nobody can knock before listen(), and from then on only its owner and
     * root, who needs a token like anyone. */
    err = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    if (err && errno == EADDRINUSE && socket_is_dead(&sa)) {
        unlink(path);
        err = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    }
    if (!err && chmod(path, 0600) == 0 && listen(fd, 128) == 0)
        return fd;
fail:
    snprintf(why, size, "--socket %s: %s", path,
             errno == EADDRINUSE ? "another daemon serves it"
                                 : strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}
