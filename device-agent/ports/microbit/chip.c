/* SPDX-License-Identifier: MIT
 *
 * What the chip knows of itself: its id, why it started, and chance.
 */
#include "device-agent/ports/microbit/chip.h"
#include "device-agent/ports/microbit/port.h"

#include <string.h>

static void put_hex(char dst[8], uint32_t value)
{
    for (int i = 7; i >= 0; i--) {
        dst[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

void fp_port_id(char id[FP_PORT_ID_SIZE])
{
    memcpy(id, "microbit-", 9);
    put_hex(id + 9, FICR_DEVICEID1);
    put_hex(id + 17, FICR_DEVICEID0);
    id[FP_PORT_ID_SIZE - 1] = '\0';
}

void fp_port_random(uint8_t *buf, size_t size)
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
