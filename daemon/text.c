/* SPDX-License-Identifier: MIT */
#include "daemon/text.h"

#include <string.h>

size_t fpd_utf8_size(const uint8_t *p, size_t n)
{
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || size > n)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return size;
}

size_t fpd_text_plain(const uint8_t *p, size_t n)
{
    size_t size = fpd_utf8_size(p, n);
    uint32_t c = size == 1 ? p[0] : size ? p[0] & (0x7fu >> size) : 0;

    for (size_t i = 1; i < size; i++)
        c = c << 6 | (p[i] & 0x3fu);
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0xfeff ||
        (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
        (c >= 0x2066 && c <= 0x2069))
        return 0;
    return size;
}

void fpd_text_clean(const uint8_t *bytes, size_t size, char *out, size_t max)
{
    size_t at = 0, i = 0;

    while (i < size) {
        size_t n = fpd_utf8_size(bytes + i, size - i);
        size_t plain = fpd_text_plain(bytes + i, size - i);

        if (at + (n ? n : 1) >= max)
            break;
        if (plain)
            memmove(out + at, bytes + i, plain);
        else
            out[at] = '?';
        at += plain ? plain : 1;
        i += n ? n : 1;
    }
    out[at] = '\0';
}
