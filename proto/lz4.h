/* SPDX-License-Identifier: MIT
 *
 * LZ4 blocks on the line: what the record of type lz4 holds.
 *
 * A block is a row of sequences, each some literal bytes and a copy of bytes
 * that came before, up to 65535 back. Here a block goes on from the blocks
 * before it: both ends keep the last bytes that went over the line, the window,
 * and a copy may begin there. Without that a frame of 1 KiB has nothing to look
 * back at. The format is that of any LZ4 decoder which is given the window as
 * its dictionary.
 *
 * Source  LZ4 Block Format Description (lz4_Block_format.md, 2022-07-31);
 *         windows: proto/PROTOCOL.md section 3
 * Memory  the caller's, as its config says; nothing is allocated
 * Errors  a decoder takes any bytes: it neither reads nor writes beyond what it
 *         was given, and says where they are no block
 * Thread  one caller at a time; nothing blocks
 */
#ifndef FP_PROTO_LZ4_H
#define FP_PROTO_LZ4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The furthest that a block can look back. */
#define FP_LZ4_WINDOW_MAX 65535u
/* Below this a window finds too little to be worth its code. */
#define FP_LZ4_WINDOW_MIN 256u

/* ---- decoding ---- */

/* The window is a ring, and what was decoded lies in it until it is taken: it
 * is all the memory there is, however much a block stands for. */
struct fp_lz4_decoder {
    /* private */
    uint8_t *ring;
    uint32_t size;
    uint32_t at;    /* where the next byte goes */
    uint32_t known; /* bytes behind `at` that a copy may begin in */
    uint32_t ready; /* of these, the last so many are not taken yet */
    uint32_t in;    /* bytes of the block that are read */
    uint32_t from;  /* where in it the sequence's literals go on */
    uint32_t literals, copy, back; /* what is left of the sequence */
    bool ended;                    /* it is the last one */
};

/* ring[0..size): the window, FP_LZ4_WINDOW_MIN at least. */
void fp_lz4_decoder_init(struct fp_lz4_decoder *dec, uint8_t *ring,
                         uint32_t size);

/* Bytes that travelled as themselves enter the window, too. */
void fp_lz4_decoder_feed(struct fp_lz4_decoder *dec, const uint8_t *buf,
                         uint32_t size);

/* The next bytes that block[0..size) stands for: *data in the ring, at most
 * `max`, and how many. 0: these bytes are no block; the window is empty then.
 * Call it with the same block until fp_lz4_decoder_take() says that it is
 * over. */
uint32_t fp_lz4_decode(struct fp_lz4_decoder *dec, const uint8_t *block,
                       uint32_t size, uint32_t max, const uint8_t **data);

/* The first `n` of them were taken. True: the block is over. */
bool fp_lz4_decoder_take(struct fp_lz4_decoder *dec, uint32_t n);

/* ---- encoding ---- */

struct fp_lz4_encoder_config {
    /* The bytes that went over the line lately and, behind them, those that
     * are to go: a block stands for at most half of buf_size. */
    uint8_t *buf;
    uint32_t buf_size;
    uint32_t window; /* how far back the other end can look */
    /* Where bytes that hash alike were last seen; a power of two of places. */
    uint16_t *table;
    uint32_t table_count;
    /* And where before that: 65536 places, which find longer copies at the
     * price of time. NULL: only the last place is looked at. */
    uint16_t *chain;
};

struct fp_lz4_encoder {
    /* private */
    struct fp_lz4_encoder_config cfg;
    uint32_t end;    /* of the history in buf */
    uint32_t hashed; /* bytes behind it that the table knows already */
    uint16_t pos;    /* of buf[end], counted since the start */
};

void fp_lz4_encoder_init(struct fp_lz4_encoder *enc,
                         const struct fp_lz4_encoder_config *cfg);

/* How many bytes a block may stand for. */
uint32_t fp_lz4_encoder_max(const struct fp_lz4_encoder *enc);

/* Where to put `n` bytes that are to go. */
uint8_t *fp_lz4_encoder_room(struct fp_lz4_encoder *enc, uint32_t n);

/* Writes a block to dst[0..size), size 16 at least, that stands for as many of
 * the `n` bytes put there as it can hold: *taken of them. Returns its size;
 * 0: there was nothing to save. */
uint32_t fp_lz4_encode(struct fp_lz4_encoder *enc, uint32_t n, uint8_t *dst,
                       uint32_t size, uint32_t *taken);

/* The first `n` bytes put there have gone, as a block or as themselves. */
void fp_lz4_encoder_keep(struct fp_lz4_encoder *enc, uint32_t n);

/* As fp_lz4_encode(), for `align` > 1 of a number of bytes that is a multiple
 * of it, unless it is all of them. And only where a frame carries more for it
 * than by plain bytes, of which it holds `size`; else 0. */
uint32_t fp_lz4_pack(struct fp_lz4_encoder *enc, uint32_t n, uint32_t align,
                     uint8_t *dst, uint32_t size, uint32_t *taken);

#endif
