/* SPDX-License-Identifier: MIT
 *
 * For targets whose input chooses what happens: its bytes are eaten from the
 * front, and behind its end there are zeros. And a message that is spoilt: what
 * libFuzzer would take long to find by itself, since it is framed, encoded and
 * checked on its way.
 */
#ifndef TESTS_FUZZ_CHOICE_H
#define TESTS_FUZZ_CHOICE_H

#include "proto/message.h"

#include <stdint.h>
#include <string.h>

struct choice {
    const uint8_t *at, *end;
};

static inline uint8_t choose(struct choice *c)
{
    return c->at < c->end ? *c->at++ : 0;
}

static inline uint16_t choose16(struct choice *c)
{
    uint16_t high = choose(c);

    return (uint16_t)(high << 8 | choose(c));
}

/* A number that somebody may have forgotten to think of. */
static inline uint64_t choose_number(struct choice *c)
{
    uint8_t how = choose(c);

    switch (how & 7) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX >> (how >> 3);
    case 2:
        return 1ull << (how >> 3);
    default:
        return choose16(c);
    }
}

/* Some bytes of the message's struct are others. nanopb refuses to write what
 * is out of its bounds, all else travels. */
static inline void spoil(struct choice *c, fp_Envelope *env)
{
    uint8_t *body = (uint8_t *)&env->body;

    for (unsigned i = choose(c) % 4u; i < 4; i++) {
        size_t at = choose16(c) % sizeof env->body;
        uint64_t value = choose_number(c);
        size_t size = 1u << (choose(c) & 3);

        if (size > sizeof env->body - at)
            size = sizeof env->body - at;
        memcpy(body + at, &value, size);
    }
}

#endif
