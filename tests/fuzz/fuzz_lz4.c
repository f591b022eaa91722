/* SPDX-License-Identifier: MIT
 *
 * LZ4, both ways. The first three bytes choose sizes; the rest is decoded as
 * blocks, and it is encoded and must come back as it was.
 */
#include "proto/lz4.h"

#include <stdlib.h>
#include <string.h>

#define PLACES 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *need(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL)
        abort();
    return memory;
}

/* Any bytes: taken a few at a time, no more than a block can stand for. */
static void decode(struct fp_lz4_decoder *dec, const uint8_t *data,
                   uint32_t size, uint32_t step)
{
    uint8_t *block = need(size);
    uint64_t sum = 0;
    const uint8_t *out;
    uint32_t n;

    memcpy(block, data, size);
    do {
        uint8_t last;

        n = fp_lz4_decode(dec, block, size, step, &out);
        if (n == 0)
            break;
        memcpy(&last, out + n - 1, 1); /* all of it can be read */
        sum += n;
        if (n > step || sum > (uint64_t)size * 255)
            abort();
    } while (!fp_lz4_decoder_take(dec, n));
    free(block);
}

static void decode_all(const uint8_t *data, uint32_t size, uint32_t window,
                       uint32_t step)
{
    uint8_t *ring = need(window);
    struct fp_lz4_decoder dec;

    fp_lz4_decoder_init(&dec, ring, window);
    while (size > 0) { /* pieces that begin with their size */
        uint32_t n = data[0] < size ? data[0] : size - 1;

        if (n % 8 == 7)
            fp_lz4_decoder_feed(&dec, data + 1, n);
        else
            decode(&dec, data + 1, n, step);
        data += 1 + n;
        size -= 1 + n;
    }
    free(ring);
}

static void check(struct fp_lz4_decoder *dec, const uint8_t *block,
                  uint32_t size, const uint8_t *want, uint32_t n)
{
    const uint8_t *out;
    uint32_t some;

    do {
        some = fp_lz4_decode(dec, block, size, 100, &out);
        if (some == 0 || some > n || memcmp(out, want, some) != 0)
            abort();
        want += some;
        n -= some;
    } while (!fp_lz4_decoder_take(dec, some));
    if (n != 0)
        abort();
}

static void there_and_back(const uint8_t *data, uint32_t size, uint32_t window,
                           uint32_t frame, bool thorough)
{
    struct fp_lz4_encoder_config cfg = { .buf_size = 2 * window,
                                         .window = window,
                                         .table_count = PLACES };
    uint8_t *ring = need(window), *block = need(frame);
    struct fp_lz4_encoder enc;
    struct fp_lz4_decoder dec;

    cfg.buf = need(cfg.buf_size);
    cfg.table = need(PLACES * sizeof cfg.table[0]);
    cfg.chain = thorough ? need(65536 * sizeof cfg.chain[0]) : NULL;
    fp_lz4_encoder_init(&enc, &cfg);
    fp_lz4_decoder_init(&dec, ring, window);
    while (size > 0) {
        uint32_t n = size < window ? size : window, taken, used;

        memcpy(fp_lz4_encoder_room(&enc, n), data, n);
        used = fp_lz4_pack(&enc, n, 1 + frame % 7, block, frame, &taken);
        if (used > frame)
            abort();
        if (used > 0) {
            check(&dec, block, used, data, taken);
        } else {
            taken = n < frame ? n : frame;
            fp_lz4_decoder_feed(&dec, data, taken);
        }
        fp_lz4_encoder_keep(&enc, taken);
        data += taken;
        size -= taken;
    }
    free(cfg.buf);
    free(cfg.table);
    free(cfg.chain);
    free(ring);
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t window, step;

    if (size < 3 || size > 65536)
        return 0;
    window = FP_LZ4_WINDOW_MIN + data[0] * 4u;
    step = 1 + data[1] * 4u;
    decode_all(data + 3, (uint32_t)size - 3, window, step);
    there_and_back(data + 3, (uint32_t)size - 3, window, 16 + data[2],
                   data[1] & 1);
    return 0;
}
