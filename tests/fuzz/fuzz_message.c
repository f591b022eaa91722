/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a message and as a record of a BULK frame. What is accepted is
 * within its bounds, and means the same after it was written and read again.
 */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fp_bulk rec;

    message(data, size);
    if (fp_bulk_parse(&rec, data, size) == 0 && rec.type == FP_BULK_RAW &&
        rec.data + rec.size != data + size)
        abort();
    return 0;
}
