/* SPDX-License-Identifier: MIT
 *
 * One frame: COBS( kind and flags, seq, [ack, credit,] payload, CRC-32 ) 00.
 * Exact to the byte in proto/PROTOCOL.md.
 *
 * Memory  encoding needs the payload and any small output buffer, which it
 *         fills as often as it takes; decoding is done in place
 * Errors  decoding refuses whatever is not exactly one good frame
 */
#ifndef FP_PROTO_FRAME_H
#define FP_PROTO_FRAME_H

/* As core/config.h does, which is not known here. */
#ifdef __has_include
#if __has_include("flashport_config.h")
#include "flashport_config.h"
#endif
#endif

#include <stdbool.h>
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

#define FP_FRAME_KIND_MASK 0x0f
#define FP_FRAME_HAS_ACK   0x10 /* flag in the first byte */

/* Smallest and largest limit of a payload that ends may agree on. */
#define FP_FRAME_MAX_MIN 64
#define FP_FRAME_MAX_MAX 4096

/* What a frame of at most frame_max bytes of payload needs in a buffer of a
 * link besides them: header, CRC, COBS and the link's own record. */
#define FP_FRAME_OVERHEAD 48

/* Bytes between two zeros that a frame with this payload has at most. */
#define FP_FRAME_ENCODED_MAX(payload) \
    ((payload) + 9u + ((payload) + 9u) / 254u + 1u)

/* As core/digest/crc32.h's fp_crc32(): no inversion at either end. */
typedef uint32_t fp_frame_crc(uint32_t crc, const void *buf, size_t size);

struct fp_frame {
    uint8_t kind;    /* enum fp_frame_kind; not checked by the decoder */
    bool has_ack;    /* ack and credit are there */
    uint8_t seq;     /* reliable kinds */
    uint8_t ack;     /* the number that is awaited next */
    uint16_t credit; /* what may follow `ack`, in units of 16 bytes */
    const uint8_t *payload;
    size_t size;
};

void fp_frame_put32(uint8_t *p, uint32_t v);

/* A frame on its way out; the payload must stay until it is done. */
struct fp_frame_encoder {
    /* private */
    uint8_t run; /* bytes still to be copied of the block begun */
    bool zero;   /* the block stands for a zero after it */
    bool owed;   /* one more block is needed, even if empty */
    bool done;
    struct fp_frame_part {
        const uint8_t *data;
        size_t size;
    } part[3], *at; /* header, payload, CRC: one string of bytes to COBS; what
                       is left of them, and the part that the next byte is in */
    uint8_t header[5], tail[4];
};

void fp_frame_encode_begin(struct fp_frame_encoder *enc, fp_frame_crc *crc32,
                           const struct fp_frame *frame);
/* Writes the next bytes of the encoded frame, its final zero included, to
 * out[0..size); returns how many. Fewer than `size` means that it is done. */
size_t fp_frame_encode(struct fp_frame_encoder *enc, uint8_t *out, size_t size);

/* Whether bytes between zeros that begin with these two can be a frame. Text
 * never does: the second byte of a frame is a control character. */
bool fp_frame_starts(uint8_t first, uint8_t second);

/* Decodes buf[0..size), the bytes between two zeros, in place. */
bool fp_frame_decode(struct fp_frame *frame, fp_frame_crc *crc32, uint8_t *buf,
                     size_t size);

#endif
