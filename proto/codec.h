/* SPDX-License-Identifier: MIT
 *
 * Messages to bytes and back by one table, in a quarter of the code that
 * nanopb and its descriptions take. FP_MESSAGE_SMALL=1 makes these what
 * fp_message_encode() and fp_message_decode() are.
 *
 * Bytes   those that nanopb writes
 * Errors  those of message.h. A number in more bytes than it may take is
 *         refused, where nanopb takes some of these.
 */
#ifndef FP_PROTO_CODEC_H
#define FP_PROTO_CODEC_H

#include "proto/flashport.pb.h"

#include <stddef.h>
#include <stdint.h>

#if FP_MESSAGE_SMALL
#define fp_codec_encode fp_message_encode
#define fp_codec_decode fp_message_decode
#endif

int fp_codec_encode(const fp_Envelope *env, uint8_t *buf, size_t size);
int fp_codec_decode(fp_Envelope *env, const uint8_t *buf, size_t size);

#endif
