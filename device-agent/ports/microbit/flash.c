/* SPDX-License-Identifier: MIT
 *
 * The chip's own flash as a block device. It is read as memory is; pages of
 * 1 KiB are erased and words programmed through the NVMC.
 *
 * The CPU fetches its program from the same flash: it stands still for 22 ms
 * while a page is erased and for 46 us a word. FP_BDEV_XIP says so, and the
 * agent has the host send nothing meanwhile.
 *
 * A word may be programmed twice between erases and no more, hence no
 * FP_BDEV_REPROG.
 *
 * Source: nRF51 Series Reference Manual 3.0, section 6; nRF51822 Product
 * Specification 3.1, section 8.8
 */
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/microbit/chip.h"

#include <string.h>

#define PAGE_SIZE 1024u
#define WORD_SIZE 4u

/* Their addresses are what the linker script says. */
extern uint8_t fp_port_files_start[], fp_port_files_size[];

/* What follows is what the NVMC may do; it has finished when this returns. */
static void allow(uint32_t what)
{
    NVMC_CONFIG = what;
    while (NVMC_READY == 0)
        ;
}

static int flash_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    (void)dev;
    memcpy(buf, fp_port_files_start + off, size);
    return FP_OK;
}

/* Word by word, whatever `buf` is aligned to. */
static int flash_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    volatile uint32_t *dst =
        (volatile uint32_t *)(void *)(fp_port_files_start + off);
    const uint8_t *src = buf;

    (void)dev;
    allow(NVMC_CONFIG_WRITE);
    for (uint32_t at = 0; at < size; at += WORD_SIZE) {
        uint32_t word;

        memcpy(&word, src + at, WORD_SIZE);
        *dst++ = word;
        while (NVMC_READY == 0)
            ;
    }
    allow(NVMC_CONFIG_READ);
    return FP_OK;
}

static int flash_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    uintptr_t page = (uintptr_t)fp_port_files_start + block * PAGE_SIZE;

    (void)dev;
    allow(NVMC_CONFIG_ERASE);
    for (uint32_t i = 0; i < count; i++) {
        NVMC_ERASEPAGE = (uint32_t)(page + i * PAGE_SIZE);
        while (NVMC_READY == 0)
            ;
    }
    allow(NVMC_CONFIG_READ);
    return FP_OK;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read, .prog = flash_prog, .erase = flash_erase,
    /* .sync stays NULL: a word is there when the NVMC is ready */
};

static struct fp_bdev flash = {
    .ops = &flash_ops,
    .read_size = 1,
    .prog_size = WORD_SIZE,
    .block_size = PAGE_SIZE,
    .flags = FP_BDEV_ERASED_FF | FP_BDEV_XIP,
};

struct fp_bdev *fp_port_flash_init(void)
{
    flash.block_count = (uint32_t)(uintptr_t)fp_port_files_size / PAGE_SIZE;
    return &flash;
}
