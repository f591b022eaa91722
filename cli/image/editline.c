/* SPDX-License-Identifier: MIT */
#include "cli/image/editline.h"

FPC_LATE_DEFINE(fpc_image_editline, FPC_IMAGE_EDITLINE_CALLS, "libedit.so.2",
                "libedit2")
