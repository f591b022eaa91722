/* SPDX-License-Identifier: MIT
 *
 * From reset to main() on a Cortex-M: the vector table, the variables, the
 * stack. sections.ld says where they lie.
 *
 * Whatever faults restarts the chip: an agent that hangs would be a device that
 * somebody has to walk to. The stack is painted at the start, so that it can be
 * seen how much of it was never needed.
 */
#include "device-agent/ports/bare/startup.h"
#include "device-agent/ports/bare/cpu.h"

#define PAINT 0x5afe57ac

extern uint32_t fp_bare_stack_start[], fp_bare_stack_end[];
extern uint32_t fp_bare_data_start[], fp_bare_data_end[];
extern const uint32_t fp_bare_data_source[];
extern uint32_t fp_bare_bss_start[], fp_bare_bss_end[];

int main(void);
void fp_bare_reset_handler(void);

/* Nothing may be called before this is done. What is below this function's own
 * frame is painted; nobody else has one yet. */
void fp_bare_reset_handler(void)
{
    uint32_t *frame = __builtin_frame_address(0);
    const uint32_t *src = fp_bare_data_source;

    for (uint32_t *p = fp_bare_stack_start; p < frame - 16; p++)
        *(volatile uint32_t *)p = PAINT;
    for (uint32_t *p = fp_bare_data_start; p < fp_bare_data_end; p++)
        *p = *src++;
    for (uint32_t *p = fp_bare_bss_start; p < fp_bare_bss_end; p++)
        *(volatile uint32_t *)p = 0;
    (void)main();
    fp_bare_restart();
}

uint32_t fp_bare_stack_free(void)
{
    const uint32_t *p = fp_bare_stack_start;

    while (p < fp_bare_stack_end && *p == PAINT)
        p++;
    return (uint32_t)(p - fp_bare_stack_start) * 4;
}

void fp_bare_restart(void)
{
    SCB_AIRCR = SCB_AIRCR_RESET;
    for (;;)
        ;
}

/* A board that lets it tick has a handler of its own. */
__attribute__((weak, alias("fp_bare_restart"))) void fp_port_systick_handler(
    void);

/* The part of the table that is the core's; a board's own interrupts follow, by
 * number of the peripheral, in its section .vectors.port.
 * Source: ARMv6-M Architecture Reference Manual, B1.5.3; ARMv7-M, B1.5.3 */
__attribute__((section(".vectors.core"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors = {
    .stack = fp_bare_stack_end,
    .handlers = {
        [0] = fp_bare_reset_handler,
        [1] = fp_bare_restart, /* NMI */
        [2] = fp_bare_restart, /* HardFault */
        [3] = fp_bare_restart, /* MemManage, from here on ARMv7-M's */
        [4] = fp_bare_restart, /* BusFault */
        [5] = fp_bare_restart, /* UsageFault */
        [10] = fp_bare_restart, /* SVCall */
        [11] = fp_bare_restart, /* DebugMonitor, ARMv7-M's */
        [13] = fp_bare_restart, /* PendSV */
        [14] = fp_port_systick_handler,
    },
};
