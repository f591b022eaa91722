/* SPDX-License-Identifier: MIT
 *
 * What Zephyr gives, as little of it as the example uses.
 * Source: Zephyr's API documentation: Threads, Mutexes, Semaphores, Ring
 * Buffers, UART, Flash map, Flash, Hwinfo
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct device;
extern const struct device *const stand_in_uart;
#define DEVICE_DT_GET(node)   stand_in_uart
#define DT_CHOSEN(name)       name
#define FIXED_PARTITION_ID(x) 1

typedef struct {
    int64_t ticks;
} k_timeout_t;
#define K_FOREVER  ((k_timeout_t){ -1 })
#define K_NO_WAIT  ((k_timeout_t){ 0 })
#define K_MSEC(ms) ((k_timeout_t){ (ms) })

struct k_mutex {
    int stand_in;
};
struct k_sem {
    unsigned stand_in;
};
struct k_thread {
    int stand_in;
};
typedef char k_thread_stack_t;
typedef struct k_thread *k_tid_t;
typedef void (*k_thread_entry_t)(void *a, void *b, void *c);
#define K_MUTEX_DEFINE(name)              struct k_mutex name
#define K_SEM_DEFINE(name, first, limit)  struct k_sem name = { first }
#define K_THREAD_STACK_DEFINE(name, size) k_thread_stack_t name[size]
#define K_THREAD_STACK_SIZEOF(name)       sizeof(name)
int k_mutex_lock(struct k_mutex *mutex, k_timeout_t timeout);
int k_mutex_unlock(struct k_mutex *mutex);
int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
void k_sem_give(struct k_sem *sem);
int32_t k_msleep(int32_t ms);
uint32_t k_uptime_get_32(void);
k_tid_t k_thread_create(struct k_thread *thread, k_thread_stack_t *stack,
                        size_t size, k_thread_entry_t entry, void *a, void *b,
                        void *c, int priority, uint32_t options,
                        k_timeout_t delay);

struct ring_buf {
    uint8_t *buffer;
};
#define RING_BUF_DECLARE(name, size) struct ring_buf name
uint32_t ring_buf_put(struct ring_buf *buf, const uint8_t *data, uint32_t size);
uint32_t ring_buf_get(struct ring_buf *buf, uint8_t *data, uint32_t size);
uint32_t ring_buf_get_claim(struct ring_buf *buf, uint8_t **data,
                            uint32_t size);
int ring_buf_get_finish(struct ring_buf *buf, uint32_t size);

typedef void (*uart_irq_callback_user_data_t)(const struct device *dev,
                                              void *user);
int uart_irq_update(const struct device *dev);
int uart_irq_is_pending(const struct device *dev);
int uart_irq_rx_ready(const struct device *dev);
int uart_irq_tx_ready(const struct device *dev);
void uart_irq_rx_enable(const struct device *dev);
void uart_irq_tx_enable(const struct device *dev);
void uart_irq_tx_disable(const struct device *dev);
int uart_fifo_read(const struct device *dev, uint8_t *data, const int size);
int uart_fifo_fill(const struct device *dev, const uint8_t *data, int size);
int uart_irq_callback_user_data_set(const struct device *dev,
                                    uart_irq_callback_user_data_t callback,
                                    void *user);

struct flash_area {
    uint8_t fa_id;
    off_t fa_off;
    size_t fa_size;
};
struct flash_pages_info {
    off_t start_offset;
    size_t size;
    uint32_t index;
};
int flash_area_open(uint8_t id, const struct flash_area **area);
int flash_area_read(const struct flash_area *area, off_t off, void *buf,
                    size_t size);
int flash_area_write(const struct flash_area *area, off_t off, const void *buf,
                     size_t size);
int flash_area_erase(const struct flash_area *area, off_t off, size_t size);
const struct device *flash_area_get_device(const struct flash_area *area);
int flash_get_page_info_by_offs(const struct device *dev, off_t off,
                                struct flash_pages_info *info);
size_t flash_get_write_block_size(const struct device *dev);
ssize_t hwinfo_get_device_id(uint8_t *buf, size_t size);
