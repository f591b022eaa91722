/* SPDX-License-Identifier: MIT
 *
 * How much a message may hold. The figures are the wire's (flashport.options),
 * which both ends may use; a firmware may hold less, the same in all that it
 * compiles, since they are part of structs. What is longer is refused when it
 * is decoded, so a host must know first: HelloReply tells it of paths.
 */
#ifndef FP_PROTO_LIMITS_H
#define FP_PROTO_LIMITS_H

/* As core/config.h does, which is not known here. */
#ifdef __has_include
#if __has_include("flashport_config.h")
#include "flashport_config.h"
#endif
#endif

/* Bytes of a path, of a name in a list, of a sentence. */
#ifndef FP_MESSAGE_PATH_MAX
#define FP_MESSAGE_PATH_MAX 512
#endif
#ifndef FP_MESSAGE_NAME_MAX
#define FP_MESSAGE_NAME_MAX 255
#endif
#ifndef FP_MESSAGE_TEXT_MAX
#define FP_MESSAGE_TEXT_MAX 96
#endif

/* Digests in one ChunkDigestReply, runs in one ChunkChangedReply. */
#ifndef FP_MESSAGE_DIGESTS
#define FP_MESSAGE_DIGESTS 32
#endif
#ifndef FP_MESSAGE_RUNS
#define FP_MESSAGE_RUNS 32
#endif

/* 0: an end that has no use for regions, rates, keys, counters, checks and
 * attributes is without the messages and fields of these. */
#ifndef FP_MESSAGE_EXTRAS
#define FP_MESSAGE_EXTRAS 1
#endif

/* 1: a message is read and written by codec.c instead of nanopb. */
#ifndef FP_MESSAGE_SMALL
#define FP_MESSAGE_SMALL 0
#endif

#if FP_MESSAGE_EXTRAS
#define FP_MESSAGE_EXTRA(...)                       __VA_ARGS__
#define FP_MESSAGE_EXTRA_FIELD(msg, name, tag, ...) __VA_ARGS__
#define FP_MESSAGE_ANY(count)                       (count)
#else
#define FP_MESSAGE_EXTRA(...)
#define FP_MESSAGE_EXTRA_FIELD(msg, name, tag, ...)
#define FP_MESSAGE_ANY(count) 1 /* no array is of none */
#endif

#endif
