/* SPDX-License-Identifier: MIT
 *
 * Time: one timer counts microseconds, another interrupts each millisecond, so
 * that the main loop wakes.
 *
 * Interrupts are late while flash stalls the CPU, for 22 ms when a page is
 * erased. So they do not count: time is read off the first timer, which goes
 * on.
 */
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/microbit/chip.h"

#define TICK_US 1000u

static uint32_t now_ms;
static uint32_t now_us; /* of the timer, at now_ms */

void fp_port_tick_handler(void);

/* The crystal: the oscillator that runs without is too inexact for a UART. */
static void start_crystal(void)
{
    CLOCK_EVENTS_HFCLKSTARTED = 0;
    CLOCK_TASKS_HFCLKSTART = 1;
    while (CLOCK_EVENTS_HFCLKSTARTED == 0)
        ;
}

void fp_port_clock_init(void)
{
    start_crystal();
    TIMER0_BITMODE = TIMER_BITMODE_32;
    TIMER0_PRESCALER = TIMER_PRESCALER_1MHZ;
    TIMER0_TASKS_START = 1;
    TIMER1_PRESCALER = TIMER_PRESCALER_1MHZ;
    TIMER1_CC0 = TICK_US;
    TIMER1_SHORTS = TIMER_SHORT_CLEAR0;
    TIMER1_INTENSET = TIMER_INT_COMPARE0;
    NVIC_ISER = 1u << FP_PORT_IRQ_TIMER1;
    TIMER1_TASKS_START = 1;
}

/* That it came is all. */
void fp_port_tick_handler(void)
{
    TIMER1_EVENTS_COMPARE0 = 0;
}

static uint32_t timer_us(void)
{
    TIMER0_TASKS_CAPTURE0 = 1;
    return TIMER0_CC0;
}

uint32_t fp_port_now_ms(void)
{
    uint32_t passed_ms = (timer_us() - now_us) / 1000;

    now_us += passed_ms * 1000;
    now_ms += passed_ms;
    return now_ms;
}
