/* SPDX-License-Identifier: MIT
 *
 * Answers: one envelope is built at a time, in agent->message, and encoded straight
 * into the link's buffer.
 */
#include "device-agent/private.h"

#include <string.h>

/* Nothing waits for it, or a small answer would wait behind all that one large
 * transfer could queue. */
bool fp_agent_wire_is_free(struct fp_agent *agent)
{
    if (fp_link_backlog(&agent->link) > 0)
        (void)fp_link_poll(&agent->link, agent->now_ms);
    return fp_link_backlog(&agent->link) == 0;
}

bool fp_agent_has_room(struct fp_agent *agent, size_t size)
{
    size_t max = fp_link_frame_max(&agent->link);

    if (!fp_agent_wire_is_free(agent))
        return false;
    if (fp_link_alloc(&agent->link, size < max ? size : max) != NULL)
        return true;
    agent->wants_room = true;
    return false;
}

#if FP_AGENT_STATS
uint64_t fp_agent_now_us(const struct fp_agent *agent)
{
    return agent->cfg->clock_us != NULL ? agent->cfg->clock_us(agent->cfg->ctx)
                                        : 0;
}
#else
#define fp_agent_now_us(agent) 0
#endif

void fp_agent_hash(struct fp_agent *agent, struct fp_sha256 *sha,
                   const uint8_t *buf, uint32_t size)
{
    uint64_t from_us = fp_agent_now_us(agent);

    (void)from_us; /* where nothing is counted */
    fp_sha256_update(sha, buf, size);
    if (agent->cfg->hashed != NULL)
        agent->cfg->hashed(agent->cfg->ctx, size);
    FP_AGENT_COUNT(agent, hash_us, fp_agent_now_us(agent) - from_us);
}

fp_Envelope *fp_agent_out(struct fp_agent *agent, uint32_t id, pb_size_t tag)
{
    fp_Envelope *out = &agent->message;

    memset(out, 0, sizeof *out);
    out->id = id;
    out->which_body = tag;
    return out;
}

int fp_agent_send(struct fp_agent *agent)
{
    size_t max = fp_link_frame_max(&agent->link);
    uint8_t *frame = fp_link_alloc(&agent->link, max);
    int size;

    if (frame == NULL && max > FP_AGENT_BRIEF) {
        max = FP_AGENT_BRIEF;
        frame = fp_link_alloc(&agent->link, max);
    }
    if (frame == NULL)
        return FP_ERR_NOMEM;
    size = fp_message_encode(&agent->message, frame, max);
    if (size < 0)
        return size;
    fp_link_commit(&agent->link, FP_FRAME_MSG, (size_t)size);
    agent->queued += (uint32_t)size;
    return FP_OK;
}

int fp_agent_send_part(struct fp_agent *agent, bool last)
{
    int err = fp_agent_send(agent);

    return err || last ? err : FP_AGENT_MORE;
}

/* Cut before a UTF-8 sequence, never within one. */
void fp_agent_text(void *field, size_t capacity, const char *text)
{
    pb_bytes_array_t *to = field;
    size_t size = strlen(text);

    if (size > capacity)
        for (size = capacity; size > 0; size--)
            if (((uint8_t)text[size] & 0xc0) != 0x80)
                break;
    memcpy(to->bytes, text, size);
    to->size = (pb_size_t)size;
}

void fp_agent_append(char *dst, size_t size, const char *text)
{
    size_t at = strlen(dst), n = strlen(text);

    if (n > size - 1 - at)
        n = size - 1 - at;
    memcpy(dst + at, text, n);
    dst[at + n] = '\0';
}
