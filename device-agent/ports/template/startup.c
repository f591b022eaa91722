/* SPDX-License-Identifier: MIT
 *
 * From reset to main() on a Cortex-M: the vector table, the variables, the
 * stack. A vendor's startup code does as well.
 *
 * Whatever faults restarts the chip: an agent that hangs would be a device that
 * somebody has to walk to. The stack is painted at the start, so that it can be
 * seen how much of it was never needed.
 */
#include "port.h"

#define PAINT 0x5afe57ac

extern uint32_t fp_port_stack_start[], fp_port_stack_end[];
extern uint32_t fp_port_data_start[], fp_port_data_end[];
extern const uint32_t fp_port_data_source[];
extern uint32_t fp_port_bss_start[], fp_port_bss_end[];

int main(void);
void fp_port_reset_handler(void);
void fp_port_uart_handler(void);
void fp_port_tick_handler(void);

/* Nothing may be called before this is done. What is below this function's own
 * frame is painted; nobody else has one yet. */
void fp_port_reset_handler(void)
{
    uint32_t *frame = __builtin_frame_address(0);
    const uint32_t *src = fp_port_data_source;

    for (uint32_t *p = fp_port_stack_start; p < frame - 16; p++)
        *(volatile uint32_t *)p = PAINT;
    for (uint32_t *p = fp_port_data_start; p < fp_port_data_end; p++)
        *p = *src++;
    for (uint32_t *p = fp_port_bss_start; p < fp_port_bss_end; p++)
        *(volatile uint32_t *)p = 0;
    (void)main();
    fp_port_restart();
}

uint32_t fp_port_stack_free(void)
{
    const uint32_t *p = fp_port_stack_start;

    while (p < fp_port_stack_end && *p == PAINT)
        p++;
    return (uint32_t)(p - fp_port_stack_start) * 4;
}

/* Source: ARMv6-M Architecture Reference Manual, B1.5.3; the chip's interrupts
 * stand behind the 16 of the core, by their numbers. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[15 + 32])(void);
} vectors = {
    .stack = fp_port_stack_end,
    .handlers = {
        [0] = fp_port_reset_handler,
        [1] = fp_port_restart,  /* NMI */
        [2] = fp_port_restart,  /* HardFault */
        [3] = fp_port_restart,  /* those of a Cortex-M3 and larger */
        [4] = fp_port_restart,
        [5] = fp_port_restart,
        [10] = fp_port_restart, /* SVCall */
        [13] = fp_port_restart, /* PendSV */
        [14] = fp_port_restart, /* SysTick */
        /* FILL IN vectors: the UART's interrupt and the tick's. */
    },
};
