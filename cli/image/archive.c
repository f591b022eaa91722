/* SPDX-License-Identifier: MIT */
#include "cli/image/archive.h"

FPC_LATE_DEFINE(fpc_image_archive, FPC_IMAGE_ARCHIVE_CALLS, "libarchive.so.13",
                "libarchive13")
