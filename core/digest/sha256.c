/* SPDX-License-Identifier: MIT
 *
 * Source: FIPS 180-4, sections 4.1.2 (functions), 4.2.2 (constants), 5.1.1
 * (padding), 5.3.3 (initial value) and 6.2.2 (computation).
 *
 * The message schedule is kept as a ring of 16 words instead of the 64 of the
 * standard, for the sake of small stacks (section 6.2.3 allows it): word t is
 * made from words t-2, t-7, t-15 and t-16, the last of which it replaces.
 */
#include "core/digest/sha256.h"

#include "core/bytes.h"
#include "core/config.h"

#include <string.h>

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* Word t + 16 in the place of word t, which nobody needs any more. */
static inline void next_word(uint32_t w[16], unsigned t)
{
    uint32_t w2 = w[(t + 14) & 15], w15 = w[(t + 1) & 15];
    uint32_t s1 = rotr(w2, 17) ^ rotr(w2, 19) ^ w2 >> 10;
    uint32_t s0 = rotr(w15, 7) ^ rotr(w15, 18) ^ w15 >> 3;

    w[t & 15] += s1 + w[(t + 9) & 15] + s0;
}

#if FP_SHA256_SMALL
/* Rotates by the sum of them, adding x in between: so what is rotated once lies
 * in one register. */
static uint32_t sigma(uint32_t x, unsigned last, unsigned second,
                      unsigned first)
{
    return rotr(rotr(rotr(x, last) ^ x, second) ^ x, first);
}

/* The words of the block are used up. */
static void compress(uint32_t h[8], uint32_t w[16])
{
    uint32_t v[8];

    memcpy(v, h, sizeof v);
    for (unsigned t = 0; t < 64; t++) {
        uint32_t t1 = v[7] + k[t] + w[t & 15] + sigma(v[4], 14, 5, 6) +
                      (v[6] ^ (v[4] & (v[5] ^ v[6])));

        next_word(w, t);
        v[7] = v[6];
        v[6] = v[5];
        v[5] = v[4];
        v[4] = v[3] + t1;
        t1 += sigma(v[0], 9, 11, 2) + (v[0] & v[1]) + (v[2] & (v[0] ^ v[1]));
        v[3] = v[2];
        v[2] = v[1];
        v[1] = v[0];
        v[0] = t1;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}
#else
/* Round t, of which `word` is the word and the constant together. No variable
 * takes another's value: v[-t & 7] is a in this round, the one behind it b. */
static inline void round_of(uint32_t v[8], unsigned t, uint32_t word)
{
    uint32_t a = v[-t & 7], b = v[(1 - t) & 7], c = v[(2 - t) & 7];
    uint32_t e = v[(4 - t) & 7], f = v[(5 - t) & 7], g = v[(6 - t) & 7];
    uint32_t t1 = v[(7 - t) & 7] + word + (g ^ (e & (f ^ g))) +
                  (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25));

    v[(3 - t) & 7] += t1;
    v[(7 - t) & 7] = t1 + ((a & b) | (c & (a | b))) +
                     (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22));
}

/* Written out, so that the variables lie in registers and all that is counted
 * from t is known beforehand. */
#define FOUR(round, t) round(t) round((t) + 1) round((t) + 2) round((t) + 3)
#define SIXTEEN(round) \
    FOUR(round, 0u) FOUR(round, 4u) FOUR(round, 8u) FOUR(round, 12u)
#define FIRST(t) round_of(v, t, k[t] + w[t]);
#define LATER(t)     \
    next_word(w, t); \
    round_of(v, t, k[from + (t)] + w[t]);

static void run(uint32_t v[8], uint32_t w[16])
{
    SIXTEEN(FIRST)
    for (unsigned from = 16; from < 64; from += 16) {
        SIXTEEN(LATER)
    }
}

static void compress(uint32_t h[8], uint32_t w[16])
{
    uint32_t v[8];

    memcpy(v, h, sizeof v);
    run(v, w);
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}
#endif

void fp_sha256_init(struct fp_sha256 *sha)
{
    static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                       0xa54ff53a, 0x510e527f, 0x9b05688c,
                                       0x1f83d9ab, 0x5be0cd19 };

    memcpy(sha->h, first, sizeof sha->h);
    sha->size = 0;
}

static void take_block(struct fp_sha256 *sha)
{
    for (unsigned i = 0; i < 16; i++)
        sha->w[i] = fp_get_be32((const uint8_t *)&sha->w[i]);
    compress(sha->h, sha->w);
}

void fp_sha256_update(struct fp_sha256 *sha, const void *buf, size_t size)
{
    const uint8_t *p = buf;

    while (size > 0) {
        size_t held = (size_t)(sha->size % 64);
        size_t n = size < 64 - held ? size : 64 - held;

        memcpy((uint8_t *)sha->w + held, p, n);
        sha->size += n;
        p += n;
        size -= n;
        if (held + n == 64)
            take_block(sha);
    }
}

void fp_sha256_final(struct fp_sha256 *sha, uint8_t digest[FP_SHA256_SIZE])
{
    uint64_t bits = sha->size * 8;
    const char *pad = "\x80";
    uint8_t end[8];

    fp_put_be32(end, (uint32_t)(bits >> 32));
    fp_put_be32(end + 4, (uint32_t)bits);
    do {
        fp_sha256_update(sha, pad, 1);
        pad = "";
    } while (sha->size % 64 != 56);
    fp_sha256_update(sha, end, sizeof end);
    for (unsigned i = 0; i < 8; i++)
        fp_put_be32(digest + 4 * i, sha->h[i]);
}
