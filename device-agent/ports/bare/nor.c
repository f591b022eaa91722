/* SPDX-License-Identifier: MIT
 *
 * A chip is written in three steps: write enable, which it confirms in its
 * status; the command; and status again until the write is no longer in
 * progress. Each wait ends, so that a chip that went mad is an error and not a
 * device that hangs.
 *
 * What bits of the status protect it takes like any other and leaves as it was.
 * Many chips are delivered so: their protection is taken off, once, as it stays
 * off without power.
 *
 * Source: W25Q256JV datasheet, revision I, sections 7.1 (status) and 8.2
 * (commands); their longest times are those of section 9.6
 */
#include "device-agent/ports/bare/nor.h"
#include "device-agent/ports/bare/port.h"

#include <string.h>

#define WRITE_STATUS      0x01
#define WRITE_DISABLE     0x04
#define READ_STATUS       0x05
#define WRITE_ENABLE      0x06
#define READ_ID           0x9f
#define STATUS_WRITING    1u
#define STATUS_WRITE_TRUE 2u    /* write enable was taken */
#define STATUS_PROTECTED  0x3cu /* which blocks are; 0 none */
#define STATUS_OTHERS     0xc0u /* four lines, for one; the maker's */

#define PAGE_SIZE   256u
#define SECTOR_SIZE 4096u

/* Datasheets say 3, 400 and, of the status, 15, for which other makers take up
 * to 100; a millisecond may have been nearly over. */
#define PROG_MS   5u
#define ERASE_MS  401u
#define STATUS_MS 101u

/* Sizes as powers of two. */
#define SIZE_LEAST 16u
#define SIZE_SHORT 24u /* the largest that 3 bytes address */
#define SIZE_MOST  25u

/* Commands by how many bytes their addresses have. */
struct commands {
    uint8_t read, prog, erase;
    uint8_t address_size;
};

static const struct commands short_commands = { 0x03, 0x02, 0x20, 3 };
static const struct commands long_commands = { 0x13, 0x12, 0x21, 4 };

static const struct commands *commands;

/* ---- commands ---- */

static void command(uint8_t code, uint8_t *answer, uint32_t size)
{
    fp_port_spi_select();
    fp_port_spi_write(&code, 1);
    fp_port_spi_read(answer, size);
    fp_port_spi_deselect();
}

/* What follows is the caller's, and deselecting. */
static void command_at(uint8_t code, uint32_t addr)
{
    uint8_t bytes[5] = { code };
    uint8_t size = commands->address_size;

    for (uint8_t i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(addr >> 8 * (size - 1 - i));
    fp_port_spi_select();
    fp_port_spi_write(bytes, 1u + size);
}

static uint8_t read_status(void)
{
    uint8_t status;

    command(READ_STATUS, &status, 1);
    return status;
}

/* Looks once more after the time is over: we may have been interrupted. */
static int wait(uint32_t most_ms)
{
    uint32_t start_ms = fp_port_now_ms();

    for (;;) {
        bool late = fp_port_now_ms() - start_ms > most_ms;

        if (!(read_status() & STATUS_WRITING))
            return FP_OK;
        if (late)
            return FP_ERR_IO;
    }
}

/* A chip that is absent or still at work does not confirm it. */
static int enable_write(void)
{
    command(WRITE_ENABLE, NULL, 0);
    return (read_status() & (STATUS_WRITE_TRUE | STATUS_WRITING)) ==
                   STATUS_WRITE_TRUE
               ? FP_OK
               : FP_ERR_IO;
}

/* ---- the block device ---- */

static int nor_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    (void)dev;
    command_at(commands->read, (uint32_t)off);
    fp_port_spi_read(buf, size);
    fp_port_spi_deselect();
    return FP_OK;
}

/* Within a page: behind its end a chip goes on at its start. */
static int prog_page(uint32_t addr, const uint8_t *src, uint32_t size)
{
    int err = enable_write();

    if (err)
        return err;
    command_at(commands->prog, addr);
    fp_port_spi_write(src, size);
    fp_port_spi_deselect();
    return wait(PROG_MS);
}

static int nor_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    const uint8_t *src = buf;
    uint32_t addr = (uint32_t)off;
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t n = PAGE_SIZE - addr % PAGE_SIZE;

        n = n < size ? n : size;
        err = prog_page(addr, src, n);
        addr += n;
        src += n;
        size -= n;
        fp_bdev_yield(dev);
    }
    return err;
}

static int erase_sector(uint32_t addr)
{
    int err = enable_write();

    if (err)
        return err;
    command_at(commands->erase, addr);
    fp_port_spi_deselect();
    return wait(ERASE_MS);
}

static int nor_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    int err = FP_OK;

    for (uint32_t i = 0; i < count && !err; i++) {
        err = erase_sector((block + i) * SECTOR_SIZE);
        fp_bdev_yield(dev);
    }
    return err;
}

static const struct fp_bdev_ops nor_ops = {
    .read = nor_read, .prog = nor_prog, .erase = nor_erase,
    /* .sync stays NULL: a write is there when it is no longer in progress */
};

static struct fp_bdev nor = {
    .ops = &nor_ops,
    .read_size = 1,
    .prog_size = 16, /* littlefs fills up to that; a page would waste more */
    .block_size = SECTOR_SIZE,
};

/* ---- which chip it is ---- */

/* 0: nobody answers, or in another way. */
static uint32_t size_log2(void)
{
    uint8_t id[3]; /* manufacturer, kind, size */

    command(READ_ID, id, sizeof id);
    if (id[0] == 0x00 || id[0] == 0xff || id[2] < SIZE_LEAST ||
        id[2] > SIZE_MOST)
        return 0;
    return id[2];
}

/* FP_ERR_ROFS: it stays protected, by its pin for that or for ever. */
static int unprotect(void)
{
    uint8_t status = read_status();
    const uint8_t bytes[] = { WRITE_STATUS, status & STATUS_OTHERS };
    int err;

    if (!(status & STATUS_PROTECTED))
        return FP_OK;
    if (enable_write() != FP_OK)
        return FP_ERR_ROFS;
    fp_port_spi_select();
    fp_port_spi_write(bytes, sizeof bytes);
    fp_port_spi_deselect();
    err = wait(STATUS_MS);
    if (!err && read_status() & STATUS_PROTECTED)
        err = FP_ERR_ROFS;
    if (err) /* one that takes no status may keep its write enable */
        command(WRITE_DISABLE, NULL, 0);
    return err;
}

/* A chip hears only status while it writes, and may do so still from before we
 * were reset. */
struct fp_bdev *fp_bare_nor_init(void)
{
    uint32_t size;
    int err;

    if (wait(ERASE_MS) != FP_OK)
        return NULL;
    size = size_log2();
    if (size == 0)
        return NULL;
    commands = size > SIZE_SHORT ? &long_commands : &short_commands;
    nor.block_count = (1u << size) / SECTOR_SIZE;
    nor.flags = FP_BDEV_ERASED_FF | FP_BDEV_REPROG;
    err = unprotect();
    if (err == FP_ERR_ROFS)
        nor.flags |= FP_BDEV_RDONLY;
    return err && err != FP_ERR_ROFS ? NULL : &nor;
}
