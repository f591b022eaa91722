/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/out.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What \x41 stands for shall be clear; where paths are full of them, they shall
 * be legible. */
#ifdef _WIN32
#define BACKSLASHES true
#else
#define BACKSLASHES false
#endif

/* Of a colour's sequence, which firmware sends a few characters of. */
#define SGR_MAX 24

/* Bytes of the well-formed, printable UTF-8 character at s, or 0. Control
 * characters, C1 ones among them, and the bidirectional overrides are not
 * printable: they change how the rest of the line looks. */
static size_t printable(const unsigned char *s, size_t len)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc0 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;
    uint32_t c = n == 1 ? s[0] : n ? s[0] & (0x7fu >> n) : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c == '\\' && !BACKSLASHES))
        return 0;
    if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
        (c >= 0x2066 && c <= 0x2069) || c == 0xfeff)
        return 0;
    return n;
}

void fpc_print_name(FILE *out, const char *name, size_t len)
{
    const unsigned char *s = (const unsigned char *)name;

    while (len > 0) {
        size_t n = printable(s, len);

        if (n) {
            fwrite(s, 1, n, out);
        } else {
            n = 1;
            fprintf(out, "\\x%02x", s[0]);
        }
        s += n;
        len -= n;
    }
}

int fpc_name_width(const char *name, size_t len)
{
    const unsigned char *s = (const unsigned char *)name;
    int width = 0;

    while (len > 0) {
        size_t n = printable(s, len);

        width += n ? 1 : 4; /* \xNN */
        s += n ? n : 1;
        len -= n ? n : 1;
    }
    return width;
}

/* Bytes of the sequence at s that is left out; 0: none; len + 1: it may become
 * one. */
static size_t left_out(const char *s, size_t len)
{
    size_t n = 2;

    if (s[0] == '\r')
        return len == 1 ? len + 1 : s[1] == '\n' ? 1 : 0;
    if (s[0] != 0x1b || (len > 1 && s[1] != '['))
        return 0;
    while (n < len && n < SGR_MAX && strchr("0123456789;", s[n]))
        n++;
    return len < SGR_MAX && n >= len ? len + 1
           : n < len && s[n] == 'm'  ? n + 1
                                     : 0;
}

size_t fpc_print_text(FILE *out, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        const char *s = text + at;
        size_t n = left_out(s, len - at);

        if (n > len - at)
            break;
        if (n == 0 && (*s == '\n' || *s == '\t')) {
            putc(*s, out);
            n = 1;
        } else if (n == 0) {
            n = printable((const unsigned char *)s, len - at);
            n = n ? n : 1;
            fpc_print_name(out, s, n);
        }
        at += n;
    }
    return at;
}

const char *fpc_size_text(uint64_t size, char text[16])
{
    static const char units[] = " KMGTPE";
    double value = (double)size;
    int unit = 0;

    for (; value >= 1024 && units[unit + 1]; unit++)
        value /= 1024;
    if (unit == 0)
        snprintf(text, 16, "%" PRIu64, size);
    else
        snprintf(text, 16, "%.*f%c", value < 10 ? 1 : 0, value, units[unit]);
    return text;
}

const char *fpc_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

const char *fpc_time_text(bool known, int64_t seconds, char text[24])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (!known || !localtime_r(&t, &tm) ||
        strftime(text, 24, "%Y-%m-%d %H:%M", &tm) == 0)
        strcpy(text, "-");
    return text;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void fpc_progress_start(struct fpc_progress *p, const char *label, bool quiet)
{
    *p = (struct fpc_progress){
        .label = label,
        .on = !quiet && isatty(STDERR_FILENO),
        .start_ms = now_ms(),
    };
}

void fpc_progress_update(struct fpc_progress *p, uint64_t done, uint64_t total)
{
    int64_t now = now_ms(), past = now - p->start_ms;
    char a[16], b[16], rate[16];

    if (!p->on || (p->shown && now - p->shown_ms < 100))
        return;
    p->shown = true;
    p->shown_ms = now;
    fputs("\r\033[K", stderr);
    fpc_print_name(stderr, p->label, strlen(p->label));
    if (done || total)
        fprintf(stderr, "  %s", fpc_size_text(done, a));
    if (total)
        fprintf(stderr, " of %s  %u %%", fpc_size_text(total, b),
                (unsigned)(done * 100 / total));
    if (done && past > 500)
        fprintf(stderr, "  %s/s",
                fpc_size_text(done * 1000 / (uint64_t)past, rate));
    if (p->limit && *p->limit)
        fprintf(stderr, "  waits for the %s",
                strcmp(p->limit, "link") == 0 ? "line" : p->limit);
    fflush(stderr);
}

void fpc_progress_clear(struct fpc_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

void fpc_progress_end(struct fpc_progress *p)
{
    fpc_progress_clear(p);
    p->on = false;
}
