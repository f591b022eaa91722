/* SPDX-License-Identifier: MIT
 *
 * One frame: COBS( kind and flags, seq, [ack, credit,] payload, CRC-32 ) 00.
 * See proto/PROTOCOL.md.
 */
#ifndef FP_PROTO_FRAME_H
#define FP_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum fp_frame_kind {
    FP_FRAME_SYN = 1,
    FP_FRAME_SYNACK = 2,
    FP_FRAME_MSG = 3,
    FP_FRAME_BULK = 4,
    FP_FRAME_ACK = 5,
    FP_FRAME_BUSY = 6,
    FP_FRAME_CONSOLE = 7,
};

#endif
