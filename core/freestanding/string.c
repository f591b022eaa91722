/* SPDX-License-Identifier: MIT
 *
 * What string.h beside it names, in as few bytes as it takes: a byte at a
 * time. For a firmware whose C library is made for speed; a file to add to its
 * sources, no part of the core.
 */
#include <stddef.h>
#include <string.h>

/* Else these loops become calls of what they are. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memcpy(void *dst, const void *src, size_t size)
{
    const unsigned char *from = src;
    unsigned char *to = dst;

    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
    return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
    const unsigned char *from = src;
    unsigned char *to = dst;

    if (to <= from)
        return memcpy(dst, src, size);
    while (size-- > 0)
        to[size] = from[size];
    return dst;
}

void *memset(void *dst, int byte, size_t size)
{
    unsigned char *to = dst;

    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)byte;
    return dst;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;

    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

void *memchr(const void *src, int byte, size_t size)
{
    const unsigned char *at = src;

    for (; size > 0; size--, at++)
        if (*at == (unsigned char)byte)
            return (void *)at;
    return NULL;
}

size_t strlen(const char *s)
{
    size_t size = 0;

    while (s[size] != '\0')
        size++;
    return size;
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (; size > 0; size--, a++, b++)
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, (size_t)-1);
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (*s == '\0')
            return NULL;
    return (char *)s;
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    do {
        if (*s == (char)c)
            found = s;
    } while (*s++ != '\0');
    return (char *)found;
}

/* The bytes at the start of s that are in the set, or are not. */
static size_t span(const char *s, const char *set, int in)
{
    size_t size = 0;

    while (s[size] != '\0' && (strchr(set, s[size]) != NULL) == in)
        size++;
    return size;
}

size_t strspn(const char *s, const char *set)
{
    return span(s, set, 1);
}

size_t strcspn(const char *s, const char *set)
{
    return span(s, set, 0);
}
