/* SPDX-License-Identifier: MIT
 *
 * What is called of libcurl, which is loaded late.
 */
#ifndef FPC_CURL_H
#define FPC_CURL_H

#include "cli/late.h"

/* curl.h checks types by macros that call the functions by their names. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define FPC_CURL_CALLS(X)  \
    X(curl_easy_cleanup)   \
    X(curl_easy_getinfo)   \
    X(curl_easy_init)      \
    X(curl_easy_perform)   \
    X(curl_easy_reset)     \
    X(curl_easy_setopt)    \
    X(curl_easy_strerror)  \
    X(curl_global_cleanup) \
    X(curl_global_init)    \
    X(curl_slist_append)   \
    X(curl_slist_free_all)

FPC_LATE_DECLARE(fpc_curl, FPC_CURL_CALLS)

#endif
