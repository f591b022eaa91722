/* SPDX-License-Identifier: MIT
 *
 * nanopb does the parsing, or codec.c where that is to be small; here are the
 * rules that nanopb does not know: the whole payload is one message, and it
 * has a body.
 */
#include "proto/message.h"

#if !FP_MESSAGE_SMALL
#include <pb_decode.h>
#include <pb_encode.h>
#endif
#include <string.h>

#if !FP_MESSAGE_SMALL
int fp_message_encode(const fp_Envelope *env, uint8_t *buf, size_t size)
{
    pb_ostream_t out = pb_ostream_from_buffer(buf, size);

    if (env->which_body == 0)
        return -fp_Error_ERROR_INVAL;
    if (pb_encode(&out, fp_Envelope_fields, env))
        return (int)out.bytes_written;

    /* Told apart by measuring, since nanopb says it only in words. */
    if (!pb_get_encoded_size(&size, fp_Envelope_fields, env))
        return -fp_Error_ERROR_INVAL;
    return -fp_Error_ERROR_FBIG;
}

int fp_message_decode(fp_Envelope *env, const uint8_t *buf, size_t size)
{
    pb_istream_t in = pb_istream_from_buffer(buf, size);

    if (pb_decode(&in, fp_Envelope_fields, env))
        return env->which_body != 0 ? 0 : -fp_Error_ERROR_NOTSUP;
    env->which_body = 0; /* half a body is none */
    return -fp_Error_ERROR_PROTO;
}
#endif

bool fp_message_set_bytes(pb_size_t *size, pb_byte_t *bytes, size_t capacity,
                          const void *src, size_t n)
{
    *size = 0;
    if (n > capacity)
        return false;
    if (n > 0)
        memcpy(bytes, src, n);
    *size = (pb_size_t)n;
    return true;
}

bool fp_message_is_bytes(size_t size, const pb_byte_t *bytes, const void *src,
                         size_t n)
{
    return size == n && (n == 0 || memcmp(bytes, src, n) == 0);
}

size_t fp_bulk_put_raw(uint8_t *payload, uint8_t stream, size_t size)
{
    payload[0] = stream;
    payload[1] = FP_BULK_RAW;
    return FP_BULK_RAW_HEADER + size;
}

size_t fp_bulk_put_lz4(uint8_t *payload, uint8_t stream, size_t size)
{
    payload[0] = stream;
    payload[1] = FP_BULK_LZ4;
    return FP_BULK_RAW_HEADER + size;
}

size_t fp_bulk_put_fill(uint8_t *payload, uint8_t stream, uint8_t fill,
                        uint32_t size)
{
    payload[0] = stream;
    payload[1] = FP_BULK_FILL;
    payload[2] = fill;
    for (int i = 0; i < 4; i++)
        payload[3 + i] = (uint8_t)(size >> 8 * i);
    return FP_BULK_FILL_SIZE;
}

int fp_bulk_parse(struct fp_bulk *rec, const uint8_t *payload, size_t size)
{
    uint8_t type;

    if (size < 2 || payload[0] == 0)
        return -fp_Error_ERROR_PROTO;
    type = payload[1];
    rec->stream = payload[0];
    rec->type = (enum fp_bulk_type)type;
    rec->fill = 0;
    rec->data = payload + FP_BULK_RAW_HEADER;
    rec->size = (uint32_t)(size - FP_BULK_RAW_HEADER);
    if (type == FP_BULK_FILL) {
        if (size != FP_BULK_FILL_SIZE)
            return -fp_Error_ERROR_PROTO;
        rec->fill = payload[2];
        rec->data = NULL;
        rec->size = payload[3] | (uint32_t)payload[4] << 8 |
                    (uint32_t)payload[5] << 16 | (uint32_t)payload[6] << 24;
    } else if (type != FP_BULK_RAW && type != FP_BULK_LZ4) {
        return -fp_Error_ERROR_PROTO;
    }
    return rec->size == 0 ? -fp_Error_ERROR_PROTO : 0;
}
