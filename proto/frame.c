/* SPDX-License-Identifier: MIT
 *
 * COBS takes the zeros out of a string of bytes, so that a zero can end it: a
 * code byte n tells that n - 1 bytes without a zero follow, and then a zero
 * that is not sent, except after code 255 and at the end of the string.
 * Source: S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", 1997.
 *
 * The encoder looks ahead for the next zero in the source and so needs no
 * buffer of its own; it works in runs (memchr, memcpy), never byte by byte.
 */
#include "proto/frame.h"

#include <string.h>

/* The CRC-32 of bytes and their CRC-32, not inverted, whatever they are. */
#define CRC_GOOD 0xdebb20e3u
#define CRC_SIZE 4

void fp_frame_put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

void fp_frame_encode_begin(struct fp_frame_encoder *enc, fp_frame_crc *crc32,
                           const struct fp_frame *frame)
{
    size_t n = 2;
    uint32_t crc;

    enc->header[0] = frame->kind;
    enc->header[1] = frame->seq;
    if (frame->has_ack) {
        enc->header[0] |= FP_FRAME_HAS_ACK;
        enc->header[2] = frame->ack;
        enc->header[3] = (uint8_t)frame->credit;
        enc->header[4] = (uint8_t)(frame->credit >> 8);
        n = 5;
    }
    crc = crc32(0xffffffff, enc->header, n);
    if (frame->size > 0)
        crc = crc32(crc, frame->payload, frame->size);
    fp_frame_put32(enc->tail, ~crc);

    enc->part[0].data = enc->header;
    enc->part[0].size = n;
    enc->part[1].data = frame->payload;
    enc->part[1].size = frame->size;
    enc->part[2].data = enc->tail;
    enc->part[2].size = sizeof enc->tail;
    enc->at = enc->part;
    enc->run = 0;
    enc->zero = false;
    enc->owed = true;
    enc->done = false;
}

/* Steps over parts that are used up; false at the end of the string. */
static bool source_left(struct fp_frame_encoder *enc)
{
    while (enc->at < enc->part + 3 && enc->at->size == 0)
        enc->at++;
    return enc->at < enc->part + 3;
}

static void source_skip(struct fp_frame_encoder *enc, size_t n)
{
    enc->at->data += n;
    enc->at->size -= n;
}

/* Begins a block: how many bytes before the next zero, at most 254? */
static uint8_t block_begin(struct fp_frame_encoder *enc)
{
    size_t n = 0;
    bool zero = false;

    for (const struct fp_frame_part *part = enc->at;
         part < enc->part + 3 && n < 254 && !zero; part++) {
        size_t left = part->size;
        const uint8_t *found;

        if (left > 254 - n)
            left = 254 - n;
        if (left == 0)
            continue;
        found = memchr(part->data, 0, left);
        zero = found != NULL;
        n += zero ? (size_t)(found - part->data) : left;
    }
    enc->run = (uint8_t)n;
    enc->zero = zero;
    enc->owed = zero;
    return (uint8_t)(n + 1);
}

static size_t block_copy(struct fp_frame_encoder *enc, uint8_t *out,
                         size_t size)
{
    size_t n = enc->run;

    if (n > enc->at->size)
        n = enc->at->size;
    if (n > size)
        n = size;
    memcpy(out, enc->at->data, n);
    source_skip(enc, n);
    enc->run = (uint8_t)(enc->run - n);
    return n;
}

size_t fp_frame_encode(struct fp_frame_encoder *enc, uint8_t *out, size_t size)
{
    size_t n = 0;

    while (n < size && !enc->done) {
        bool more = source_left(enc);

        if (enc->run > 0) {
            n += block_copy(enc, out + n, size - n);
        } else if (enc->zero) { /* the one that the block before stood for */
            source_skip(enc, 1);
            enc->zero = false;
        } else if (more || enc->owed) {
            out[n++] = block_begin(enc);
        } else {
            out[n++] = 0;
            enc->done = true;
        }
    }
    return n;
}

bool fp_frame_starts(uint8_t first, uint8_t second)
{
    uint8_t kind = second & FP_FRAME_KIND_MASK;

    return first > 1 && (second & 0xe0) == 0 && kind >= FP_FRAME_SYN &&
           kind <= FP_FRAME_CONSOLE;
}

/* In place: what is written never overtakes what is read. Returns the size, 0
 * when the code bytes do not add up. */
static size_t cobs_decode(uint8_t *buf, size_t size)
{
    const uint8_t *in = buf, *end = buf + size;
    uint8_t *out = buf;

    while (in < end) {
        size_t code = *in++, n = code - 1;

        if (code == 0 || n > (size_t)(end - in))
            return 0;
        memmove(out, in, n);
        in += n;
        out += n;
        if (code < 255 && in < end)
            *out++ = 0;
    }
    return (size_t)(out - buf);
}

bool fp_frame_decode(struct fp_frame *frame, fp_frame_crc *crc32, uint8_t *buf,
                     size_t size)
{
    size_t header;

    if (size < 2 || !fp_frame_starts(buf[0], buf[1]))
        return false;
    size = cobs_decode(buf, size);
    if (size == 0)
        return false;
    header = buf[0] & FP_FRAME_HAS_ACK ? 5 : 2;
    if (size < header + CRC_SIZE || crc32(0xffffffff, buf, size) != CRC_GOOD)
        return false;

    frame->kind = buf[0] & FP_FRAME_KIND_MASK;
    frame->has_ack = header == 5;
    frame->seq = buf[1];
    frame->payload = buf + header;
    frame->size = size - header - CRC_SIZE;
    if (frame->has_ack) {
        frame->ack = buf[2];
        frame->credit = (uint16_t)(buf[3] | buf[4] << 8);
    }
    return true;
}
