/* SPDX-License-Identifier: MIT
 *
 * Division for an ARM that has no instruction for it, a bit at a time: 40
 * bytes for libgcc's 280. As string.c, for a firmware to add to its sources.
 *
 * Source: the run-time ABI for the Arm architecture, integer division: the
 * quotient comes in r0 and the remainder in r1, which is where the halves of
 * 64 bits are.
 */
#include <stdint.h>

#if defined(__arm__) || defined(FP_DIVIDE_TEST)

uint64_t __aeabi_uidivmod(uint32_t number, uint32_t by);
uint32_t __aeabi_uidiv(uint32_t number, uint32_t by);

/* The bits of the quotient come in where those of the number go out. */
uint64_t __aeabi_uidivmod(uint32_t number, uint32_t by)
{
    uint32_t rest = 0;

    for (int i = 0; i < 32; i++) {
        uint32_t over = rest >> 31;

        rest = rest << 1 | number >> 31;
        number <<= 1;
        if (over || rest >= by) {
            rest -= by;
            number |= 1;
        }
    }
    return (uint64_t)rest << 32 | number;
}

uint32_t __aeabi_uidiv(uint32_t number, uint32_t by)
{
    return (uint32_t)__aeabi_uidivmod(number, by);
}

#endif
