/* SPDX-License-Identifier: MIT
 *
 * What the chip knows of itself.
 */
#include "device-agent/ports/ast1030-evb/chip.h"
#include "device-agent/ports/bare/port.h"

void fp_port_serial(uint32_t serial[2])
{
    serial[0] = SCU_CHIP_ID1;
    serial[1] = SCU_CHIP_ID0;
}

/* What its generator needs to be trusted is not public; a constant that was
 * taken for chance would do harm, none does not. */
bool fp_port_random(uint8_t *buf, size_t size)
{
    (void)buf;
    (void)size;
    return false;
}

uint32_t fp_port_boot_reason(void)
{
    return 0; /* unknown, for the same reason */
}
