/* SPDX-License-Identifier: MIT
 *
 * What finders look through: the window of the pass, and single bytes anywhere
 * else in the dump.
 */
#include "core/host/scan/pass.h"

#include <string.h>

const uint8_t *fp_host_scan_bytes(const struct fp_host_scan_pass *pass,
                                  uint64_t at, uint32_t *size)
{
    *size = (uint32_t)(pass->win_at + pass->win_size - at);
    return pass->buf + (at - pass->win_at);
}

uint64_t fp_host_scan_find(const struct fp_host_scan_pass *pass, uint64_t from,
                           const void *mark, uint32_t size, uint32_t before)
{
    const uint8_t *bytes = mark, *p = pass->buf + (from - pass->win_at);
    const uint8_t *end = pass->buf + pass->win_size;

    for (p += before; p < end && (uint64_t)(end - p) >= size; p++) {
        p = memchr(p, bytes[0], (size_t)(end - p) - size + 1);
        if (p == NULL)
            break;
        if (memcmp(p, bytes, size) == 0) {
            uint64_t at = pass->win_at + (uint64_t)(p - pass->buf) - before;

            return at < pass->win_end ? at : pass->win_end;
        }
    }
    return pass->win_end;
}

int fp_host_scan_peek(struct fp_host_scan_pass *pass, uint64_t at, void *buf,
                      uint32_t size)
{
    return fp_bdev_read(&pass->eye.bdev, at, buf, size);
}

int fp_host_scan_is_erased(struct fp_host_scan_pass *pass, uint64_t at,
                           uint64_t size)
{
    uint8_t buf[256];

    for (uint64_t off = 0; off < size; off += sizeof buf) {
        uint32_t n = size - off < sizeof buf ? (uint32_t)(size - off)
                                             : (uint32_t)sizeof buf;
        int err = fp_host_scan_peek(pass, at + off, buf, n);

        if (err)
            return err;
        if (buf[0] != 0xff || memcmp(buf, buf + 1, n - 1) != 0)
            return 0;
    }
    return 1;
}
