/* SPDX-License-Identifier: MIT
 *
 * A key that both ends have (PROTOCOL.md, "Keys"). Hello carries a challenge
 * each way and the device's proof back; the host's proof comes in Auth, and
 * before it nothing else is served. A challenge serves for one proof, right or
 * wrong, and is gone with its session.
 */
#include "device-agent/private.h"

#include "core/digest/hmac.h"

#include <string.h>

#if FP_AGENT_AUTH

static const char device_label[] = "flashport device v1";
static const char host_label[] = "flashport host v1";

/* The label's NUL is of it, so that none is the beginning of another. */
static void prove(struct fp_agent *agent, const char *label,
                  uint8_t mac[FP_HMAC_SIZE])
{
    const struct fp_agent_config *cfg = agent->cfg;
    struct fp_hmac hmac;

    fp_hmac_init(&hmac, cfg->key, cfg->key_size);
    fp_hmac_update(&hmac, label, strlen(label) + 1);
    fp_hmac_update(&hmac, agent->seed.host_nonce,
                   sizeof agent->seed.host_nonce);
    fp_hmac_update(&hmac, agent->challenge, sizeof agent->challenge);
    fp_hmac_update(&hmac, cfg->id, strlen(cfg->id));
    fp_hmac_final(&hmac, mac);
}

bool fp_agent_trusts(const struct fp_agent *agent)
{
    return agent->cfg->key == NULL || agent->is_proven;
}

void fp_agent_auth_drop(struct fp_agent *agent)
{
    agent->has_challenge = agent->is_proven = false;
}

int fp_agent_challenge(struct fp_agent *agent, struct fp_agent_task *task,
                       size_t nonce_size)
{
    const struct fp_agent_config *cfg = agent->cfg;

    agent->is_proven = false;
    agent->has_challenge = false;
    if (cfg->key == NULL)
        return FP_OK;
    if (nonce_size != sizeof agent->seed.host_nonce)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "a Hello's nonce is 8 bytes");
    if (!cfg->entropy(cfg->ctx, agent->challenge, sizeof agent->challenge))
        return fp_agent_because(task, FP_ERR_IO,
                                "no random numbers for a challenge");
    agent->has_challenge = true;
    return FP_OK;
}

void fp_agent_tell_proof(struct fp_agent *agent, fp_HelloReply *hello)
{
    if (agent->cfg->key == NULL)
        return;
    hello->features |= fp_Feature_FEATURE_AUTH;
    hello->nonce.size = sizeof agent->challenge;
    memcpy(hello->nonce.bytes, agent->challenge, sizeof agent->challenge);
    hello->proof.size = FP_HMAC_SIZE;
    prove(agent, device_label, hello->proof.bytes);
}

int fp_agent_auth_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    uint8_t mac[FP_HMAC_SIZE];

    if (agent->cfg->key == NULL)
        return fp_agent_because(task, FP_ERR_NOTSUP, "this device has no key");
    if (!agent->has_challenge)
        return fp_agent_because(task, FP_ERR_PROTO,
                                "a proof answers a HelloReply, once");
    agent->has_challenge = false;
    prove(agent, host_label, mac);
    if (in->body.auth.proof.size != sizeof mac ||
        !fp_hmac_equal(mac, in->body.auth.proof.bytes))
        return fp_agent_because(task, FP_ERR_ACCES,
                                "the proof is wrong: the host has another key");
    agent->is_proven = true;
    fp_agent_take_zone(agent);
    return FP_OK;
}

int fp_agent_auth_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    return fp_agent_done(agent, task);
}

#endif
