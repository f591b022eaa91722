/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/posix/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS 100

__attribute__((format(printf, 2, 3))) static int fail(struct fp_port_wire *wire,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(wire->error, sizeof wire->error, format, args);
    va_end(args);
    return -1;
}

static int nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* ---- pty ---- */

/* A link that was there is replaced in one step, so that whoever opens the path
 * meanwhile finds the old one or the new one. A file is not ours to replace. */
static int link_slave(struct fp_port_wire *wire, const char *path)
{
    char beside[600];
    struct stat st;

    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
        return fail(wire, "%s exists and is no symbolic link", path);
    snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
    (void)unlink(beside);
    if (symlink(wire->name, beside) != 0)
        return fail(wire, "cannot link %s: %s", beside, strerror(errno));
    if (rename(beside, path) != 0) {
        fail(wire, "cannot link %s: %s", path, strerror(errno));
        (void)unlink(beside);
        return -1;
    }
    snprintf(wire->path, sizeof wire->path, "%s", path);
    wire->is_link = true;
    return 0;
}

static int open_pty(struct fp_port_wire *wire, const char *path)
{
    struct termios tio;

    wire->fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (wire->fd < 0 || grantpt(wire->fd) != 0 || unlockpt(wire->fd) != 0 ||
        nonblocking(wire->fd) != 0)
        return fail(wire, "no pseudo-terminal to be had: %s", strerror(errno));
    snprintf(wire->name, sizeof wire->name, "%s", ptsname(wire->fd));
    wire->slave_fd = open(wire->name, O_RDWR | O_NOCTTY);
    if (wire->slave_fd < 0 || tcgetattr(wire->slave_fd, &tio) != 0)
        return fail(wire, "cannot open %s: %s", wire->name, strerror(errno));
    cfmakeraw(&tio);
    tio.c_cflag |= CLOCAL | CREAD;
    tio.c_cc[VMIN] = 1;
    tio.c_cc[VTIME] = 0;
    if (tcsetattr(wire->slave_fd, TCSANOW, &tio) != 0)
        return fail(wire, "cannot set up %s: %s", wire->name, strerror(errno));
    return link_slave(wire, path);
}

/* ---- rates ---- */

static bool find_speed(uint32_t baud, speed_t *speed)
{
    static const struct {
        uint32_t baud;
        speed_t speed;
    } speeds[] = {
        { 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },
        { 57600, B57600 },     { 115200, B115200 },   { 230400, B230400 },
        { 460800, B460800 },   { 921600, B921600 },   { 1000000, B1000000 },
        { 1500000, B1500000 }, { 2000000, B2000000 }, { 3000000, B3000000 },
    };

    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].baud == baud) {
            *speed = speeds[i].speed;
            return true;
        }
    }
    return false;
}

bool fp_port_wire_has_rate(uint32_t baud)
{
    speed_t speed;

    return find_speed(baud, &speed);
}

/* A UART shifts its bytes out at the rate it has; here they lie in the pty
 * until they are read. */
static void drain(const struct fp_port_wire *wire)
{
    const struct timespec pause = { 0, 1000000 };
    int left = 0;

    for (int i = 0; i < DRAIN_MS; i++) {
        if (ioctl(wire->slave_fd, FIONREAD, &left) != 0 || left == 0)
            return;
        nanosleep(&pause, NULL);
    }
}

bool fp_port_wire_set_rate(struct fp_port_wire *wire, uint32_t baud)
{
    struct termios tio;
    speed_t speed;

    if (wire->slave_fd < 0 || !find_speed(baud, &speed))
        return false;
    drain(wire);
    return tcgetattr(wire->slave_fd, &tio) == 0 &&
           cfsetispeed(&tio, speed) == 0 && cfsetospeed(&tio, speed) == 0 &&
           tcsetattr(wire->slave_fd, TCSANOW, &tio) == 0;
}

/* ---- sockets ---- */

static int serve_on(struct fp_port_wire *wire, const char *spec,
                    const struct sockaddr *addr, socklen_t size)
{
    int yes = 1;

    wire->listen_fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->listen_fd < 0)
        return fail(wire, "no socket to be had: %s", strerror(errno));
    if (addr->sa_family == AF_INET)
        (void)setsockopt(wire->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes,
                         sizeof yes);
    if (bind(wire->listen_fd, addr, size) != 0 ||
        listen(wire->listen_fd, 4) != 0 || nonblocking(wire->listen_fd) != 0)
        return fail(wire, "cannot listen on %s: %s", spec, strerror(errno));
    return 0;
}

static int open_tcp(struct fp_port_wire *wire, const char *spec, bool has_key)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    const char *colon = strrchr(spec, ':');
    char host[64], *end;
    unsigned long port;

    if (colon == NULL || (size_t)(colon - spec) >= sizeof host)
        return fail(wire, "tcp:%s: give tcp:127.0.0.1:PORT", spec);
    memcpy(host, spec, (size_t)(colon - spec));
    host[colon - spec] = '\0';
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || end == colon + 1 || port > 65535)
        return fail(wire, "tcp:%s: the port is a number up to 65535", spec);
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return fail(wire, "tcp:%s: give an address such as 127.0.0.1", spec);
    if (!has_key && (ntohl(addr.sin_addr.s_addr) >> 24) != 127)
        return fail(wire,
                    "tcp:%s: whoever reaches the port may write the flash: "
                    "give 127.0.0.1, or --key-file for an address beyond",
                    spec);
    addr.sin_port = htons((uint16_t)port);
    return serve_on(wire, spec, (struct sockaddr *)&addr, sizeof addr);
}

static int open_unix(struct fp_port_wire *wire, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct stat st;
    int err;

    if (strlen(path) >= sizeof addr.sun_path)
        return fail(wire, "unix:%s: the path is longer than %zu bytes", path,
                    sizeof addr.sun_path - 1);
    strcpy(addr.sun_path, path);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return fail(wire, "%s exists and is no socket", path);
        (void)unlink(path);
    }
    err = serve_on(wire, path, (struct sockaddr *)&addr, sizeof addr);
    if (err == 0)
        snprintf(wire->path, sizeof wire->path, "%s", path);
    return err;
}

static void drop_peer(struct fp_port_wire *wire)
{
    if (wire->listen_fd < 0)
        return;
    close(wire->fd);
    wire->fd = -1;
    wire->is_full = false;
}

static void accept_peer(struct fp_port_wire *wire)
{
    int yes = 1, fd = accept(wire->listen_fd, NULL, NULL);

    if (fd < 0)
        return;
    if (wire->fd >= 0)
        drop_peer(wire);
    (void)nonblocking(fd);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    wire->fd = fd;
}

/* ---- what the loop uses ---- */

int fp_port_wire_open(struct fp_port_wire *wire, const char *spec, bool has_key)
{
    *wire = (struct fp_port_wire){ .fd = -1, .listen_fd = -1, .slave_fd = -1 };
    if (strncmp(spec, "pty:", 4) == 0 && spec[4] != '\0')
        return open_pty(wire, spec + 4);
    if (strncmp(spec, "tcp:", 4) == 0)
        return open_tcp(wire, spec + 4, has_key);
    if (strncmp(spec, "unix:", 5) == 0 && spec[5] != '\0')
        return open_unix(wire, spec + 5);
    return fail(wire, "%s: give pty:PATH, tcp:127.0.0.1:PORT or unix:PATH",
                spec);
}

/* Is the link at `path` still the one that was made here? */
static bool is_ours(const struct fp_port_wire *wire)
{
    char target[64];
    ssize_t n = readlink(wire->path, target, sizeof target - 1);

    if (!wire->is_link)
        return true;
    if (n < 0)
        return false;
    target[n] = '\0';
    return strcmp(target, wire->name) == 0;
}

void fp_port_wire_close(struct fp_port_wire *wire)
{
    if (wire->path[0] != '\0' && is_ours(wire))
        (void)unlink(wire->path);
    wire->path[0] = '\0';
    if (wire->fd >= 0)
        close(wire->fd);
    if (wire->slave_fd >= 0)
        close(wire->slave_fd);
    if (wire->listen_fd >= 0)
        close(wire->listen_fd);
    wire->fd = wire->slave_fd = wire->listen_fd = -1;
}

void fp_port_wire_wait(struct fp_port_wire *wire, int timeout_ms)
{
    struct pollfd fds[2] = {
        { .fd = wire->fd, .events = POLLIN },
        { .fd = wire->listen_fd, .events = POLLIN },
    };

    if (wire->is_full)
        fds[0].events |= POLLOUT;
    if (poll(fds, 2, timeout_ms) <= 0)
        return;
    if (fds[1].revents & POLLIN)
        accept_peer(wire);
}

size_t fp_port_wire_recv(struct fp_port_wire *wire, uint8_t *buf, size_t size)
{
    ssize_t n;

    if (wire->fd < 0 || size == 0)
        return 0;
    n = read(wire->fd, buf, size);
    if (n > 0)
        return (size_t)n;
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop_peer(wire);
    return 0;
}

size_t fp_port_wire_send(struct fp_port_wire *wire, const uint8_t *buf,
                         size_t size)
{
    ssize_t n;

    if (wire->fd < 0)
        return size; /* an unplugged cable: what is sent into it is lost */
    n = wire->listen_fd < 0 ? write(wire->fd, buf, size)
                            : send(wire->fd, buf, size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        drop_peer(wire);
        return size;
    }
    wire->is_full = n < (ssize_t)size;
    return n < 0 ? 0 : (size_t)n;
}
