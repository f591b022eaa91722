/* SPDX-License-Identifier: MIT
 *
 * What is called of libedit, which is loaded late.
 */
#ifndef FPC_IMAGE_EDITLINE_H
#define FPC_IMAGE_EDITLINE_H

#include "cli/late.h"

#include <histedit.h>

#define FPC_IMAGE_EDITLINE_CALLS(X) \
    X(el_end)                       \
    X(el_get)                       \
    X(el_gets)                      \
    X(el_init)                      \
    X(el_insertstr)                 \
    X(el_line)                      \
    X(el_set)                       \
    X(el_source)                    \
    X(el_wset)                      \
    X(history)                      \
    X(history_end)                  \
    X(history_init)                 \
    X(tok_end)                      \
    X(tok_init)                     \
    X(tok_line)                     \
    X(tok_reset)                    \
    X(tok_str)

FPC_LATE_DECLARE(fpc_image_editline, FPC_IMAGE_EDITLINE_CALLS)

#endif
