/* SPDX-License-Identifier: MIT
 *
 * What every Cortex-M has: interrupts that can be locked out, sleep, and the
 * registers of the core that these ports use.
 *
 * Source: ARMv6-M Architecture Reference Manual, B3.2 to B3.4; ARMv7-M, alike
 */
#ifndef FP_DEVICE_AGENT_PORTS_BARE_CPU_H
#define FP_DEVICE_AGENT_PORTS_BARE_CPU_H

#include <stdint.h>

#define FP_BARE_REGISTER(addr) (*(volatile uint32_t *)(addr))

#define SYST_CSR        FP_BARE_REGISTER(0xe000e010)
#define SYST_CSR_ON     7u /* counts the CPU's clock, and interrupts */
#define SYST_RVR        FP_BARE_REGISTER(0xe000e014)
#define SYST_CVR        FP_BARE_REGISTER(0xe000e018)
#define NVIC_ISER       FP_BARE_REGISTER(0xe000e100) /* of 0 to 31 */
#define SCB_AIRCR       FP_BARE_REGISTER(0xe000ed0c)
#define SCB_AIRCR_RESET 0x05fa0004u

static inline void fp_bare_lock(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

static inline void fp_bare_unlock(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

/* An interrupt wakes the CPU even while it is locked out, so none is missed
 * between looking, locked, and sleeping. */
static inline void fp_bare_sleep(void)
{
    __asm volatile("wfi" ::: "memory");
}

#endif
