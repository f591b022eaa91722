/* SPDX-License-Identifier: MIT
 *
 * flashport's agent beside an application on Zephyr: the partition
 * storage_partition as /flash, over the UART that is chosen as zephyr,console.
 *
 *     UART's interrupt ─► ring ─► the agent's thread, here main()
 *     the application's thread, which logs
 *
 * Both use the files, so there is a lock: a mutex, which Zephyr gives a waiting
 * thread of higher priority at once.
 */
#include "device.h"

#include <stdio.h>
#include <zephyr/device.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/ring_buffer.h>

#define UART DEVICE_DT_GET(DT_CHOSEN(zephyr_console))

/* All that the agent lets a host have under way. */
RING_BUF_DECLARE(in, 1536);
RING_BUF_DECLARE(out, 256);
K_SEM_DEFINE(came, 0, 1);
K_MUTEX_DEFINE(files);

/* ---- the flash ---- */

static const struct flash_area *area;

static int flash_read_at(struct fp_bdev *dev, fp_addr off, void *buf,
                         uint32_t size)
{
    (void)dev;
    return flash_area_read(area, (off_t)off, buf, size) ? FP_ERR_IO : FP_OK;
}

static int flash_prog_at(struct fp_bdev *dev, fp_addr off, const void *buf,
                         uint32_t size)
{
    (void)dev;
    return flash_area_write(area, (off_t)off, buf, size) ? FP_ERR_IO : FP_OK;
}

static int flash_erase_at(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    uint32_t size = dev->block_size;

    return flash_area_erase(area, (off_t)(block * size), count * size)
               ? FP_ERR_IO
               : FP_OK;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read_at,
    .prog = flash_prog_at,
    .erase = flash_erase_at,
};

static struct fp_bdev flash = {
    .ops = &flash_ops,
    .read_size = 1,
    /* Without FP_BDEV_XIP for a chip beside the CPU. */
    .flags = FP_BDEV_ERASED_FF | FP_BDEV_XIP,
};

static int open_flash(void)
{
    struct flash_pages_info page;
    const struct device *dev;

    if (flash_area_open(FIXED_PARTITION_ID(storage_partition), &area))
        return FP_ERR_NODEV;
    dev = flash_area_get_device(area);
    if (flash_get_page_info_by_offs(dev, area->fa_off, &page))
        return FP_ERR_NODEV;
    flash.prog_size = (uint32_t)flash_get_write_block_size(dev);
    flash.block_size = (uint32_t)page.size;
    flash.block_count = (uint32_t)(area->fa_size / page.size);
    return FP_OK;
}

/* ---- the wire ---- */

static void uart_handler(const struct device *dev, void *user)
{
    uint8_t buf[32];
    int n;

    (void)user;
    while (uart_irq_update(dev) && uart_irq_is_pending(dev)) {
        if (uart_irq_rx_ready(dev)) {
            n = uart_fifo_read(dev, buf, sizeof buf);
            (void)ring_buf_put(&in, buf, (uint32_t)(n > 0 ? n : 0));
            k_sem_give(&came);
        }
        if (uart_irq_tx_ready(dev)) {
            uint8_t *next;
            uint32_t size = ring_buf_get_claim(&out, &next, 32);

            n = size > 0 ? uart_fifo_fill(dev, next, (int)size) : 0;
            (void)ring_buf_get_finish(&out, (uint32_t)(n > 0 ? n : 0));
            if (size == 0)
                uart_irq_tx_disable(dev);
        }
    }
}

static size_t send_bytes(void *ctx, const uint8_t *buf, size_t size)
{
    uint32_t n = ring_buf_put(&out, buf, (uint32_t)size);

    (void)ctx;
    uart_irq_tx_enable(UART);
    return n;
}

/* ---- the rest ---- */

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return k_uptime_get_32();
}

static void lock(void)
{
    (void)k_mutex_lock(&files, K_FOREVER);
}

static void unlock(void)
{
    (void)k_mutex_unlock(&files);
}

static char id[7 + 16 + 1] = "zephyr-";

static void find_id(void)
{
    uint8_t bytes[8] = { 0 };

    (void)hwinfo_get_device_id(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + 7 + 2 * i, 3, "%02x", bytes[i]);
}

static const struct device_platform platform = {
    .id = id,
    .flash = &flash,
    .send = send_bytes,
    .clock_ms = clock_ms,
    .lock = lock,
    .unlock = unlock,
};

static void application(void *a, void *b, void *c)
{
    (void)a;
    (void)b;
    (void)c;
    for (;;) {
        (void)device_log("still here\n");
        (void)k_msleep((int32_t)device_interval());
    }
}

K_THREAD_STACK_DEFINE(application_stack, 3072);
static struct k_thread application_thread;

int main(void)
{
    uint8_t buf[64];

    find_id();
    if (open_flash() != FP_OK || device_start(&platform) != FP_OK)
        return 1;
    (void)uart_irq_callback_user_data_set(UART, uart_handler, NULL);
    uart_irq_rx_enable(UART);
    (void)k_thread_create(&application_thread, application_stack,
                          K_THREAD_STACK_SIZEOF(application_stack), application,
                          NULL, NULL, NULL, 7, 0, K_NO_WAIT);
    for (;;) {
        uint32_t n = ring_buf_get(&in, buf, sizeof buf);
        uint32_t wait_ms = device_serve(buf, n);

        if (n == 0 && wait_ms > 0)
            (void)k_sem_take(&came, K_MSEC(wait_ms));
    }
}
