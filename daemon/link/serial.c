/* SPDX-License-Identifier: MIT
 *
 * serial:PATH@BAUD: a UART, a USB serial port, or a pseudo-terminal.
 *
 * Opening a port can reset a board: the kernel raises DTR and RTS at the first
 * open, and drops them at the last close unless HUPCL is off. So HUPCL goes
 * off, and the two lines are moved only where the SPEC says so. Two programs
 * at one port eat each other's bytes, so the port is locked twice: TIOCEXCL
 * for programs that know nothing, flock for root and for other daemons.
 */
#include "daemon/link/fd.h"
#include "daemon/link/glob.h"
#include "daemon/link/links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_BAUD 115200

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {
    { 1200, B1200 },       { 2400, B2400 },       { 4800, B4800 },
    { 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },
    { 57600, B57600 },     { 115200, B115200 },   { 230400, B230400 },
    { 460800, B460800 },   { 500000, B500000 },   { 576000, B576000 },
    { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 },
    { 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 },
    { 3000000, B3000000 }, { 3500000, B3500000 }, { 4000000, B4000000 },
};

static bool find_speed(uint32_t baud, speed_t *speed)
{
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].baud == baud) {
            *speed = speeds[i].speed;
            return true;
        }
    }
    return false;
}

static int parse_line(struct fpd_link *link, const char *text,
                      enum fpd_link_line *line)
{
    if (strcmp(text, "keep") == 0)
        *line = FPD_LINE_KEEP;
    else if (strcmp(text, "set") == 0)
        *line = FPD_LINE_SET;
    else if (strcmp(text, "clear") == 0)
        *line = FPD_LINE_CLEAR;
    else
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "dtr and rts are keep, set or clear, not '%.40s'",
                             text);
    return FP_OK;
}

static int parse_baud(struct fpd_link *link, const char *word, uint32_t *baud)
{
    speed_t speed;

    if (!word || strspn(word, "0123456789") != strlen(word) ||
        strlen(word) > 9 || !find_speed((uint32_t)atoi(word), &speed))
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "'%.40s' is no standard baud rate; say one such "
                             "as 115200 or 921600",
                             word ? word : "");
    *baud = (uint32_t)atoi(word);
    return FP_OK;
}

/* BAUD[,max=…][,dtr=…][,rts=…], cut up in place. */
static int parse_options(struct fpd_link *link, char *text)
{
    char *save = NULL;
    char *word = strtok_r(text, ",", &save);
    int err = parse_baud(link, word, &link->rate);

    link->rate_max = link->rate;
    while (!err && (word = strtok_r(NULL, ",", &save))) {
        if (strncmp(word, "dtr=", 4) == 0)
            err = parse_line(link, word + 4, &link->dtr);
        else if (strncmp(word, "rts=", 4) == 0)
            err = parse_line(link, word + 4, &link->rts);
        else if (strncmp(word, "max=", 4) == 0)
            err = parse_baud(link, word + 4, &link->rate_max);
        else
            err = fpd_link_fail(link, FP_ERR_INVAL,
                                "a serial link knows max=, dtr=, rts= and "
                                "key-file=, not '%.40s'",
                                word);
    }
    if (!err && link->rate_max < link->rate)
        err = fpd_link_fail(link, FP_ERR_INVAL,
                            "max=%u is below %u, which the link opens with",
                            link->rate_max, link->rate);
    return err;
}

static int serial_parse(struct fpd_link *link, const char *rest)
{
    char *at;

    strcpy(link->address, rest);
    link->rate = link->rate_max = DEFAULT_BAUD;
    /* By-path names hold '@' now and then: the last one counts. */
    at = strrchr(link->address, '@');
    if (at)
        *at++ = '\0';
    if (link->address[0] == '\0')
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "serial: needs a path, as in "
                             "serial:/dev/ttyACM0@115200");
    return at ? parse_options(link, at) : FP_OK;
}

static int configure(struct fpd_link *link)
{
    struct termios tio;
    speed_t speed = B115200;

    if (tcgetattr(link->fd, &tio) < 0)
        return fpd_link_fail(link, FP_ERR_INVAL, "%.80s is no serial port",
                             link->address);
    cfmakeraw(&tio);
    tio.c_cflag &= ~(tcflag_t)(HUPCL | CRTSCTS | CSTOPB | PARENB);
    tio.c_cflag |= CLOCAL | CREAD | CS8;
    tio.c_cc[VMIN] = 1;
    tio.c_cc[VTIME] = 0;
    find_speed(link->rate, &speed);
    cfsetispeed(&tio, speed);
    cfsetospeed(&tio, speed);
    if (tcsetattr(link->fd, TCSANOW, &tio) < 0)
        return fpd_link_fail(link, fpd_link_error(errno),
                             "%.80s cannot be set to %u baud: %s",
                             link->address, link->rate, strerrordesc_np(errno));
    tcflush(link->fd, TCIOFLUSH);
    return FP_OK;
}

/* Without a flush: what comes in meanwhile is of the new rate already, or torn
 * anyway. */
static int serial_set_rate(struct fpd_link *link, uint32_t baud)
{
    struct termios tio;
    speed_t speed;

    if (!find_speed(baud, &speed))
        return FP_ERR_INVAL;
    tcdrain(link->fd);
    if (tcgetattr(link->fd, &tio) < 0)
        return fpd_link_error(errno);
    cfsetispeed(&tio, speed);
    cfsetospeed(&tio, speed);
    return tcsetattr(link->fd, TCSANOW, &tio) < 0 ? fpd_link_error(errno)
                                                  : FP_OK;
}

/* A pseudo-terminal has no such lines and says so: nothing to do then. */
static void move_line(int fd, enum fpd_link_line want, int line)
{
    if (want != FPD_LINE_KEEP)
        ioctl(fd, want == FPD_LINE_SET ? TIOCMBIS : TIOCMBIC, &line);
}

static int serial_open(struct fpd_link *link)
{
    int err;

    link->fd = open(link->address, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (link->fd < 0)
        return fpd_link_fail(link, fpd_link_error(errno), "%.80s: %s",
                             link->address, strerrordesc_np(errno));
    if (flock(link->fd, LOCK_EX | LOCK_NB) < 0) {
        err =
            fpd_link_fail(link, FP_ERR_BUSY,
                          "%.80s is in use by another program", link->address);
        goto out_close;
    }
    ioctl(link->fd, TIOCEXCL);
    err = configure(link);
    if (err)
        goto out_close;
    move_line(link->fd, link->dtr, TIOCM_DTR);
    move_line(link->fd, link->rts, TIOCM_RTS);
    return FP_OK;

out_close:
    fpd_link_fd_close(link);
    return err;
}

static void serial_close(struct fpd_link *link)
{
    /* What still waits to be sent would hold the close up for 30 s when the
     * device has stopped listening. */
    tcflush(link->fd, TCIOFLUSH);
    ioctl(link->fd, TIOCNXCL);
    fpd_link_fd_close(link);
}

const struct fpd_link_ops fpd_link_serial = {
    .kind = "serial",
    .stays_open = true,
    .is_pattern = fpd_link_glob_is_pattern,
    .expand = fpd_link_glob_expand,
    .parse = serial_parse,
    .open = serial_open,
    .send = fpd_link_fd_send,
    .recv = fpd_link_fd_recv,
    .close = serial_close,
    .set_rate = serial_set_rate,
};
