/* SPDX-License-Identifier: MIT
 *
 * What travels in the payload of a frame.
 *
 * MSG     one protobuf fp_Envelope (flashport.proto). A struct of it is
 *         1.2 KiB: keep it in static memory on a device, not on the stack
 * BULK    a stream number and a record of that stream's bytes: literal bytes
 *         to the end of the frame, one byte repeated, or an LZ4 block
 * Memory  the caller's; a parsed record points into the payload
 * Errors  negative fp_Error_ERROR_*, the same numbers as core/error.h's
 *         enum fp_error, which proto does not include
 */
#ifndef FP_PROTO_MESSAGE_H
#define FP_PROTO_MESSAGE_H

#include "proto/flashport.pb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes `env` to buf[0..size) and returns how many bytes it took.
 * -ERROR_FBIG: it needs more than `size`; -ERROR_INVAL: its id is fit for no
 * message or a bytes field says to be longer than its array. */
int fp_message_encode(const fp_Envelope *env, uint8_t *buf, size_t size);

/* Reads buf[0..size), all of it, into `env`; 0 when it is a message.
 * -ERROR_PROTO: it is none, or a field is longer than flashport.options allows.
 * -ERROR_NOTSUP: it has no body that this version knows. In both cases only
 * env->id means something: the request to send the Failure to, or 0. */
int fp_message_decode(fp_Envelope *env, const uint8_t *buf, size_t size);

/* Sets a bytes field, FP_MESSAGE_SET(env.body.stat.path, "/flash", 6); false,
 * leaving the field empty, when it does not fit. */
#define FP_MESSAGE_SET(field, src, n)                                         \
    fp_message_set_bytes(&(field).size, (field).bytes, sizeof((field).bytes), \
                         (src), (n))
bool fp_message_set_bytes(pb_size_t *size, pb_byte_t *bytes, size_t capacity,
                          const void *src, size_t n);

/* Whether a bytes field is exactly src[0..n). */
#define FP_MESSAGE_IS(field, src, n) \
    fp_message_is_bytes((field).size, (field).bytes, (src), (n))
bool fp_message_is_bytes(size_t size, const pb_byte_t *bytes, const void *src,
                         size_t n);

enum fp_bulk_type {
    FP_BULK_RAW = 0,
    FP_BULK_FILL = 1,
    FP_BULK_LZ4 = 2, /* only where both ends have the feature */
};

/* Bytes before the data of a raw or LZ4 record, and of a whole fill record. */
#define FP_BULK_RAW_HEADER 2
#define FP_BULK_FILL_SIZE  7

struct fp_bulk {
    uint8_t stream;
    enum fp_bulk_type type;
    const uint8_t *data; /* raw, LZ4: data[0..size), in the payload */
    uint8_t fill;        /* fill: this byte, `size` times */
    uint32_t size;       /* raw, fill: bytes of the stream that the record
                            stands for; LZ4: bytes of the block */
};

/* A raw or LZ4 record is made in place: the caller puts up to frame_max -
 * FP_BULK_RAW_HEADER bytes at payload + FP_BULK_RAW_HEADER and this writes the header.
 * All return the size of the payload. */
size_t fp_bulk_put_raw(uint8_t *payload, uint8_t stream, size_t size);
size_t fp_bulk_put_lz4(uint8_t *payload, uint8_t stream, size_t size);
size_t fp_bulk_put_fill(uint8_t *payload, uint8_t stream, uint8_t fill,
                        uint32_t size);

/* 0 or -ERROR_PROTO. A record of no bytes is refused, so that every record
 * makes progress. A fill may stand for up to 4 GiB: bound it. Whether LZ4 was
 * agreed upon, and whether that is a block, is not looked at. */
int fp_bulk_parse(struct fp_bulk *rec, const uint8_t *payload, size_t size);

#endif
