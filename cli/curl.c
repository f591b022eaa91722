/* SPDX-License-Identifier: MIT */
#include "cli/curl.h"

FPC_LATE_DEFINE(fpc_curl, FPC_CURL_CALLS, "libcurl.so.4", "libcurl4")
