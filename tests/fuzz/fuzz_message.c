/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a message and as a record of a BULK frame. What is accepted is
 * within its bounds, and means the same after it was written and read again.
 * What codec.c accepts is the same to nanopb.
 */
#include "proto/codec.h"
#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void message(const uint8_t *data, size_t size)
{
    static fp_Envelope env, again;
    static uint8_t buf[2][2048];
    int n, m;

    memset(&env, 0, sizeof env);
    if (fp_message_decode(&env, data, size) != 0) {
        if (env.which_body != 0)
            abort();
        return;
    }
    n = fp_message_encode(&env, buf[0], sizeof buf[0]);
    if (n < 0 || fp_message_decode(&again, buf[0], (size_t)n) != 0)
        abort();
    m = fp_message_encode(&again, buf[1], sizeof buf[1]);
    if (m != n || memcmp(buf[0], buf[1], (size_t)n) != 0)
        abort();
}

static void small(const uint8_t *data, size_t size)
{
    static fp_Envelope ours, theirs;
    static uint8_t buf[2][2048];
    int n;

    memset(&ours, 0xa5, sizeof ours);
    if (fp_codec_decode(&ours, data, size) != 0) {
        if (ours.which_body != 0)
            abort();
        return;
    }
    if (fp_message_decode(&theirs, data, size) != 0)
        abort();
    n = fp_message_encode(&theirs, buf[0], sizeof buf[0]);
    if (n < 0 || fp_codec_encode(&ours, buf[1], sizeof buf[1]) != n ||
        memcmp(buf[0], buf[1], (size_t)n) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fp_bulk rec;

    message(data, size);
    small(data, size);
    if (fp_bulk_parse(&rec, data, size) == 0 && rec.type == FP_BULK_RAW &&
        rec.data + rec.size != data + size)
        abort();
    return 0;
}
