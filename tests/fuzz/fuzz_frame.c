/* SPDX-License-Identifier: MIT
 *
 * Any bytes into the decoder and into a link. The first byte chooses the end
 * and its buffers; each byte 0xfe in the rest starts a frame whose CRC is made
 * good, so that the code behind the check is reached as well.
 */
#include "core/digest/crc32.h"
#include "proto/link.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t on_send(void *ctx, const uint8_t *buf, size_t size)
{
    const uint8_t *limit = ctx;

    (void)buf;
    return size < *limit ? size : *limit;
}

static void decode_alone(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    struct fp_frame frame;

    if (copy == NULL)
        return;
    memcpy(copy, data, size);
    if (fp_frame_decode(&frame, fp_crc32, copy, size) &&
        frame.payload + frame.size > copy + size)
        abort();
    free(copy);
}

/* data[0..size): kind, seq, ack, credit, payload. */
static void input_frame(struct fp_link *link, const uint8_t *data, size_t size,
                        uint32_t now_ms)
{
    uint8_t out[1024];
    struct fp_frame_encoder enc;
    struct fp_frame frame = { .kind = data[0] & 15,
                              .has_ack = (data[0] & 16) != 0,
                              .seq = data[1],
                              .ack = data[2],
                              .credit = data[3],
                              .payload = data + 4,
                              .size = size - 4 };
    size_t n;

    fp_frame_encode_begin(&enc, fp_crc32, &frame);
    n = fp_frame_encode(&enc, out, sizeof out);
    fp_link_input(link, out, n, now_ms);
}

static void use(struct fp_link *link, uint8_t what, uint32_t now_ms)
{
    struct fp_link_frame frame;

    if (what & 1 && fp_link_peek(link, &frame)) {
        if (frame.size > 128)
            abort();
        fp_link_take(link);
    }
    if (what & 2 && fp_link_alloc(link, what) != NULL)
        fp_link_commit(link, FP_FRAME_MSG, 0);
    if (what & 4)
        fp_link_hold(link);
    if (what & 8)
        fp_link_resume(link);
    fp_link_poll(link, now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t limit;
    struct fp_link_config cfg;
    static struct fp_link link;
    uint32_t now_ms = 0xfffffff0u;

    if (size < 2)
        return 0;
    decode_alone(data, size);
    limit = data[1];
    cfg = (struct fp_link_config){
        .crc32 = fp_crc32,
        .send = on_send,
        .ctx = &limit,
        .host = data[0] & 1,
        .rx_stall = data[0] & 2,
        .frame_max = 128,
        .tx_size = 2 * (128 + FP_FRAME_OVERHEAD),
        .rx_size = 2 * (128 + FP_FRAME_OVERHEAD) + (data[0] & 0xf0u),
    };
    cfg.tx_buf = malloc(cfg.tx_size);
    cfg.rx_buf = malloc(cfg.rx_size);
    if (cfg.tx_buf == NULL || cfg.rx_buf == NULL)
        abort();
    fp_link_init(&link, &cfg, now_ms);
    if (cfg.host)
        fp_link_start(&link, (const uint8_t *)"\1\1\1\1\1\1\1\1", now_ms);

    data += 2;
    size -= 2;
    while (size > 0) {
        const uint8_t *next = memchr(data + 1, 0xfe, size - 1);
        size_t n = next != NULL ? (size_t)(next - data) : size;

        if (data[0] == 0xfe && n >= 6 && n < 900)
            input_frame(&link, data + 2, n - 2, now_ms);
        else
            fp_link_input(&link, data, n, now_ms);
        now_ms += n;
        use(&link, data[n > 1], now_ms);
        data += n;
        size -= n;
    }
    free(cfg.tx_buf);
    free(cfg.rx_buf);
    return 0;
}
