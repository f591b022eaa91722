/* SPDX-License-Identifier: MIT
 *
 * The rate of a wire that has one (PROTOCOL.md, "Rates"): raised on request,
 * and back where the new one does not carry.
 *
 *   SAFE ──SetRate──► DUE ──Done has left──► TRIED ──a message came──► RAISED
 *    ▲                                         │ confirm_ms passed        │
 *    └──────────── the rate before ◄───────────┘     silence or noise ────┘
 *
 * No frame is lost by it for good: what a switch tears is sent again.
 */
#include "device-agent/private.h"

#if FP_AGENT_RATES

#define LEAVE_MS    300  /* for the Done to be acknowledged */
#define SILENCE_MS  5000 /* a host at a raised rate speaks every 2 s */
#define NOISE_MS    1500 /* ... and one at another rate sounds like this */
#define STEP_MS     250  /* longer between two polls this end was deaf */
#define CONFIRM_MIN 100
#define CONFIRM_MAX 5000

void fp_agent_rate_init(struct fp_agent *agent)
{
    const struct fp_agent_config *cfg = agent->cfg;

    agent->rate.now = cfg->set_rate != NULL ? cfg->rates[0] : 0;
    agent->rate.polled_ms = agent->now_ms;
}

bool fp_agent_rate_is_due(const struct fp_agent *agent)
{
    return agent->rate.state == FP_AGENT_RATE_DUE;
}

static bool has_rate(const struct fp_agent_config *cfg, uint32_t baud)
{
    for (uint32_t i = 0; i < cfg->rate_count; i++)
        if (cfg->rates[i] == baud)
            return true;
    return false;
}

void fp_agent_tell_rates(struct fp_agent *agent, fp_HelloReply *hello)
{
    const struct fp_agent_config *cfg = agent->cfg;
    const pb_size_t max = sizeof hello->rates / sizeof hello->rates[0];

    if (cfg->set_rate == NULL)
        return;
    hello->features |= fp_Feature_FEATURE_SET_RATE;
    for (uint32_t i = 0; i < cfg->rate_count && hello->rates_count < max; i++)
        hello->rates[hello->rates_count++] = cfg->rates[i];
}

/* ---- the request ---- */

int fp_agent_set_rate_start(struct fp_agent *agent, struct fp_agent_task *task,
                            const fp_Envelope *in)
{
    const fp_SetRateRequest *ask = &in->body.set_rate;
    struct fp_agent_rate *rate = &agent->rate;

    if (agent->cfg->set_rate == NULL)
        return fp_agent_because(task, FP_ERR_NOTSUP,
                                "the rate of this wire is fixed");
    if (!has_rate(agent->cfg, ask->baud) || ask->confirm_ms < CONFIRM_MIN ||
        ask->confirm_ms > CONFIRM_MAX)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "the rate is one of HelloReply's, confirm_ms "
                                "100 to 5000");
    if (rate->state == FP_AGENT_RATE_DUE || rate->state == FP_AGENT_RATE_TRIED)
        return fp_agent_because(task, FP_ERR_BUSY, "a rate is being tried");
    rate->wanted = ask->baud;
    rate->confirm_ms = ask->confirm_ms;
    return FP_OK;
}

int fp_agent_set_rate_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    agent->rate.state = FP_AGENT_RATE_DUE;
    agent->rate.since_ms = agent->now_ms;
    return fp_agent_done(agent, task);
}

/* ---- the switch, and back ---- */

static void go(struct fp_agent *agent, uint32_t baud,
               enum fp_agent_rate_state state)
{
    struct fp_agent_rate *rate = &agent->rate;

    if (agent->cfg->set_rate(agent->cfg->ctx, baud))
        rate->now = baud;
    else /* the host hears nothing where it expects us, and is back soon */
        state = rate->now == agent->cfg->rates[0] ? FP_AGENT_RATE_SAFE
                                                  : FP_AGENT_RATE_RAISED;
    rate->state = state;
    rate->since_ms = agent->now_ms;
    rate->silent_ms = 0;
    rate->noise = false;
}

static void go_safe(struct fp_agent *agent)
{
    go(agent, agent->cfg->rates[0], FP_AGENT_RATE_SAFE);
}

void fp_agent_rate_confirm(struct fp_agent *agent)
{
    if (agent->rate.state == FP_AGENT_RATE_TRIED)
        agent->rate.state = agent->rate.now == agent->cfg->rates[0]
                                ? FP_AGENT_RATE_SAFE
                                : FP_AGENT_RATE_RAISED;
}

void fp_agent_rate_hear(struct fp_agent *agent)
{
    struct fp_agent_rate *rate = &agent->rate;
    struct fp_link_stats st;

    fp_link_get_stats(&agent->link, &st);
    rate->noise = st.rx_frames == rate->heard;
    if (!rate->noise)
        rate->silent_ms = 0;
    rate->heard = st.rx_frames;
}

/* Nobody is at this rate any more. */
static bool is_deserted(struct fp_agent *agent, uint32_t past_ms)
{
    struct fp_agent_rate *rate = &agent->rate;

    rate->silent_ms += past_ms < STEP_MS ? past_ms : STEP_MS;
    return rate->silent_ms >= (rate->noise ? NOISE_MS : SILENCE_MS) ||
           fp_link_state(&agent->link) == FP_LINK_DOWN;
}

void fp_agent_rate_watch(struct fp_agent *agent)
{
    struct fp_agent_rate *rate = &agent->rate;
    uint32_t past_ms = agent->now_ms - rate->polled_ms;
    uint32_t since_ms = agent->now_ms - rate->since_ms;

    rate->polled_ms = agent->now_ms;
    switch (rate->state) {
    case FP_AGENT_RATE_SAFE:
        break;
    case FP_AGENT_RATE_DUE:
        if (!fp_link_idle(&agent->link) && since_ms < LEAVE_MS)
            break;
        rate->before = rate->now;
        go(agent, rate->wanted, FP_AGENT_RATE_TRIED);
        break;
    case FP_AGENT_RATE_TRIED:
        if (since_ms >= rate->confirm_ms)
            go(agent, rate->before,
               rate->before == agent->cfg->rates[0] ? FP_AGENT_RATE_SAFE
                                                    : FP_AGENT_RATE_RAISED);
        break;
    case FP_AGENT_RATE_RAISED:
        if (is_deserted(agent, past_ms))
            go_safe(agent);
        break;
    }
}

#endif
