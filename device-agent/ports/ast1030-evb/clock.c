/* SPDX-License-Identifier: MIT
 *
 * Time: the core's own timer, which counts down and interrupts each
 * millisecond. Nothing locks interrupts out for as long as that.
 */
#include "device-agent/ports/ast1030-evb/chip.h"
#include "device-agent/ports/bare/port.h"

static volatile uint32_t now_ms;

void fp_port_systick_handler(void);

void fp_port_clock_init(void)
{
    SYST_RVR = CPU_HZ / 1000 - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ON;
}

void fp_port_systick_handler(void)
{
    now_ms++;
}

uint32_t fp_port_now_ms(void)
{
    return now_ms;
}
