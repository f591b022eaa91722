/* SPDX-License-Identifier: MIT
 *
 * unix:PATH, a stream socket: a simulated device, or QEMU's serial port.
 */
#include "daemon/link/fd.h"
#include "daemon/link/glob.h"
#include "daemon/link/links.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

static int unix_parse(struct fpd_link *link, const char *rest)
{
    struct sockaddr_un addr;

    if (rest[0] == '\0')
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "unix: needs a path, as in unix:/run/dev.sock");
    if (strlen(rest) >= sizeof addr.sun_path)
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "the path of a Unix socket has at most %zu bytes",
                             sizeof addr.sun_path - 1);
    strcpy(link->address, rest);
    return FP_OK;
}

static int unix_open(struct fpd_link *link)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    strcpy(addr.sun_path, link->address);
    link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return fpd_link_fail(link, fpd_link_error(errno), "socket: %s",
                             strerrordesc_np(errno));
    return fpd_link_fd_connect(link, (struct sockaddr *)&addr, sizeof addr);
}

const struct fpd_link_ops fpd_link_unix = {
    .kind = "unix",
    .is_pattern = fpd_link_glob_is_pattern,
    .expand = fpd_link_glob_expand,
    .parse = unix_parse,
    .open = unix_open,
    .send = fpd_link_fd_send_socket,
    .recv = fpd_link_fd_recv,
    .close = fpd_link_fd_close,
};
