/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/posix/line.h"

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

/* A host says something each 3 s; one that is silent for longer is gone. */
#define SILENT_MS 10000

__attribute__((format(printf, 2, 3))) static int fail(struct fp_port_line *line,
                                                      const char *format, ...)
{
    va_list args;
    int n = snprintf(line->wire.error, sizeof line->wire.error, "--listen ");

    va_start(args, format);
    vsnprintf(line->wire.error + n, sizeof line->wire.error - (size_t)n, format,
              args);
    va_end(args);
    return -1;
}

static struct fp_port_line *line_of(struct fp_port_wire *wire)
{
    return (struct fp_port_line *)wire;
}

static int nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* ---- pty ---- */

/* A link that was there is replaced in one step, so that whoever opens the path
 * meanwhile finds the old one or the new one. A file is not ours to replace. */
static int link_slave(struct fp_port_line *line, const char *path)
{
    char beside[600];
    struct stat st;

    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
        return fail(line, "%s exists and is no symbolic link", path);
    snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
    (void)unlink(beside);
    if (symlink(line->name, beside) != 0)
        return fail(line, "cannot link %s: %s", beside, strerror(errno));
    if (rename(beside, path) != 0) {
        fail(line, "cannot link %s: %s", path, strerror(errno));
        (void)unlink(beside);
        return -1;
    }
    snprintf(line->path, sizeof line->path, "%s", path);
    line->is_link = true;
    return 0;
}

static int open_pty(struct fp_port_line *line, const char *path)
{
    struct termios tio;

    line->fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (line->fd < 0 || grantpt(line->fd) != 0 || unlockpt(line->fd) != 0 ||
        nonblocking(line->fd) != 0)
        return fail(line, "no pseudo-terminal to be had: %s", strerror(errno));
    snprintf(line->name, sizeof line->name, "%s", ptsname(line->fd));
    line->slave_fd = open(line->name, O_RDWR | O_NOCTTY);
    if (line->slave_fd < 0 || tcgetattr(line->slave_fd, &tio) != 0)
        return fail(line, "cannot open %s: %s", line->name, strerror(errno));
    cfmakeraw(&tio);
    tio.c_cflag |= CLOCAL | CREAD;
    tio.c_cc[VMIN] = 1;
    tio.c_cc[VTIME] = 0;
    if (tcsetattr(line->slave_fd, TCSANOW, &tio) != 0)
        return fail(line, "cannot set up %s: %s", line->name, strerror(errno));
    return link_slave(line, path);
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

bool fp_port_line_has_rate(uint32_t baud)
{
    speed_t speed;

    return find_speed(baud, &speed);
}

/* A UART shifts its bytes out at the rate it has; here they lie in the pty
 * until they are read. */
static void drain(const struct fp_port_line *line)
{
    const struct timespec pause = { 0, 1000000 };
    int left = 0;

    for (int i = 0; i < DRAIN_MS; i++) {
        if (ioctl(line->slave_fd, FIONREAD, &left) != 0 || left == 0)
            return;
        nanosleep(&pause, NULL);
    }
}

static bool line_set_rate(struct fp_port_wire *wire, uint32_t baud)
{
    struct fp_port_line *line = line_of(wire);
    struct termios tio;
    speed_t speed;

    if (line->slave_fd < 0 || !find_speed(baud, &speed))
        return false;
    drain(line);
    return tcgetattr(line->slave_fd, &tio) == 0 &&
           cfsetispeed(&tio, speed) == 0 && cfsetospeed(&tio, speed) == 0 &&
           tcsetattr(line->slave_fd, TCSANOW, &tio) == 0;
}

/* ---- sockets ---- */

static int serve_on(struct fp_port_line *line, const char *spec,
                    const struct sockaddr *addr, socklen_t size)
{
    int yes = 1;

    line->listen_fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line->listen_fd < 0)
        return fail(line, "no socket to be had: %s", strerror(errno));
    if (addr->sa_family == AF_INET)
        (void)setsockopt(line->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes,
                         sizeof yes);
    if (bind(line->listen_fd, addr, size) != 0 ||
        listen(line->listen_fd, 4) != 0 || nonblocking(line->listen_fd) != 0)
        return fail(line, "cannot listen on %s: %s", spec, strerror(errno));
    return 0;
}

static int open_tcp(struct fp_port_line *line, const char *spec, bool has_key)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    const char *colon = strrchr(spec, ':');
    char host[64], *end;
    unsigned long port;

    if (colon == NULL || (size_t)(colon - spec) >= sizeof host)
        return fail(line, "tcp:%s: give tcp:127.0.0.1:PORT", spec);
    memcpy(host, spec, (size_t)(colon - spec));
    host[colon - spec] = '\0';
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || end == colon + 1 || port > 65535)
        return fail(line, "tcp:%s: the port is a number up to 65535", spec);
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return fail(line, "tcp:%s: give an address such as 127.0.0.1", spec);
    if (!has_key && (ntohl(addr.sin_addr.s_addr) >> 24) != 127)
        return fail(line,
                    "tcp:%s: whoever reaches the port may write the flash: "
                    "give 127.0.0.1, or --key-file for an address beyond",
                    spec);
    addr.sin_port = htons((uint16_t)port);
    return serve_on(line, spec, (struct sockaddr *)&addr, sizeof addr);
}

static int open_unix(struct fp_port_line *line, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct stat st;
    int err;

    if (strlen(path) >= sizeof addr.sun_path)
        return fail(line, "unix:%s: the path is longer than %zu bytes", path,
                    sizeof addr.sun_path - 1);
    strcpy(addr.sun_path, path);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return fail(line, "%s exists and is no socket", path);
        (void)unlink(path);
    }
    err = serve_on(line, path, (struct sockaddr *)&addr, sizeof addr);
    if (err == 0)
        snprintf(line->path, sizeof line->path, "%s", path);
    return err;
}

static void drop_peer(struct fp_port_line *line)
{
    if (line->listen_fd < 0)
        return;
    close(line->fd);
    line->fd = -1;
    line->is_full = false;
}

static uint32_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 +
                      (uint64_t)now.tv_nsec / 1000000);
}

/* The last to come is the peer, for the one before may be gone unheard; but for
 * one that has proven its key and is there. */
static void accept_peer(struct fp_port_line *line)
{
    int yes = 1, fd = accept(line->listen_fd, NULL, NULL);

    if (fd < 0)
        return;
    if (line->fd >= 0 && line->wire.has_proven &&
        now_ms() - line->heard_ms < SILENT_MS) {
        close(fd);
        return;
    }
    if (line->fd >= 0)
        drop_peer(line);
    line->wire.has_proven = false;
    (void)nonblocking(fd);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    line->fd = fd;
}

/* ---- what the loop uses ---- */

static int line_open(struct fp_port_wire *wire,
                     const struct fp_port_options *options)
{
    struct fp_port_line *line = line_of(wire);
    const char *spec = options->own[0];

    snprintf(wire->where, sizeof wire->where, "%s", spec);
    if (strncmp(spec, "pty:", 4) == 0 && spec[4] != '\0')
        return open_pty(line, spec + 4);
    if (strncmp(spec, "tcp:", 4) == 0)
        return open_tcp(line, spec + 4, options->key_file != NULL);
    if (strncmp(spec, "unix:", 5) == 0 && spec[5] != '\0')
        return open_unix(line, spec + 5);
    return fail(line, "%s: give pty:PATH, tcp:127.0.0.1:PORT or unix:PATH",
                spec);
}

/* Is the link at `path` still the one that was made here? */
static bool is_ours(const struct fp_port_line *line)
{
    char target[64];
    ssize_t n = readlink(line->path, target, sizeof target - 1);

    if (!line->is_link)
        return true;
    if (n < 0)
        return false;
    target[n] = '\0';
    return strcmp(target, line->name) == 0;
}

static void line_close(struct fp_port_wire *wire)
{
    struct fp_port_line *line = line_of(wire);

    if (line->path[0] != '\0' && is_ours(line))
        (void)unlink(line->path);
    line->path[0] = '\0';
    if (line->fd >= 0)
        close(line->fd);
    if (line->slave_fd >= 0)
        close(line->slave_fd);
    if (line->listen_fd >= 0)
        close(line->listen_fd);
    line->fd = line->slave_fd = line->listen_fd = -1;
}

static void line_wait(struct fp_port_wire *wire, int timeout_ms)
{
    struct fp_port_line *line = line_of(wire);
    struct pollfd fds[2] = {
        { .fd = line->fd, .events = POLLIN },
        { .fd = line->listen_fd, .events = POLLIN },
    };

    if (line->is_full)
        fds[0].events |= POLLOUT;
    if (poll(fds, 2, timeout_ms) <= 0)
        return;
    if (fds[1].revents & POLLIN)
        accept_peer(line);
}

static size_t line_recv(struct fp_port_wire *wire, uint8_t *buf, size_t size)
{
    struct fp_port_line *line = line_of(wire);
    ssize_t n;

    if (line->fd < 0 || size == 0)
        return 0;
    n = read(line->fd, buf, size);
    if (n > 0) {
        line->heard_ms = now_ms();
        return (size_t)n;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop_peer(line);
    return 0;
}

static size_t line_send(struct fp_port_wire *wire, const uint8_t *buf,
                        size_t size)
{
    struct fp_port_line *line = line_of(wire);
    ssize_t n;

    if (line->fd < 0)
        return size; /* an unplugged cable: what is sent into it is lost */
    n = line->listen_fd < 0 ? write(line->fd, buf, size)
                            : send(line->fd, buf, size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        drop_peer(line);
        return size;
    }
    line->is_full = n < (ssize_t)size;
    return n < 0 ? 0 : (size_t)n;
}

static const struct fp_port_wire_ops line_ops = {
    .open = line_open,
    .close = line_close,
    .wait = line_wait,
    .recv = line_recv,
    .send = line_send,
    .set_rate = line_set_rate,
};

void fp_port_line_init(struct fp_port_line *line)
{
    *line = (struct fp_port_line){
        .wire.ops = &line_ops,
        .fd = -1,
        .listen_fd = -1,
        .slave_fd = -1,
    };
}
