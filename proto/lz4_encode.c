/* SPDX-License-Identifier: MIT
 *
 * Encoding LZ4 blocks that go on from what went before.
 *
 *   buf  | history       | bytes that are to go |      |
 *        0               end                    end + n
 *
 * When there is no room behind the history, its younger part moves to the start.
 * The table holds positions modulo 65536, counted since the start, so nothing
 * in it has to be moved; what it says is only a hint, and is looked up: an old
 * position, or one that another stream's bytes have taken since, costs a look.
 *
 * Each step takes the longest copy that begins here, or puts it off by a byte
 * if there a longer one begins. Where nothing is found the steps grow, so that
 * what cannot be compressed costs little.
 *
 * A block ends as the format's Source wants it for the sake of fast decoders:
 * the last 5 bytes are literals, the last copy begins 12 bytes before the end.
 */
#include "proto/lz4.h"

#include <string.h>

#define COPY_MIN    4
#define LAST_BYTES  5  /* of a block: literals */
#define LAST_COPY   12 /* begins no later than that before the end */
#define TAIL_MIN    9  /* a token and the literals that a copy leaves */
#define TRIES       32 /* along the chain */
#define LONG_ENOUGH 64 /* to look no further */
#define STEP_SHIFT  5  /* after so many bytes (2^5) steps grow by one */

/* A block being written, and how far it has got. */
struct block {
    uint8_t *dst;
    uint32_t size, at;
    uint32_t end;    /* of the bytes it may stand for */
    uint32_t anchor; /* first of those that are not in it yet */
};

struct copy {
    uint32_t size; /* 0: none */
    uint32_t back;
};

void fp_lz4_encoder_init(struct fp_lz4_encoder *enc,
                         const struct fp_lz4_encoder_config *cfg)
{
    enc->cfg = *cfg;
    enc->end = 0;
    enc->hashed = 0;
    enc->pos = 0;
    memset(cfg->table, 0, cfg->table_count * sizeof cfg->table[0]);
    if (cfg->chain != NULL)
        memset(cfg->chain, 0, 65536 * sizeof cfg->chain[0]);
}

uint32_t fp_lz4_encoder_max(const struct fp_lz4_encoder *enc)
{
    return enc->cfg.buf_size / 2;
}

uint8_t *fp_lz4_encoder_room(struct fp_lz4_encoder *enc, uint32_t n)
{
    uint8_t *buf = enc->cfg.buf;

    if (enc->cfg.buf_size - enc->end < n) {
        uint32_t kept = enc->cfg.buf_size - n;

        if (kept > enc->cfg.window)
            kept = enc->cfg.window;
        if (kept > enc->end)
            kept = enc->end;
        memmove(buf, buf + enc->end - kept, kept);
        enc->end = kept;
    }
    return buf + enc->end;
}

void fp_lz4_encoder_keep(struct fp_lz4_encoder *enc, uint32_t n)
{
    enc->end += n;
    enc->pos = (uint16_t)(enc->pos + n);
    enc->hashed = enc->hashed > n ? enc->hashed - n : 0;
}

/* --- finding --------------------------------------------------------------- */

static uint16_t *place(const struct fp_lz4_encoder *enc, uint32_t at)
{
    const uint8_t *p = enc->cfg.buf + enc->end + at;
    uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 |
                    (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

    /* Knuth's multiplier, the golden ratio of 2^32; high bits mix best. */
    return &enc->cfg
                .table[word * 2654435761u >> 16 & (enc->cfg.table_count - 1)];
}

/* The table learns of all before `at`, but of what was passed over. */
static void learn(struct fp_lz4_encoder *enc, uint32_t at)
{
    while (enc->hashed < at) {
        uint16_t *seen = place(enc, enc->hashed);
        uint16_t pos = (uint16_t)(enc->pos + enc->hashed++);

        if (enc->cfg.chain != NULL)
            enc->cfg.chain[pos] = *seen;
        *seen = pos;
    }
}

static void pass_over(struct fp_lz4_encoder *enc, uint32_t at)
{
    if (enc->hashed < at)
        enc->hashed = at;
}

static uint32_t same(const uint8_t *a, const uint8_t *b, uint32_t max)
{
    uint32_t n = 0;

    while (n < max && a[n] == b[n])
        n++;
    return n;
}

/* The longest copy that the bytes at `at`, up to `end`, can be. Going along a
 * chain leads further and further back, or it is not to be trusted. */
static struct copy find(const struct fp_lz4_encoder *enc, uint32_t at,
                        uint32_t end)
{
    const uint8_t *p = enc->cfg.buf + enc->end + at;
    uint32_t reach = enc->end + at, back = 0;
    uint16_t pos = (uint16_t)(enc->pos + at), seen = *place(enc, at);
    struct copy best = { 0, 0 };

    if (reach > enc->cfg.window)
        reach = enc->cfg.window;
    for (int i = 0; i < TRIES && best.size < LONG_ENOUGH; i++) {
        uint32_t n = (uint16_t)(pos - seen);

        if (n <= back || n > reach)
            break;
        back = n;
        n = same(p, p - back, end - at);
        if (n >= COPY_MIN && n > best.size)
            best = (struct copy){ n, back };
        if (enc->cfg.chain == NULL)
            break;
        seen = enc->cfg.chain[seen];
    }
    return best;
}

/* --- writing --------------------------------------------------------------- */

/* Bytes that a length of a token's half needs beside the token. */
static uint32_t length_size(uint32_t length)
{
    return length < 15 ? 0 : 1 + (length - 15) / 255;
}

static void put_length(struct block *b, uint32_t length)
{
    if (length < 15)
        return;
    for (length -= 15; length >= 255; length -= 255)
        b->dst[b->at++] = 255;
    b->dst[b->at++] = (uint8_t)length;
}

/* A token, and `n` literals of src. */
static void put_literals(struct block *b, const uint8_t *src, uint32_t n,
                         uint32_t half)
{
    b->dst[b->at++] = (uint8_t)((n < 15 ? n : 15) << 4 | half);
    put_length(b, n);
    memcpy(b->dst + b->at, src + b->anchor, n);
    b->at += n;
    b->anchor += n;
}

/* The literals up to `at` and the copy there; false: there is no room for them
 * and what must come behind. */
static bool put_sequence(struct block *b, const uint8_t *src, uint32_t at,
                         struct copy copy)
{
    uint32_t literals = at - b->anchor, more = copy.size - COPY_MIN;

    if (b->at + 3 + literals + length_size(literals) + length_size(more) +
            TAIL_MIN >
        b->size)
        return false;
    put_literals(b, src, literals, more < 15 ? more : 15);
    b->dst[b->at++] = (uint8_t)copy.back;
    b->dst[b->at++] = (uint8_t)(copy.back >> 8);
    put_length(b, more);
    b->anchor += copy.size;
    return true;
}

/* The last sequence: as many literals as there are, or as there is room for. */
static void put_tail(struct block *b, const uint8_t *src)
{
    uint32_t n = b->end - b->anchor, room = b->size - b->at - 1;

    if (n > room)
        n = room;
    while (n + length_size(n) > room)
        n--;
    put_literals(b, src, n, 0);
}

uint32_t fp_lz4_encode(struct fp_lz4_encoder *enc, uint32_t n, uint8_t *dst,
                       uint32_t size, uint32_t *taken)
{
    const uint8_t *src = enc->cfg.buf + enc->end;
    struct block b = { .dst = dst, .size = size, .end = n };
    uint32_t at = 0;

    while (at + LAST_COPY < n && b.at + at - b.anchor < size) {
        struct copy copy = find(enc, at, n - LAST_BYTES), next = { 0, 0 };

        learn(enc, at + 1);
        if (copy.size > 0 && copy.size < LONG_ENOUGH && at + 1 + LAST_COPY < n)
            next = find(enc, at + 1, n - LAST_BYTES);
        if (copy.size == 0) {
            at += 1 + ((at - b.anchor) >> STEP_SHIFT);
            pass_over(enc, at);
        } else if (next.size > copy.size) {
            at++;
        } else if (put_sequence(&b, src, at, copy)) {
            at = b.anchor;
            learn(enc, at);
        } else {
            break;
        }
    }
    if (b.at == 0)
        return 0;
    put_tail(&b, src);
    *taken = b.anchor;
    return b.at;
}

uint32_t fp_lz4_pack(struct fp_lz4_encoder *enc, uint32_t n, uint32_t align,
                     uint8_t *dst, uint32_t size, uint32_t *taken)
{
    uint32_t used = fp_lz4_encode(enc, n, dst, size, taken);

    while (used > 0 && *taken < n && *taken % align != 0) {
        n = *taken - *taken % align;
        used = fp_lz4_encode(enc, n, dst, size, taken);
    }
    /* A sixteenth at least, or the other end's trouble is for nothing. */
    return used < *taken - *taken / 16 ? used : 0;
}
