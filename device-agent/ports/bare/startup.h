/* SPDX-License-Identifier: MIT
 *
 * The start, and starting again.
 */
#ifndef FP_DEVICE_AGENT_PORTS_BARE_STARTUP_H
#define FP_DEVICE_AGENT_PORTS_BARE_STARTUP_H

#include <stdint.h>

/* Bytes of the stack that nobody has used since the start. */
uint32_t fp_bare_stack_free(void);
_Noreturn void fp_bare_restart(void);

#endif
