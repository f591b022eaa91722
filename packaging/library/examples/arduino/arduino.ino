/* SPDX-License-Identifier: MIT
 *
 * flashport's agent beside a sketch, on any board with a serial port and some
 * 32 KB of RAM. device.c is the part that holds for every platform.
 *
 * Files lie in RAM here, so that the sketch runs everywhere and forgets them at
 * a reset. For real flash fill in a block device of four functions instead.
 *
 * A USB serial port holds bytes back until they are read. A UART does not: its
 * core must have a buffer for what the agent lets a host have under way, 1424
 * bytes: -DSERIAL_RX_BUFFER_SIZE=2048 on STM32, Serial.setRxBufferSize(2048) on
 * ESP32 and Serial1.setFIFOSize(2048) on RP2040, both before begin().
 *
 * One loop does everything, so there is nothing to lock.
 */
#include <Arduino.h>

#include "device.h"

static uint8_t memory[16 * 1024];
static struct fp_bdev_ram ram;
static struct device_platform platform;

static size_t send_bytes(void *, const uint8_t *buf, size_t size)
{
    size_t room = (size_t)Serial.availableForWrite();

    if (room == 0) /* some cores never know: a byte then, which may wait */
        room = 1;
    return Serial.write(buf, size < room ? size : room);
}

static uint32_t clock_ms(void *)
{
    return millis();
}

void setup()
{
    Serial.begin(115200);
    memset(memory, 0xff, sizeof memory);
    fp_bdev_ram_init(&ram, 16, 1024, 16, memory);

    platform.id = "arduino-1"; /* better: the chip's own number */
    platform.flash = &ram.bdev;
    platform.send = send_bytes;
    platform.clock_ms = clock_ms;
    while (device_start(&platform) != FP_OK)
        delay(1000);
}

static void serve()
{
    uint8_t buf[64];
    size_t n = 0;

    while (n < sizeof buf && Serial.available() > 0)
        buf[n++] = (uint8_t)Serial.read();
    device_serve(buf, n);
}

void loop()
{
    static uint32_t logged_ms;

    serve();
    if (millis() - logged_ms >= device_interval()) {
        logged_ms = millis();
        device_log("still here\n");
    }
}
