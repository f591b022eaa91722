/* SPDX-License-Identifier: MIT
 *
 * Flash at its worst: what power was cut in has bits that read as they please,
 * each time anew, and a unit may be programmed once after an erase.
 *
 * Memory  three arrays of the size of the flash, the caller's: to copy them is
 *         to copy the flash
 * Errors  FP_ERR_IO for the operation that is cut and all after it. To program
 *         what was not erased, or on cells that an earlier cut touched, fails
 *         the test
 */
#ifndef FP_TESTS_WEAK_FLASH_H
#define FP_TESTS_WEAK_FLASH_H

#include "core/bdev/bdev.h"

#include <stdbool.h>

struct weak_flash {
    struct fp_bdev bdev;
    uint32_t ops;    /* programs and erases of single blocks so far */
    uint32_t cut_at; /* value of ops, 0 never */
    bool off;
    uint64_t random;
    uint8_t *mem, *undecided, *programmed; /* bits, a byte, a byte */
};

void weak_flash_init(struct weak_flash *flash, uint32_t prog_size,
                     uint32_t block_size, uint32_t block_count, uint8_t *mem,
                     uint8_t *undecided, uint8_t *programmed);

/* Cuts the power in the nth program or erase from now; what has landed by then
 * is drawn from the seed. */
void weak_flash_cut(struct weak_flash *flash, uint32_t nth, uint64_t seed);
void weak_flash_power_on(struct weak_flash *flash);

#endif
