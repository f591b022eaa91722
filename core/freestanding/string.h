/* SPDX-License-Identifier: MIT
 *
 * All of libc that the core may use: what every freestanding toolchain has or
 * a firmware writes in an afternoon. Only the freestanding check includes this.
 */
#ifndef FP_CORE_FREESTANDING_STRING_H
#define FP_CORE_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *src, int byte, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

#endif
