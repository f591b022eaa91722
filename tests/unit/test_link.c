/* SPDX-License-Identifier: MIT
 *
 * Two links joined by a simulated line: a clock that only the test moves, a
 * rate, a transmit buffer that takes what it has room for, and faults from a
 * seed (flipped bits, lost, doubled and inserted bytes, bursts). Whatever the
 * line does, each frame comes out once, in order and bit for bit, and both
 * ends come to rest. A hostile peer only has to be survived.
 */
#include "core/digest/crc32.h"
#include "proto/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIRE_MAX 65536

static uint64_t seed_state;

static uint32_t rnd(void)
{
    seed_state = seed_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed_state >> 33);
}

static bool chance(double p)
{
    return rnd() < p * 2147483648.0;
}

/* One direction of the line. */
struct wire {
    uint8_t queue[WIRE_MAX];
    size_t size;
    size_t room; /* taken from the sender ahead of the line */
    double rate; /* bytes a millisecond */
    double carry;
    double flip, drop, twice, insert, burst;
    unsigned burst_left;
    uint64_t damaged, carried;
};

struct end {
    struct fp_link link;
    struct wire *out;
    uint8_t *tx, *rx; /* allocated to the byte: ASan sees an overrun */
    uint8_t console[4096];
    size_t console_size;
    /* the frames of this end: number, length and content follow from a seed */
    uint32_t sent, got, total, salt;
    uint32_t stream, streamed, came; /* bytes in BULK as large as advised */
    double take; /* chance a millisecond that the oldest frame is taken */
    uint32_t size_max;
    uint32_t give_up_ms;
    bool stall, busy_told;
    uint32_t busy_ms; /* of every 100: hears nothing, what comes in waits */
    uint32_t stall_until, held_since;
    uint64_t lost_in_stall, stalls;
};

struct line {
    struct wire to_device, to_host;
    struct end host, device;
    uint32_t now;
};

static size_t on_send(void *ctx, const uint8_t *buf, size_t size)
{
    struct end *end = ctx;
    struct wire *wire = end->out;
    size_t n = wire->room > wire->size ? wire->room - wire->size : 0;

    if (n > size)
        n = size;
    if (n > 1 && chance(0.3))
        n = 1 + rnd() % n; /* partial */
    memcpy(wire->queue + wire->size, buf, n);
    wire->size += n;
    return n;
}

static void on_console(void *ctx, const uint8_t *buf, size_t size)
{
    struct end *end = ctx;

    if (size > sizeof end->console - end->console_size)
        size = sizeof end->console - end->console_size;
    memcpy(end->console + end->console_size, buf, size);
    end->console_size += size;
}

static void end_init(struct end *end, bool host, uint16_t frame_max,
                     size_t tx_size, size_t rx_size, struct wire *out,
                     uint32_t now)
{
    struct fp_link_config cfg = {
        .crc32 = fp_crc32,
        .send = on_send,
        .console = on_console,
        .ctx = end,
        .host = host,
        .rx_stall = end->stall,
        .frame_max = frame_max,
        .give_up_ms = end->give_up_ms,
        .tx_size = tx_size,
        .rx_size = rx_size,
    };

    free(end->tx); /* a device that is reset comes here again */
    free(end->rx);
    cfg.tx_buf = end->tx = malloc(tx_size);
    cfg.rx_buf = end->rx = malloc(rx_size);
    assert_non_null(end->tx);
    assert_non_null(end->rx);
    end->out = out;
    fp_link_init(&end->link, &cfg, now);
}

static struct line *line_new(uint64_t seed)
{
    struct line *line = calloc(1, sizeof *line);

    assert_non_null(line);
    seed_state = seed;
    line->now = 0xfffffff0u; /* the clock wraps early on */
    line->to_device.room = line->to_host.room = 4096;
    line->to_device.rate = line->to_host.rate = 92.16;
    line->host.salt = 1;
    line->device.salt = 2;
    line->host.take = line->device.take = 1;
    line->host.size_max = line->device.size_max = 1024;
    return line;
}

static void line_free(struct line *line)
{
    free(line->host.tx);
    free(line->host.rx);
    free(line->device.tx);
    free(line->device.rx);
    free(line);
}

static void line_start(struct line *line)
{
    uint8_t nonce[8];

    for (int i = 0; i < 8; i++)
        nonce[i] = (uint8_t)(rnd() | 1);
    fp_link_start(&line->host.link, nonce, line->now);
}

/* Length and content of frame `n` of an end. */
static uint32_t frame_size(const struct end *end, uint32_t n)
{
    uint32_t h = (n * 2654435761u + end->salt) ^ (n >> 3);

    h ^= h >> 15;
    return n % 5 == 0 ? end->size_max : h % (end->size_max + 1);
}

static void frame_fill(const struct end *end, uint32_t n, uint8_t *buf,
                       size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf[i] =
            (uint8_t)(n % 3 == 0 ? 0 : (i * 31 + n * 7 + end->salt) >> (n % 4));
}

static uint8_t stream_byte(uint32_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7);
}

static void produce_stream(struct end *end)
{
    while (end->streamed < end->stream) {
        uint32_t left = end->stream - end->streamed;
        uint32_t size = fp_link_payload(&end->link);
        uint8_t *buf;

        size = size < left ? size : left;
        buf = fp_link_alloc(&end->link, size);
        if (buf == NULL)
            return;
        for (uint32_t i = 0; i < size; i++)
            buf[i] = stream_byte(end->streamed + i);
        fp_link_commit(&end->link, FP_FRAME_BULK, size);
        end->streamed += size;
    }
}

static void consume_stream(struct end *end)
{
    struct fp_link_frame frame;

    while (fp_link_peek(&end->link, &frame)) {
        for (size_t i = 0; i < frame.size; i++)
            assert_int_equal(frame.payload[i],
                             stream_byte(end->came + (uint32_t)i));
        end->came += (uint32_t)frame.size;
        fp_link_take(&end->link);
    }
}

static void produce(struct end *end)
{
    if (end->stream > 0)
        produce_stream(end);
    while (end->sent < end->total) {
        uint32_t size = frame_size(end, end->sent);
        uint8_t *buf = fp_link_alloc(&end->link, size);

        if (buf == NULL)
            return;
        frame_fill(end, end->sent, buf, size);
        fp_link_commit(&end->link, end->sent % 2 ? FP_FRAME_MSG : FP_FRAME_BULK,
                       size);
        end->sent++;
    }
}

static void consume(struct end *end, struct end *from)
{
    static uint8_t want[4096];
    struct fp_link_frame frame;

    if (from->stream > 0) {
        consume_stream(end);
        return;
    }
    while (chance(end->take) && fp_link_peek(&end->link, &frame)) {
        assert_int_equal(frame.kind,
                         end->got % 2 ? FP_FRAME_MSG : FP_FRAME_BULK);
        assert_int_equal(frame.size, frame_size(from, end->got));
        frame_fill(from, end->got, want, frame.size);
        assert_memory_equal(frame.payload, want, frame.size);
        fp_link_take(&end->link);
        end->got++;
    }
}

static void receive(struct line *line, struct end *end, const uint8_t *buf,
                    size_t size)
{
    if (end->stall_until != 0)
        end->lost_in_stall += size;
    else
        fp_link_input(&end->link, buf, size, line->now);
}

/* What the line does in one millisecond. */
static void carry(struct line *line, struct wire *wire, struct end *to)
{
    uint8_t out[4096];
    size_t take, n = 0;

    wire->carry += wire->rate;
    take = (size_t)wire->carry;
    wire->carry -= (double)take;
    if (take > wire->size)
        take = wire->size;
    if (take > sizeof out / 4)
        take = sizeof out / 4;
    for (size_t i = 0; i < take; i++) {
        uint8_t b = wire->queue[i];

        wire->carried++;
        if (chance(wire->burst))
            wire->burst_left = 64;
        if (wire->burst_left > 0 || chance(wire->drop)) {
            wire->burst_left -= wire->burst_left > 0;
            wire->damaged++;
            continue;
        }
        if (chance(wire->insert)) {
            out[n++] = (uint8_t)rnd();
            wire->damaged++;
        }
        if (chance(wire->flip)) {
            b ^= (uint8_t)(1 << rnd() % 8);
            wire->damaged++;
        }
        out[n++] = b;
        if (chance(wire->twice)) {
            out[n++] = b;
            wire->damaged++;
        }
    }
    memmove(wire->queue, wire->queue + take, wire->size - take);
    wire->size -= take;
    if (n > 1 && chance(0.5)) { /* split reads */
        size_t k = 1 + rnd() % (n - 1);

        receive(line, to, out, k);
        receive(line, to, out + k, n - k);
    } else if (n > 0) {
        receive(line, to, out, n);
    }
}

/* A device whose flash stalls it: when it has taken something it holds, waits
 * until no byte is under way, is deaf for a while, and goes on. */
static void stall(struct line *line, struct end *end)
{
    if (!end->stall || fp_link_state(&end->link) != FP_LINK_UP)
        return;
    if (end->stall_until != 0) {
        if ((int32_t)(line->now - end->stall_until) < 0)
            return;
        end->stall_until = 0;
        end->held_since = 0;
        fp_link_resume(&end->link);
    } else if (end->held_since == 0) {
        if (chance(0.02)) {
            fp_link_hold(&end->link);
            end->held_since = line->now;
        }
    } else if (fp_link_may_stall(&end->link) && !end->busy_told) {
        fp_link_send_busy(&end->link, 85);
        end->busy_told = true;
    } else if (fp_link_may_stall(&end->link)) {
        end->busy_told = false;
        end->stall_until = line->now + 85;
        end->stalls++;
    } else {
        /* held for ever: the yield never comes */
        assert_true(line->now - end->held_since < 60000);
    }
}

static void tick(struct line *line)
{
    line->now++;
    if (line->now % 100 < line->device.busy_ms) {
        carry(line, &line->to_host, &line->host);
        consume(&line->host, &line->device);
        produce(&line->host);
        fp_link_poll(&line->host.link, line->now);
        return;
    }
    carry(line, &line->to_device, &line->device);
    carry(line, &line->to_host, &line->host);
    stall(line, &line->device);
    consume(&line->host, &line->device);
    if (line->device.stall_until == 0) {
        consume(&line->device, &line->host);
        produce(&line->device);
        fp_link_poll(&line->device.link, line->now);
    }
    produce(&line->host);
    fp_link_poll(&line->host.link, line->now);
}

static bool done(const struct line *line)
{
    return line->host.got == line->device.total &&
           line->device.got == line->host.total &&
           line->device.came == line->host.stream &&
           line->host.came == line->device.stream &&
           fp_link_idle(&line->host.link) && fp_link_idle(&line->device.link);
}

/* Runs until all has come and all is acknowledged; the bound is in simulated
 * time. */
static void run(struct line *line, uint32_t limit_ms)
{
    uint32_t from = line->now;

    while (!done(line)) {
        tick(line);
        if (line->now - from >= limit_ms)
            fail_msg("not done: host %u of %u, device %u of %u, states %d %d",
                     line->host.got, line->device.total, line->device.got,
                     line->host.total, fp_link_state(&line->host.link),
                     fp_link_state(&line->device.link));
    }
    assert_int_equal(fp_link_session(&line->host.link), 1);
    assert_int_equal(fp_link_session(&line->device.link), 1);
}

static void faults(struct line *line, double p)
{
    struct wire *w[] = { &line->to_device, &line->to_host };

    for (int i = 0; i < 2; i++) {
        w[i]->flip = w[i]->drop = w[i]->twice = w[i]->insert = p;
        w[i]->burst = p / 10;
    }
}

/* --- clean and damaged lines ----------------------------------------------- */

static void a_clean_line_never_retransmits(void **state)
{
    struct line *line = line_new(1);
    struct fp_link_stats a, b;
    uint32_t from;

    (void)state;
    /* Both directions are full, so what acknowledges waits behind 4 KiB. */
    end_init(&line->host, true, 1024, 16384, 32768, &line->to_device,
             line->now);
    end_init(&line->device, false, 1024, 16384, 16384, &line->to_host,
             line->now);
    line->host.total = line->device.total = 1000;
    line_start(line);
    from = line->now;
    run(line, 60000);
    fp_link_get_stats(&line->host.link, &a);
    fp_link_get_stats(&line->device.link, &b);
    assert_int_equal(a.retransmitted + b.retransmitted, 0);
    assert_int_equal(a.duplicates + b.duplicates, 0);
    assert_int_equal(a.rx_damaged + b.rx_damaged, 0);
    assert_int_equal(a.console_bytes + b.console_bytes, 0);
    assert_int_equal(a.tx_bytes, b.rx_bytes);
    /* Simulated time, so no matter how fast this machine is: the line was at
     * work nearly all the time, in both directions. */
    assert_true(
        (double)(line->now - from) <
        1.05 * (double)(a.tx_bytes > b.tx_bytes ? a.tx_bytes : b.tx_bytes) /
            92.16);
    line_free(line);
}

static void every_frame_comes_once_over_bad_lines(void **state)
{
    static const double rates[] = { 1e-5, 5e-5, 1e-4 };

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct line *line = line_new(seed);
        bool tiny = seed % 2 == 0;
        uint16_t max = tiny ? 64 : 1024;

        print_message("seed %u\n", (unsigned)seed);
        line->host.size_max = line->device.size_max = max;
        line->device.take = seed % 3 == 0 ? 0.05 : 1;
        /* Of tiny frames most come damaged here, and giving up after 5 s would
         * be right now and then. */
        line->host.give_up_ms = line->device.give_up_ms = 60000;
        end_init(&line->host, true, 1024, tiny ? 2 * (1024 + 48) : 16384, 32768,
                 &line->to_device, line->now);
        end_init(&line->device, false, max,
                 seed % 3 ? seed % 3 * (max + 48u) : FP_LINK_TX_MIN(max),
                 seed % 4 < 2 ? FP_LINK_RX_MIN(max) : 5u * (max + 48u) + 7,
                 &line->to_host, line->now);
        faults(line, rates[seed % 3] * (tiny ? 10 : 1));
        line->host.total = line->device.total = tiny ? 3000 : 400;
        line_start(line);
        run(line, 3600000);
        assert_true(line->to_device.damaged + line->to_host.damaged > 0);
        line_free(line);
    }
}

/* --- how large frames are ------------------------------------------------- */

/* Simulated milliseconds that `size` bytes take. */
static double stream_ms(struct line *line, struct end *from, uint32_t size)
{
    uint32_t start = line->now;

    from->stream += size;
    run(line, 3600000);
    return (double)(line->now - start);
}

static void two_buffers_keep_the_line_at_work(void **state)
{
    (void)state;
    for (int down = 0; down <= 1; down++) {
        struct line *line = line_new(21);
        struct end *from = down ? &line->device : &line->host;
        double ms;

        end_init(&line->host, true, 2048, 8192, 32768, &line->to_device,
                 line->now);
        end_init(&line->device, false, 1024, 2 * (1024 + 48), 2 * (1024 + 48),
                 &line->to_host, line->now);
        line_start(line);
        ms = stream_ms(line, from, 262144);
        /* Header, CRC, COBS and zeros of a frame are 15 bytes: 1.5 %. */
        assert_true(262144 / 92.16 / ms > 0.97);
        line_free(line);
    }
}

/* In memory for one frame two of half its size take turns: 15 bytes of 535 are
 * not payload. */
static void one_buffer_each_way_keeps_the_line_at_work(void **state)
{
    (void)state;
    for (int down = 0; down <= 1; down++) {
        struct line *line = line_new(21);
        struct end *from = down ? &line->device : &line->host;
        double ms;

        end_init(&line->host, true, 2048, 8192, 32768, &line->to_device,
                 line->now);
        end_init(&line->device, false, 1024, FP_LINK_TX_MIN(1024),
                 FP_LINK_RX_MIN(1024), &line->to_host, line->now);
        line_start(line);
        ms = stream_ms(line, from, 262144);
        assert_true(262144 / 92.16 / ms > 0.96);
        line_free(line);
    }
}

/* What small ones took tells nothing about large ones, of which each has the
 * line for 44 ms. */
static void large_frames_after_small_ones_go_once(void **state)
{
    struct line *line = line_new(24);
    struct fp_link_stats st;

    (void)state;
    end_init(&line->host, true, 4096, 32768, 32768, &line->to_device,
             line->now);
    end_init(&line->device, false, 4096, 32768, 32768, &line->to_host,
             line->now);
    line_start(line);
    for (int i = 0; i < 20; i++)
        (void)stream_ms(line, &line->host, 20);
    (void)stream_ms(line, &line->host, 262144);
    fp_link_get_stats(&line->host.link, &st);
    assert_int_equal(st.retransmitted, 0);
    line_free(line);
}

static bool queue_one(struct end *end, size_t size)
{
    uint8_t *buf = fp_link_alloc(&end->link, size);

    if (buf == NULL)
        return false;
    memset(buf, 'a' + (int)end->sent++, size);
    fp_link_commit(&end->link, FP_FRAME_BULK, size);
    return true;
}

static bool send_one(struct line *line, struct end *end, size_t size)
{
    if (!queue_one(end, size))
        return false;
    do
        tick(line);
    while (end->out->size > 0);
    return true;
}

/* A line that is up, whose device has so much memory for what it sends. */
static struct line *line_with_room(uint64_t seed, uint32_t room)
{
    struct line *line = line_new(seed);

    end_init(&line->host, true, 640, 8192, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 640, room, 2 * (640 + 48), &line->to_host,
             line->now);
    line_start(line);
    for (int i = 0; i < 100; i++)
        tick(line);
    return line;
}

/* With memory for two, one that has arrived makes room for a third while the
 * first is sent again; also if it arrived when room had been given out, as to
 * an agent that looks whether there is any. */
static void room_that_is_not_used_is_not_in_the_way(void **state)
{
    struct line *line = line_with_room(25, 2 * (640 + 48));
    struct end *from = &line->device;

    (void)state;
    line->to_host.drop = 1;
    assert_true(send_one(line, from, 600));
    line->to_host.drop = 0;
    assert_true(send_one(line, from, 600));
    line->to_host.drop = 1; /* the first one is lost again */
    assert_non_null(fp_link_alloc(&from->link, 16));
    for (int i = 0; i < 50; i++)
        tick(line);
    assert_non_null(fp_link_alloc(&from->link, 600));
    line_free(line);
}

/* While the first of four is lost again and again, and the fourth is, the two
 * between take 8 bytes each of the 38 that they had. */
static void what_arrives_early_gives_its_memory_back(void **state)
{
    static const size_t sizes[] = { 300, 30, 30, 300 };
    struct line *line = line_with_room(26, 2 * (300 + 8) + 2 * (30 + 8));
    struct end *from = &line->device;
    struct fp_link_frame frame;

    (void)state;
    line->to_host.drop = 1;
    assert_true(send_one(line, from, 300));
    line->to_host.drop = 0;
    assert_true(queue_one(from, 30));
    assert_true(send_one(line, from, 30));
    line->to_host.drop = 1; /* the first one is lost again, and the fourth */
    assert_true(send_one(line, from, 300));
    for (int i = 0; i < 50; i++)
        tick(line);
    assert_null(fp_link_alloc(&from->link, 2 * 30 - 8 + 1));
    assert_non_null(fp_link_alloc(&from->link, 2 * 30 - 8));

    /* What moved comes out as it went in. */
    line->to_host.drop = 0;
    for (int i = 0; i < 1000; i++) {
        line->now++;
        carry(line, &line->to_host, &line->host);
        carry(line, &line->to_device, from);
        fp_link_poll(&line->host.link, line->now);
        fp_link_poll(&from->link, line->now);
    }
    for (int n = 0; n < 4; n++) {
        assert_true(fp_link_peek(&line->host.link, &frame));
        assert_int_equal(frame.size, sizes[n]);
        for (size_t i = 0; i < frame.size; i++)
            assert_int_equal(frame.payload[i], 'a' + n);
        fp_link_take(&line->host.link);
    }
    line_free(line);
}

#if FP_LINK_ADAPTS

/* Least shares of the line that payload has where it damages one byte in so
 * many. In 100,000: a frame in 100 is sent twice, and header, CRC, COBS and
 * zeros are 1.5 %. In 10,000: a frame in 24 is, and its header is one in 24. */
static void two_buffers_do_well_on_a_bad_line(void **state)
{
    static const double flips[] = { 1e-5, 1e-4 }, shares[] = { 0.974, 0.9 };

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct line *line = line_new(23);
        struct end *from = i % 2 ? &line->device : &line->host;
        double share;

        end_init(&line->host, true, 2048, 6451, 131072, &line->to_device,
                 line->now);
        end_init(&line->device, false, 1024, 2 * (1024 + 48), 2 * (1024 + 48),
                 &line->to_host, line->now);
        line_start(line);
        line->to_device.flip = line->to_host.flip = flips[i / 2];
        share = 4194304 / 92.16 / stream_ms(line, from, 4194304);
        assert_true(share > shares[i / 2]);
        line_free(line);
    }
}

static void frames_are_as_large_as_the_line_is_good(void **state)
{
    struct line *line = line_new(22);
    double ms;

    (void)state;
    end_init(&line->host, true, 4096, 16384, 32768, &line->to_device,
             line->now);
    end_init(&line->device, false, 4096, 16384, 16384, &line->to_host,
             line->now);
    line_start(line);
    stream_ms(line, &line->host, 262144);
    assert_int_equal(fp_link_payload(&line->host.link), 4096);

    /* One byte in 10,000: sqrt(18 * 10,000) is 424, which loses 4 % to frames
     * that come damaged and 4 % to their headers. */
    line->to_device.flip = 1e-4;
    stream_ms(line, &line->host, 1048576);
    ms = stream_ms(line, &line->host, 1048576);
    assert_in_range(fp_link_payload(&line->host.link), 300, 600);
    assert_true(1048576 / 92.16 / ms > 0.88);

    line->to_device.flip = 0;
    stream_ms(line, &line->host, 8 * 1048576);
    assert_int_equal(fp_link_payload(&line->host.link), 4096);
    line_free(line);
}

/* --- a device that goes deaf ----------------------------------------------- */

#endif

static void nothing_is_lost_while_flash_stalls_a_device(void **state)
{
    static const size_t rx_sizes[] = { 3300, FP_LINK_RX_MIN(1024) };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct line *line = line_new(7);
        struct fp_link_stats st;

        line->device.stall = true;
        end_init(&line->host, true, 1024, 8192, 32768, &line->to_device,
                 line->now);
        end_init(&line->device, false, 1024, 4096, rx_sizes[i], &line->to_host,
                 line->now);
        line->host.total = 1500;
        line_start(line);
        run(line, 3600000);
        assert_true(line->device.stalls > 50);
        assert_int_equal(line->device.lost_in_stall, 0);
        fp_link_get_stats(&line->device.link, &st);
        assert_int_equal(st.rx_damaged, 0);
        line_free(line);
    }
}

/* A device that erases is silent for longer than usual; nothing is lost, so
 * hardly anything may be sent twice once the host has learnt it. */
static void a_busy_device_is_waited_for(void **state)
{
    struct line *line = line_new(9);
    struct fp_link_stats st;

    (void)state;
    end_init(&line->host, true, 1024, 5529, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 1024, 8576, 8576, &line->to_host, line->now);
    line->host.size_max = 16;
    line_start(line);
    for (int i = 0; i < 40; i++) { /* short ones, one by one: quick answers */
        line->host.total++;
        run(line, 1000);
    }
    line->host.size_max = 1024;
    line->device.busy_ms = 70;
    line->host.total = 1000;
    run(line, 3600000);
    fp_link_get_stats(&line->host.link, &st);
    assert_in_range(st.retransmitted, 0, 20);
    line_free(line);
}

static void stalls_and_damage_together_still_deliver(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 26; seed++) {
        struct line *line = line_new(seed);

        print_message("seed %u\n", (unsigned)seed);
        line->device.stall = true;
        end_init(&line->host, true, 1024, 8192, 32768, &line->to_device,
                 line->now);
        end_init(&line->device, false, 512, 4096, 2048, &line->to_host,
                 line->now);
        line->host.size_max = line->device.size_max = 512;
        faults(line, seed % 2 ? 1e-4 : 5e-4);
        line->host.total = 500;
        line->device.total = 300;
        line_start(line);
        run(line, 3600000);
        line_free(line);
    }
}

static void an_idle_host_yields_when_asked_and_can_still_begin(void **state)
{
    struct line *line = line_new(3);

    (void)state;
    line->device.stall = true;
    end_init(&line->host, true, 256, 4096, 4096, &line->to_device, line->now);
    end_init(&line->device, false, 256, 1024, 1024, &line->to_host, line->now);
    line->host.size_max = 256;
    line_start(line);
    while (fp_link_state(&line->host.link) != FP_LINK_UP)
        tick(line);
    line->device.stall = false; /* no more holds but ours */
    assert_false(fp_link_may_stall(&line->device.link));
    fp_link_hold(&line->device.link);
    for (int i = 0; i < 50; i++)
        tick(line);
    assert_true(fp_link_may_stall(&line->device.link));

    /* The host has something to say: it stays silent until resume(). */
    line->host.total = 3;
    for (int i = 0; i < 30; i++)
        tick(line);
    assert_int_equal(line->device.got, 0);
    assert_true(fp_link_may_stall(&line->device.link));
    fp_link_resume(&line->device.link);
    assert_false(fp_link_may_stall(&line->device.link));
    run(line, 1000);

    /* The grant that follows is lost: the host asks. */
    fp_link_hold(&line->device.link);
    for (int i = 0; i < 50; i++)
        tick(line);
    line->to_host.drop = 1;
    fp_link_resume(&line->device.link);
    for (int i = 0; i < 30; i++)
        tick(line);
    line->to_host.drop = 0;
    line->host.total = 6;
    run(line, 5000);
    line_free(line);
}

/* --- sessions -------------------------------------------------------------- */

static void a_lost_link_is_noticed_and_starts_afresh(void **state)
{
    struct line *line = line_new(11);

    (void)state;
    end_init(&line->host, true, 1024, 8192, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 1024, 4096, 8192, &line->to_host, line->now);
    line->host.total = line->device.total = 200;
    line_start(line);
    for (int round = 1; round <= 20; round++) {
        uint32_t stop = 50 + rnd() % 400;

        for (uint32_t i = 0; i < stop; i++)
            tick(line);
        assert_int_equal(fp_link_session(&line->device.link), round);
        /* The host program dies; what is under way, half frames too, stays on
         * the line, and the new program counts its frames from 0. */
        line->host.sent = line->host.got = 0;
        line->device.sent = line->device.got = 0;
        line->device.salt += 100;
        line->host.salt += 100;
        line_start(line);
        while (fp_link_session(&line->device.link) == (uint32_t)round) {
            line->now++;
            carry(line, &line->to_device, &line->device);
            carry(line, &line->to_host, &line->host);
            fp_link_poll(&line->host.link, line->now);
            fp_link_poll(&line->device.link, line->now);
        }
    }
    while (!done(line))
        tick(line);
    line_free(line);
}

/* The first row of PROTOCOL.md's table, with the zero that goes before. */
static void the_handshake_has_the_bytes_of_the_protocol_page(void **state)
{
    static const uint8_t syn[] = { 0x00, 0x02, 0x11, 0x01, 0x04, 0x7a,
                                   0x07, 0x01, 0x0e, 0x04, 0x01, 0x02,
                                   0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                   0x17, 0xce, 0x4d, 0x96, 0x00 };
    struct line *line = line_new(16);

    (void)state;
    end_init(&line->host, true, 1024, 8192, 64 + 0x077a * 16, &line->to_device,
             line->now);
    fp_link_start(&line->host.link, (const uint8_t *)"\1\2\3\4\5\6\7\10",
                  line->now);
    fp_link_poll(&line->host.link, line->now);
    assert_int_equal(line->to_device.size, sizeof syn);
    assert_memory_equal(line->to_device.queue, syn, sizeof syn);
    line_free(line);
}

static void a_repeated_syn_is_answered_without_a_reset(void **state)
{
    struct line *line = line_new(12);

    (void)state;
    end_init(&line->host, true, 1024, 8192, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 1024, 4096, 8192, &line->to_host, line->now);
    line->to_host.drop = 1;
    line_start(line);
    for (int i = 0; i < 2000; i++)
        tick(line);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_SYNCING);
    assert_int_equal(fp_link_session(&line->device.link), 1);
    line->to_host.drop = 0;
    line->host.total = line->device.total = 20;
    run(line, 10000);
    assert_int_equal(fp_link_frame_max(&line->host.link), 1024);
    line_free(line);
}

static void a_dead_line_ends_in_down(void **state)
{
    struct line *line = line_new(13);

    (void)state;
    end_init(&line->host, true, 1024, 8192, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 1024, 4096, 8192, &line->to_host, line->now);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_DOWN);
    line_start(line);
    for (int i = 0; i < 100; i++)
        tick(line);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_UP);

    /* Silence is no failure while nothing is expected. */
    line->to_device.drop = line->to_host.drop = 1;
    for (int i = 0; i < 20000; i++)
        tick(line);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_UP);

    /* A busy device is waited for as long as it said, and 5 s more. */
    line->to_host.drop = 0;
    fp_link_send_busy(&line->device.link, 30000);
    for (int i = 0; i < 20; i++)
        tick(line);
    line->to_host.drop = 1;
    line->host.total = 1;
    for (int i = 0; i < 29000; i++)
        tick(line);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_UP);
    for (int i = 0; i < 7000; i++)
        tick(line);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_DOWN);
    assert_null(fp_link_alloc(&line->host.link, 1));
    line_free(line);
}

/* A device that was reset has no session and says so. */
static void a_device_that_was_reset_is_noticed_at_once(void **state)
{
    struct line *line = line_new(14);

    (void)state;
    end_init(&line->host, true, 1024, 8192, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 1024, 4096, 8192, &line->to_host, line->now);
    line_start(line);
    for (int i = 0; i < 100; i++)
        tick(line);
    end_init(&line->device, false, 1024, 4096, 8192, &line->to_host, line->now);
    line->host.total = 1;
    for (int i = 0; i < 100; i++)
        tick(line);
    assert_int_equal(fp_link_state(&line->host.link), FP_LINK_DOWN);
    line_free(line);
}

/* --- console --------------------------------------------------------------- */

static void text_between_frames_reaches_the_console(void **state)
{
    static const char boot[] = "boot: flash0 ok\r\n";
    struct line *line = line_new(15);
    struct fp_link_stats st;

    (void)state;
    end_init(&line->host, true, 1024, 8192, 32768, &line->to_device, line->now);
    end_init(&line->device, false, 1024, 4096, 8192, &line->to_host, line->now);
    /* without any zero, and byte by byte */
    for (size_t i = 0; i < sizeof boot - 1; i++)
        fp_link_input(&line->host.link, (const uint8_t *)boot + i, 1, 0);
    assert_int_equal(line->host.console_size, sizeof boot - 1);
    assert_memory_equal(line->host.console, boot, sizeof boot - 1);

    line_start(line);
    line->host.total = line->device.total = 20;
    run(line, 10000);
    fp_link_send_console(&line->device.link, (const uint8_t *)"\0hi\xff", 4);
    for (int i = 0; i < 10; i++)
        tick(line);
    assert_int_equal(line->host.console_size, sizeof boot - 1 + 4);
    assert_memory_equal(line->host.console + sizeof boot - 1, "\0hi\xff", 4);
    fp_link_get_stats(&line->host.link, &st);
    assert_int_equal(st.rx_damaged, 0);
    assert_int_equal(st.console_bytes, sizeof boot - 1 + 4);

    /* noise is no text */
    fp_link_input(&line->host.link, (const uint8_t *)"\x05\x81\x82\x02", 5,
                  line->now);
    fp_link_get_stats(&line->host.link, &st);
    assert_int_equal(st.rx_damaged, 1);
    line_free(line);
}

/* --- a hostile peer -------------------------------------------------------- */

static void inject(struct line *line, struct end *to, uint8_t kind, uint8_t seq,
                   uint8_t ack, uint16_t credit, size_t size)
{
    static uint8_t payload[6000], out[7000];
    struct fp_frame frame = { .kind = kind,
                              .has_ack = chance(0.9),
                              .seq = seq,
                              .ack = ack,
                              .credit = credit,
                              .payload = payload,
                              .size = size };
    struct fp_frame_encoder enc;
    size_t n;

    for (size_t i = 0; i < 40; i++)
        payload[i] = (uint8_t)rnd();
    if (kind <= FP_FRAME_SYNACK) { /* a likely one */
        payload[0] = 1;
        payload[1] = (uint8_t)rnd();
        payload[2] = (uint8_t)(rnd() % 8);
    }
    fp_frame_encode_begin(&enc, fp_crc32, &frame);
    n = fp_frame_encode(&enc, out, sizeof out);
    fp_link_input(&to->link, out, n, line->now);
}

/* Frames with good CRCs and any content, and bytes of any kind. What it must
 * not do is write beyond its buffers, hang or assert: ASan and UBSan look. */
static void a_hostile_peer_only_gets_refused(void **state)
{
    struct fp_link_frame frame;

    (void)state;
    for (uint64_t seed = 100; seed < 140; seed++) {
        struct line *line = line_new(seed);
        struct end *end = &line->device;
        bool host = seed % 4 == 0;

        end->stall = seed % 4 == 1;
        end_init(end, host, 256, 700, FP_LINK_RX_MIN(256) + rnd() % 2000,
                 &line->to_host, line->now);
        for (int i = 0; i < 8000; i++) {
            uint8_t noise[300];
            size_t size = rnd() % 8 ? rnd() % 300 : rnd() % 6000;

            line->now += rnd() % 40;
            if (host && fp_link_state(&end->link) == FP_LINK_DOWN)
                fp_link_start(&end->link, (const uint8_t *)"\1\2\3\4\5\6\7\10",
                              line->now);
            if (rnd() % 500 == 0) /* a new session now and then */
                inject(line, end, host ? FP_FRAME_SYNACK : FP_FRAME_SYN, 0, 0,
                       (uint16_t)rnd(), 11 + rnd() % 3);
            switch (rnd() % 8) {
            case 0:
                for (size_t k = 0; k < sizeof noise; k++)
                    noise[k] = (uint8_t)rnd();
                fp_link_input(&end->link, noise, rnd() % sizeof noise,
                              line->now);
                break;
            case 1:
                inject(line, end, (uint8_t)(3 + rnd() % 13), (uint8_t)rnd(),
                       (uint8_t)rnd(), (uint16_t)rnd(), size);
                break;
            case 2:
                inject(line, end, FP_FRAME_ACK, (uint8_t)rnd(),
                       (uint8_t)(end->link.tx_una + rnd() % 4), (uint16_t)rnd(),
                       rnd() % 9);
                break;
            default: /* close to what is awaited, whatever was granted */
                inject(line, end, (uint8_t)(3 + rnd() % 2),
                       (uint8_t)(end->link.rx_next + rnd() % 4),
                       (uint8_t)(end->link.tx_una + rnd() % 2), (uint16_t)rnd(),
                       rnd() % 270);
            }
            if (chance(0.3) && fp_link_peek(&end->link, &frame)) {
                assert_true(frame.size <= 256);
                for (size_t k = 0; k < frame.size; k++)
                    seed_state += frame.payload[k]; /* ASan reads it all */
                fp_link_take(&end->link);
            }
            if (chance(0.3)) {
                uint8_t *buf = fp_link_alloc(&end->link, rnd() % 257);

                if (buf != NULL)
                    fp_link_commit(&end->link, FP_FRAME_MSG, 0);
            }
            if (chance(0.01))
                fp_link_hold(&end->link);
            if (chance(0.05))
                fp_link_resume(&end->link);
            fp_link_poll(&end->link, line->now);
            line->to_host.size = rnd() % 2 ? 0 : line->to_host.size;
        }
        line_free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_line_never_retransmits),
        cmocka_unit_test(every_frame_comes_once_over_bad_lines),
        cmocka_unit_test(two_buffers_keep_the_line_at_work),
        cmocka_unit_test(one_buffer_each_way_keeps_the_line_at_work),
        cmocka_unit_test(large_frames_after_small_ones_go_once),
        cmocka_unit_test(room_that_is_not_used_is_not_in_the_way),
        cmocka_unit_test(what_arrives_early_gives_its_memory_back),
#if FP_LINK_ADAPTS
        cmocka_unit_test(two_buffers_do_well_on_a_bad_line),
        cmocka_unit_test(frames_are_as_large_as_the_line_is_good),
#endif
        cmocka_unit_test(nothing_is_lost_while_flash_stalls_a_device),
        cmocka_unit_test(a_busy_device_is_waited_for),
        cmocka_unit_test(stalls_and_damage_together_still_deliver),
        cmocka_unit_test(an_idle_host_yields_when_asked_and_can_still_begin),
        cmocka_unit_test(a_lost_link_is_noticed_and_starts_afresh),
        cmocka_unit_test(the_handshake_has_the_bytes_of_the_protocol_page),
        cmocka_unit_test(a_repeated_syn_is_answered_without_a_reset),
        cmocka_unit_test(a_dead_line_ends_in_down),
        cmocka_unit_test(a_device_that_was_reset_is_noticed_at_once),
        cmocka_unit_test(text_between_frames_reaches_the_console),
        cmocka_unit_test(a_hostile_peer_only_gets_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
