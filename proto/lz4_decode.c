/* SPDX-License-Identifier: MIT
 *
 * Decoding LZ4 blocks into a ring.
 *
 *            known                at
 *   ring  ...|<------------------>|...     `at` goes round
 *                        |<ready->|
 *
 * A sequence is
 *
 *   token u8 | [length u8 ...] | literals | back u16 | [length u8 ...]
 *
 * where the token's upper half counts literals and its lower half, plus 4, the
 * bytes to copy; 15 means that bytes follow which add to it, up to one below
 * 255. The last sequence ends behind its literals. All its numbers are read and
 * checked at once, before a byte is written; then the copying goes in pieces,
 * none of which reaches over the ring's end.
 */
#include "proto/lz4.h"

#include <string.h>

#define COPY_MIN 4

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void forget(struct fp_lz4_decoder *dec)
{
    dec->known = 0;
    dec->ready = 0;
    dec->in = 0;
    dec->literals = 0;
    dec->copy = 0;
    dec->ended = false;
}

void fp_lz4_decoder_init(struct fp_lz4_decoder *dec, uint8_t *ring,
                         uint32_t size)
{
    dec->ring = ring;
    dec->size = size;
    dec->at = 0;
    forget(dec);
}

/* `n` more bytes lie in the ring. */
static void advance(struct fp_lz4_decoder *dec, uint32_t n)
{
    dec->at += n;
    if (dec->at == dec->size)
        dec->at = 0;
    dec->known = least(dec->known + n, dec->size);
}

void fp_lz4_decoder_feed(struct fp_lz4_decoder *dec, const uint8_t *buf,
                         uint32_t size)
{
    while (size > 0) {
        uint32_t n = least(size, dec->size - dec->at);

        memcpy(dec->ring + dec->at, buf, n);
        advance(dec, n);
        buf += n;
        size -= n;
    }
}

/* A half of a token and what is added to it; false: the block is cut off. */
static bool get_length(struct fp_lz4_decoder *dec, const uint8_t *block,
                       uint32_t size, uint32_t half, uint32_t *length)
{
    uint8_t more = half == 15 ? 255 : 0;

    *length = half;
    while (more == 255) {
        if (dec->in == size)
            return false;
        more = block[dec->in++];
        *length += more;
    }
    return true;
}

/* Reads the numbers of a sequence. */
static bool begin_sequence(struct fp_lz4_decoder *dec, const uint8_t *block,
                           uint32_t size)
{
    uint8_t token;

    if (dec->in == size)
        return false;
    token = block[dec->in++];
    if (!get_length(dec, block, size, token >> 4, &dec->literals) ||
        dec->literals > size - dec->in)
        return false;
    dec->from = dec->in;
    dec->in += dec->literals;
    dec->ended = dec->in == size && dec->literals > 0;
    if (dec->ended)
        return true;
    if (size - dec->in < 2)
        return false;
    dec->back = (uint32_t)(block[dec->in] | block[dec->in + 1] << 8);
    dec->in += 2;
    if (!get_length(dec, block, size, token & 15, &dec->copy))
        return false;
    dec->copy += COPY_MIN;
    return dec->back > 0 && dec->back <= dec->size &&
           dec->back <= dec->known + dec->literals;
}

/* Byte by byte: a copy may run into what it has just written. */
static void copy_back(struct fp_lz4_decoder *dec, uint32_t n)
{
    uint32_t from = dec->at - dec->back;

    if (dec->at < dec->back)
        from += dec->size;
    for (uint32_t i = 0; i < n; i++) {
        dec->ring[dec->at + i] = dec->ring[from++];
        if (from == dec->size)
            from = 0;
    }
    dec->copy -= n;
}

/* At most `max` bytes of the sequence, up to the ring's end; how many. */
static uint32_t run_sequence(struct fp_lz4_decoder *dec, const uint8_t *block,
                             uint32_t max)
{
    uint32_t n = least(max, dec->size - dec->at);

    if (dec->literals > 0) {
        n = least(n, dec->literals);
        memcpy(dec->ring + dec->at, block + dec->from, n);
        dec->from += n;
        dec->literals -= n;
    } else {
        n = least(n, dec->copy);
        copy_back(dec, n);
    }
    advance(dec, n);
    return n;
}

uint32_t fp_lz4_decode(struct fp_lz4_decoder *dec, const uint8_t *block,
                       uint32_t size, uint32_t max, const uint8_t **data)
{
    uint32_t from = dec->at - dec->ready;

    if (dec->at < dec->ready)
        from += dec->size;
    max = least(max, dec->size - from); /* in one piece */
    while (dec->ready < max) {
        if (dec->literals == 0 && dec->copy == 0 &&
            (dec->ended || !begin_sequence(dec, block, size)))
            break;
        dec->ready += run_sequence(dec, block, max - dec->ready);
    }
    if (dec->ready < max && !dec->ended) {
        forget(dec);
        return 0;
    }
    *data = dec->ring + from;
    return least(dec->ready, max);
}

bool fp_lz4_decoder_take(struct fp_lz4_decoder *dec, uint32_t n)
{
    dec->ready -= n;
    if (dec->ready > 0 || !dec->ended || dec->literals > 0)
        return false;
    dec->in = 0;
    dec->ended = false;
    return true;
}
