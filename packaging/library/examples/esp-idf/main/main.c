/* SPDX-License-Identifier: MIT
 *
 * flashport's agent beside an application on ESP-IDF: the partition `files` as
 * /flash, over the first UART, whose driver has the rings.
 *
 * The agent has a task of its own, and the application is another: both use the
 * files, so there is a lock.
 */
#include "device.h"

#include <driver/uart.h>
#include <esp_mac.h>
#include <esp_partition.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <freertos/task.h>
#include <stdio.h>

#define UART       UART_NUM_0
#define BLOCK_SIZE 4096

/* All that the agent lets a host have under way, and more. */
#define IN_SIZE  2048
#define OUT_SIZE 1024

/* Some 2.4 KB of it are the agent and littlefs on a Cortex-M; Xtensa saves more
 * registers at each call, and the flash driver takes its own. The main task,
 * which formats at the first start, has as much: sdkconfig.defaults. */
#define STACK_SIZE 8192

static SemaphoreHandle_t files;

/* ---- the flash ---- */

static const esp_partition_t *partition;

static int flash_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    (void)dev;
    return esp_partition_read(partition, off, buf, size) ? FP_ERR_IO : FP_OK;
}

static int flash_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    (void)dev;
    return esp_partition_write(partition, off, buf, size) ? FP_ERR_IO : FP_OK;
}

static int flash_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    uint32_t size = dev->block_size;

    return esp_partition_erase_range(partition, block * size, count * size)
               ? FP_ERR_IO
               : FP_OK;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read,
    .prog = flash_prog,
    .erase = flash_erase,
};

/* The UART's driver takes bytes by an interrupt that waits while flash is
 * written, hence FP_BDEV_XIP: the host falls silent before. */
static struct fp_bdev flash = {
    .ops = &flash_ops,
    .read_size = 1,
    .prog_size = 16,
    .block_size = BLOCK_SIZE,
    .flags = FP_BDEV_ERASED_FF | FP_BDEV_XIP,
};

/* ---- the wire ---- */

static size_t send_bytes(void *ctx, const uint8_t *buf, size_t size)
{
    size_t room = 0;
    int n;

    (void)ctx;
    (void)uart_get_tx_buffer_free_size(UART, &room);
    n = uart_write_bytes(UART, buf, size < room ? size : room);
    return n > 0 ? (size_t)n : 0;
}

static bool open_uart(void)
{
    const uart_config_t config = {
        .baud_rate = 115200,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
    };

    return uart_driver_install(UART, IN_SIZE, OUT_SIZE, 0, NULL, 0) == ESP_OK &&
           uart_param_config(UART, &config) == ESP_OK;
}

/* ---- the rest ---- */

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return (uint32_t)(esp_timer_get_time() / 1000);
}

static void lock(void)
{
    (void)xSemaphoreTake(files, portMAX_DELAY);
}

static void unlock(void)
{
    (void)xSemaphoreGive(files);
}

static char id[4 + 12 + 1];

static void find_id(void)
{
    uint8_t mac[6] = { 0 };

    (void)esp_efuse_mac_get_default(mac);
    (void)snprintf(id, sizeof id, "esp-%02x%02x%02x%02x%02x%02x", mac[0],
                   mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static const struct device_platform platform = {
    .id = id,
    .flash = &flash,
    .send = send_bytes,
    .clock_ms = clock_ms,
    .lock = lock,
    .unlock = unlock,
};

static void serve(void *arg)
{
    uint8_t buf[64];

    (void)arg;
    for (;;) {
        int n = uart_read_bytes(UART, buf, sizeof buf, 0);

        if (device_serve(buf, n > 0 ? (size_t)n : 0) > 0 && n <= 0)
            vTaskDelay(1);
    }
}

void app_main(void)
{
    files = xSemaphoreCreateMutex();
    partition = esp_partition_find_first(ESP_PARTITION_TYPE_DATA,
                                         ESP_PARTITION_SUBTYPE_ANY, "files");
    if (files == NULL || partition == NULL || !open_uart())
        return;
    flash.block_count = (uint32_t)(partition->size / BLOCK_SIZE);
    find_id();
    if (device_start(&platform) != FP_OK)
        return;
    (void)xTaskCreate(serve, "flashport", STACK_SIZE, NULL, 5, NULL);
    for (;;) {
        (void)device_log("still here\n");
        vTaskDelay(pdMS_TO_TICKS(device_interval()));
    }
}
