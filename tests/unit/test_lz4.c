/* SPDX-License-Identifier: MIT
 *
 * proto/lz4.h against liblz4, both ways, and against blocks made by hand.
 */
#include "proto/lz4.h"

#include <lz4.h>
#include <lz4hc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_SIZE  200000
#define BLOCK_SIZE 4096 /* of plain bytes for the reference encoder */

static uint8_t text[TEXT_SIZE], out[TEXT_SIZE], ring[FP_LZ4_WINDOW_MAX];
static uint8_t buf[131072];
static uint16_t table[4096], chain[65536];
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* What looks like a log in JSON, with a stretch that cannot be packed. */
static void make_text(void)
{
    size_t at = 0;

    while (at < TEXT_SIZE - 200)
        at += (size_t)sprintf(
            (char *)text + at, "{\"at\":%u,\"name\":\"%s\",\"value\":%u.%u}\n",
            rnd(1000000), rnd(2) ? "temperature" : "humidity", rnd(50), rnd(9));
    memset(text + at, ' ', TEXT_SIZE - at);
    for (at = TEXT_SIZE / 2; at < TEXT_SIZE / 2 + 9000; at++)
        text[at] = (uint8_t)rnd(256);
}

static int set_up(void **state)
{
    (void)state;
    seed = 20261121;
    make_text();
    memset(out, 0, sizeof out);
    return 0;
}

/* Decodes to `at` in out, in pieces of whatever size; how many bytes, 0: it is
 * no block. The block lies in memory of its own, so that ASan sees a step
 * beyond it. */
static uint32_t decode(struct fp_lz4_decoder *dec, const void *bytes,
                       uint32_t size, uint32_t at)
{
    uint8_t *block = malloc(size > 0 ? size : 1);
    uint32_t from = at, n, some;
    const uint8_t *data;

    assert_non_null(block);
    memcpy(block, bytes, size);
    do {
        n = fp_lz4_decode(dec, block, size, 1 + rnd(600), &data);
        if (n == 0)
            break;
        some = 1 + rnd(n);
        assert_true(some <= TEXT_SIZE - at);
        memcpy(out + at, data, some);
        at += some;
    } while (!fp_lz4_decoder_take(dec, some));
    free(block);
    return n == 0 ? 0 : at - from;
}

/* ---- the reference encodes, we decode ---- */

static void check_reference_blocks(int (*pack)(void *ctx, const char *src,
                                               char *dst, int n, int size),
                                   void *ctx)
{
    uint8_t block[2 * BLOCK_SIZE];
    struct fp_lz4_decoder dec;
    uint32_t at = 0, n;

    fp_lz4_decoder_init(&dec, ring, sizeof ring);
    for (; at < TEXT_SIZE; at += n) {
        int size;

        n = 1 + rnd(BLOCK_SIZE);
        n = n < TEXT_SIZE - at ? n : TEXT_SIZE - at;
        size = pack(ctx, (char *)text + at, (char *)block, (int)n,
                    (int)sizeof block);
        assert_true(size > 0);
        if (rnd(4) == 0) { /* it may travel as itself as well */
            fp_lz4_decoder_feed(&dec, text + at, n);
            memcpy(out + at, text + at, n);
        } else {
            assert_int_equal(decode(&dec, block, (uint32_t)size, at), n);
        }
    }
    assert_memory_equal(out, text, TEXT_SIZE);
}

static int pack_fast(void *ctx, const char *src, char *dst, int n, int size)
{
    return LZ4_compress_fast_continue(ctx, src, dst, n, size, 1);
}

static int pack_hc(void *ctx, const char *src, char *dst, int n, int size)
{
    return LZ4_compress_HC_continue(ctx, src, dst, n, size);
}

static void blocks_of_the_reference_encoder_are_decoded(void **state)
{
    LZ4_stream_t *fast = LZ4_createStream();
    LZ4_streamHC_t *hc = LZ4_createStreamHC();

    (void)state;
    check_reference_blocks(pack_fast, fast);
    memset(out, 0, sizeof out);
    LZ4_resetStreamHC_fast(hc, 9);
    check_reference_blocks(pack_hc, hc);
    LZ4_freeStream(fast);
    LZ4_freeStreamHC(hc);
}

/* ---- we encode, the reference decodes ---- */

/* All of the text in blocks of at most `size` bytes; what they are together.
 * The reference is given no more than the window to look back at. */
static uint32_t check_our_blocks(struct fp_lz4_encoder *enc, uint32_t window,
                                 uint32_t size, uint32_t align)
{
    uint8_t block[BLOCK_SIZE];
    uint32_t at = 0, sum = 0, used, taken;

    while (at < TEXT_SIZE) {
        uint32_t n = TEXT_SIZE - at, max = fp_lz4_encoder_max(enc);
        uint32_t back = at < window ? at : window;

        n = n < max ? n : 1 + rnd(max);
        memcpy(fp_lz4_encoder_room(enc, n), text + at, n);
        used = fp_lz4_pack(enc, n, align, block, size, &taken);
        assert_true(used <= size);
        if (used == 0) {
            taken = n < size ? n : size;
            memcpy(out + at, text + at, taken);
            sum += taken;
        } else {
            assert_true(taken == n || taken % align == 0);
            assert_int_equal(LZ4_decompress_safe_usingDict(
                                 (char *)block, (char *)out + at, (int)used,
                                 (int)(TEXT_SIZE - at), (char *)out + at - back,
                                 (int)back),
                             taken);
            sum += used;
        }
        fp_lz4_encoder_keep(enc, taken);
        at += taken;
    }
    assert_memory_equal(out, text, TEXT_SIZE);
    return sum;
}

static void the_reference_decoder_reads_our_blocks(void **state)
{
    static const uint32_t windows[] = { 256, 2048, 65535 };
    static const uint32_t sizes[] = { 62, 1022, 4094 };

    (void)state;
    for (int i = 0; i < 3 * 3 * 4; i++) {
        uint32_t window = windows[i % 3], size = sizes[i / 3 % 3];
        struct fp_lz4_encoder_config cfg = {
            .buf = buf,
            .buf_size = i & 1 ? 131072 : 8192,
            .window = window,
            .table = table,
            .table_count = i & 1 ? 4096 : 512,
            .chain = i / 9 & 1 ? chain : NULL,
        };
        struct fp_lz4_encoder enc;

        memset(out, 0, sizeof out);
        fp_lz4_encoder_init(&enc, &cfg);
        check_our_blocks(&enc, window, size, i / 18 ? 16 : 1);
    }
}

/* In pieces of a frame each, within a tenth of what the reference makes of all
 * the text in one piece. */
static void small_blocks_pack_nearly_as_well_as_large_ones(void **state)
{
    struct fp_lz4_encoder_config cfg = { .buf = buf,
                                         .buf_size = sizeof buf,
                                         .window = 65535,
                                         .table = table,
                                         .table_count = 4096 };
    char *whole = malloc((size_t)LZ4_compressBound(TEXT_SIZE));
    struct fp_lz4_encoder enc;
    int fast = LZ4_compress_default((char *)text, whole, TEXT_SIZE,
                                    LZ4_compressBound(TEXT_SIZE));
    int hc = LZ4_compress_HC((char *)text, whole, TEXT_SIZE,
                             LZ4_compressBound(TEXT_SIZE), 9);

    (void)state;
    fp_lz4_encoder_init(&enc, &cfg);
    assert_true(check_our_blocks(&enc, 65535, 1022, 1) <
                (uint32_t)fast + (uint32_t)fast / 10);
    cfg.chain = chain;
    fp_lz4_encoder_init(&enc, &cfg);
    assert_true(check_our_blocks(&enc, 65535, 1022, 1) <
                (uint32_t)hc + (uint32_t)hc / 10);
    free(whole);
}

/* Where nothing can be saved the encoder says so, and the bytes are still there
 * to be looked back at. */
static void what_cannot_be_packed_is_not(void **state)
{
    struct fp_lz4_encoder_config cfg = { .buf = buf,
                                         .buf_size = 8192,
                                         .window = 2048,
                                         .table = table,
                                         .table_count = 512 };
    uint8_t block[1022];
    struct fp_lz4_encoder enc;
    uint32_t taken;

    (void)state;
    fp_lz4_encoder_init(&enc, &cfg);
    memcpy(fp_lz4_encoder_room(&enc, 1022), text + TEXT_SIZE / 2, 1022);
    assert_int_equal(fp_lz4_pack(&enc, 1022, 1, block, 1022, &taken), 0);
    fp_lz4_encoder_keep(&enc, 1022);
    memcpy(fp_lz4_encoder_room(&enc, 1022), text + TEXT_SIZE / 2, 1022);
    assert_in_range(fp_lz4_pack(&enc, 1022, 1, block, 1022, &taken), 1, 100);
    assert_int_equal(taken, 1022);
}

/* ---- by hand ---- */

/* The example of PROTOCOL.md: in two frames. */
static void blocks_made_by_hand_are_decoded(void **state)
{
    /* 3 literals and 6 bytes from 3 back; 5 literals */
    static const uint8_t one[] = { 0x32, 'a', 'b', 'c', 3,   0,
                                   0x50, '-', '-', '-', '-', '!' };
    /* 0 literals and 15 + 4 + 0 bytes from 14 back, which the frame before
     * had; 1 literal */
    static const uint8_t two[] = { 0x0f, 14, 0, 0, 0x10, '.' };
    struct fp_lz4_decoder dec;

    (void)state;
    fp_lz4_decoder_init(&dec, ring, 256);
    assert_int_equal(decode(&dec, one, sizeof one, 0), 14);
    assert_int_equal(decode(&dec, two, sizeof two, 14), 20);
    assert_memory_equal(out, "abcabcabc----!abcabcabc----!abcab.", 34);
}

/* A copy that is longer than the window runs round the ring. */
static void a_block_may_stand_for_more_than_the_window(void **state)
{
    /* 2 literals and 15 + 4 + 4 * 255 + 100 bytes from 2 back; 1 literal */
    static const uint8_t block[] = { 0x2f, 'x', 'y', 2,   0,    255,
                                     255,  255, 255, 100, 0x10, '.' };
    struct fp_lz4_decoder dec;

    (void)state;
    fp_lz4_decoder_init(&dec, ring, FP_LZ4_WINDOW_MIN);
    assert_int_equal(decode(&dec, block, sizeof block, 0), 1142);
    for (uint32_t i = 0; i < 1141; i++)
        assert_int_equal(out[i], "xy"[i % 2]);
    assert_int_equal(out[1141], '.');
}

static void what_is_no_block_is_refused(void **state)
{
    static const struct {
        const char *why;
        uint8_t size, block[8];
    } bad[] = {
        { "no token", 0, { 0 } },
        { "stands for nothing", 1, { 0x00 } },
        { "a literal is missing", 1, { 0x10 } },
        { "a length is missing", 1, { 0xf0 } },
        { "a length does not end", 3, { 0xf0, 255, 255 } },
        { "half a distance", 3, { 0x10, 'a', 1 } },
        { "from 0 back", 6, { 0x10, 'a', 0, 0, 0x10, 'b' } },
        { "from before the first byte", 6, { 0x10, 'a', 2, 0, 0x10, 'b' } },
        { "the copy's length is missing", 4, { 0x1f, 'a', 1, 0 } },
        { "ends with a copy", 4, { 0x10, 'a', 1, 0 } },
        { "ends without literals", 5, { 0x10, 'a', 1, 0, 0x00 } },
    };
    static const uint8_t good[] = { 0x10, 'z' };
    struct fp_lz4_decoder dec;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fp_lz4_decoder_init(&dec, ring, 256);
        if (decode(&dec, bad[i].block, bad[i].size, 0) != 0)
            fail_msg("taken for a block: %s", bad[i].why);
        assert_int_equal(decode(&dec, good, sizeof good, 0), 1);
    }
}

/* What is behind the window is gone, however much went over the line. */
static void a_copy_from_behind_the_window_is_refused(void **state)
{
    static const uint8_t within[] = { 0x00, 0x00, 0x01, 0x10, 'b' };
    static const uint8_t beyond[] = { 0x00, 0x01, 0x01, 0x10, 'b' };
    /* its own literals have pushed it out */
    static const uint8_t gone[] = { 0x40, 'a', 'b', 'c', 'd', 2, 1, 0x10, 'e' };
    struct fp_lz4_decoder dec;

    (void)state;
    fp_lz4_decoder_init(&dec, ring, 256);
    fp_lz4_decoder_feed(&dec, text, 1000);
    assert_int_equal(decode(&dec, within, sizeof within, 0), 5);
    assert_memory_equal(out, text + 1000 - 256, 4);
    assert_int_equal(decode(&dec, beyond, sizeof beyond, 0), 0);
    fp_lz4_decoder_init(&dec, ring, 256);
    fp_lz4_decoder_feed(&dec, text, 256);
    assert_int_equal(decode(&dec, gone, sizeof gone, 0), 0);
    /* and after that nothing can be looked back at */
    assert_int_equal(decode(&dec, within, sizeof within, 0), 0);
}

static void random_bytes_are_survived(void **state)
{
    uint8_t block[64];
    struct fp_lz4_decoder dec;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint32_t size = rnd(sizeof block), window = 256 + rnd(700);
        uint8_t *tight = malloc(window);

        assert_non_null(tight);
        fp_lz4_decoder_init(&dec, tight, window);
        fp_lz4_decoder_feed(&dec, text, rnd(900));
        for (uint32_t j = 0; j < size; j++)
            block[j] = (uint8_t)(rnd(3) ? rnd(32) : rnd(256));
        for (int j = 0; j < 3; j++)
            assert_true(decode(&dec, block, size, 0) <= size * 255);
        free(tight);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_of_the_reference_encoder_are_decoded,
                               set_up),
        cmocka_unit_test_setup(the_reference_decoder_reads_our_blocks, set_up),
        cmocka_unit_test_setup(small_blocks_pack_nearly_as_well_as_large_ones,
                               set_up),
        cmocka_unit_test_setup(what_cannot_be_packed_is_not, set_up),
        cmocka_unit_test_setup(blocks_made_by_hand_are_decoded, set_up),
        cmocka_unit_test_setup(a_block_may_stand_for_more_than_the_window,
                               set_up),
        cmocka_unit_test_setup(what_is_no_block_is_refused, set_up),
        cmocka_unit_test_setup(a_copy_from_behind_the_window_is_refused,
                               set_up),
        cmocka_unit_test_setup(random_bytes_are_survived, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
