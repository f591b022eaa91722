/* SPDX-License-Identifier: MIT
 *
 * Libraries that are loaded when they are first needed: to start libcurl,
 * libarchive and libedit, with the forty others that they bring, takes longer
 * than most of what is done with an image.
 *
 * What is called of one is listed once, and becomes a struct of pointers, each
 * of the type that the function has in the library's own header:
 *
 *     #define FPC_CURL_CALLS(X) X(curl_easy_init) X(curl_easy_cleanup)
 *     FPC_LATE_DECLARE(fpc_curl, FPC_CURL_CALLS)               in curl.h
 *     FPC_LATE_DEFINE(fpc_curl, FPC_CURL_CALLS, "libcurl.so.4", "libcurl4")
 *
 *     if (fpc_curl_load() == FPC_EXIT_OK)
 *         fpc_curl.curl_easy_init();
 *
 * A build that links its libraries (FP_LATE off, as for Windows) has the struct
 * filled in, and loading does nothing.
 *
 * Memory  what was loaded stays until the process ends
 * Errors  exit codes, told on stderr: which file, and Debian's package of it
 * Thread  one
 */
#ifndef FPC_LATE_H
#define FPC_LATE_H

#include "cli/command.h"

#include <stddef.h>

struct fpc_late {
    const char *file;         /* "libcurl.so.4", as the headers are of */
    const char *package;      /* Debian's that has it */
    const char *const *names; /* names[0..count) of functions ... */
    void *calls;              /* ... and the pointers to them, in this order */
    size_t count;
};

/* At once, if it is there already. */
int fpc_late_load(const struct fpc_late *library);

#define FPC_LATE_FIELD(name) __typeof__(name) *name;
#define FPC_LATE_DECLARE(library, CALLS) \
    struct library {                     \
        CALLS(FPC_LATE_FIELD)            \
    };                                   \
    extern struct library library;       \
    int library##_load(void);

#if FPC_LATE
#define FPC_LATE_NAME(name) #name,
#define FPC_LATE_DEFINE(library, CALLS, file, package)                        \
    struct library library;                                                   \
    int library##_load(void)                                                  \
    {                                                                         \
        static const char *const names[] = { CALLS(FPC_LATE_NAME) };          \
        static const struct fpc_late late = { file, package, names, &library, \
                                              sizeof names / sizeof *names }; \
                                                                              \
        return fpc_late_load(&late);                                          \
    }
#else
#define FPC_LATE_LINK(name) .name = name,
#define FPC_LATE_DEFINE(library, CALLS, file, package) \
    struct library library = { CALLS(FPC_LATE_LINK) }; \
    int library##_load(void)                           \
    {                                                  \
        return FPC_EXIT_OK;                            \
    }
#endif

#endif
