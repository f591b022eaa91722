/* SPDX-License-Identifier: MIT
 *
 * What the chip knows of itself: its id, why it started, and chance.
 */
#include "device-agent/ports/microbit/chip.h"
#include "device-agent/ports/bare/port.h"

void fp_port_serial(uint32_t serial[2])
{
    serial[0] = FICR_DEVICEID1;
    serial[1] = FICR_DEVICEID0;
}

/* From the noise of a diode; 0.7 ms a byte. */
bool fp_port_random(uint8_t *buf, size_t size)
{
    RNG_CONFIG = RNG_CONFIG_UNBIAS;
    RNG_EVENTS_VALRDY = 0;
    RNG_TASKS_START = 1;
    for (size_t i = 0; i < size; i++) {
        while (RNG_EVENTS_VALRDY == 0)
            ;
        RNG_EVENTS_VALRDY = 0;
        buf[i] = (uint8_t)RNG_VALUE;
    }
    RNG_TASKS_STOP = 1;
    return true;
}

/* The reasons add up until they are cleared; none is set by power. */
uint32_t fp_port_boot_reason(void)
{
    uint32_t reasons = POWER_RESETREAS;

    POWER_RESETREAS = reasons;
    if (reasons & POWER_RESETREAS_WATCHDOG)
        return 3;
    if (reasons & POWER_RESETREAS_SOFTWARE)
        return 4;
    return reasons & POWER_RESETREAS_PIN ? 2 : 1;
}
