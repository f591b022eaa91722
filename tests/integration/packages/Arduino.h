/* SPDX-License-Identifier: MIT
 *
 * What an Arduino core gives, as little of it as the example uses.
 * Source: Arduino's language reference: Serial, Time
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct Stream {
    void begin(unsigned long baud);
    int available();
    int availableForWrite();
    int read();
    size_t write(const uint8_t *buf, size_t size);
};
extern Stream Serial;
unsigned long millis();
void delay(unsigned long ms);
