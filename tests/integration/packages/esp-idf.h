/* SPDX-License-Identifier: MIT
 *
 * What ESP-IDF gives, as little of it as the example uses.
 * Source: ESP-IDF Programming Guide, API Reference: UART, Partitions,
 * Miscellaneous System APIs, High Resolution Timer, FreeRTOS
 */
#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
#define ESP_OK 0

typedef int uart_port_t;
#define UART_NUM_0 0
typedef struct {
    int baud_rate;
    enum {
        UART_DATA_8_BITS = 3
    } data_bits;
    enum {
        UART_PARITY_DISABLE
    } parity;
    enum {
        UART_STOP_BITS_1 = 1
    } stop_bits;
    enum {
        UART_HW_FLOWCTRL_DISABLE
    } flow_ctrl;
} uart_config_t;
typedef struct QueueDefinition *QueueHandle_t;
typedef uint32_t TickType_t;
esp_err_t uart_driver_install(uart_port_t uart, int in_size, int out_size,
                              int queue_size, QueueHandle_t *queue, int flags);
esp_err_t uart_param_config(uart_port_t uart, const uart_config_t *config);
int uart_write_bytes(uart_port_t uart, const void *buf, size_t size);
int uart_read_bytes(uart_port_t uart, void *buf, uint32_t size,
                    TickType_t wait);
esp_err_t uart_get_tx_buffer_free_size(uart_port_t uart, size_t *size);

typedef struct {
    uint32_t address, size;
} esp_partition_t;
typedef enum {
    ESP_PARTITION_TYPE_DATA = 1
} esp_partition_type_t;
typedef enum {
    ESP_PARTITION_SUBTYPE_ANY = 255
} esp_partition_subtype_t;
const esp_partition_t *esp_partition_find_first(esp_partition_type_t type,
                                                esp_partition_subtype_t subtype,
                                                const char *label);
esp_err_t esp_partition_read(const esp_partition_t *part, size_t off, void *buf,
                             size_t size);
esp_err_t esp_partition_write(const esp_partition_t *part, size_t off,
                              const void *buf, size_t size);
esp_err_t esp_partition_erase_range(const esp_partition_t *part, size_t off,
                                    size_t size);
esp_err_t esp_efuse_mac_get_default(uint8_t *mac);
int64_t esp_timer_get_time(void);

typedef QueueHandle_t SemaphoreHandle_t;
typedef struct tskTaskControlBlock *TaskHandle_t;
#define portMAX_DELAY     0xffffffffu
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms) / 10)
SemaphoreHandle_t xSemaphoreCreateMutex(void);
int xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t wait);
int xSemaphoreGive(SemaphoreHandle_t semaphore);
int xTaskCreate(void (*task)(void *arg), const char *name, uint32_t stack,
                void *arg, unsigned priority, TaskHandle_t *made);
void vTaskDelay(TickType_t ticks);
