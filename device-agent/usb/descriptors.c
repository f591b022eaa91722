/* SPDX-License-Identifier: MIT */
#include "device-agent/usb/descriptors.h"

#include <string.h>

#define LE16(n)           (n) & 0xff, (n) >> 8
#define UTF16(a, b, c, d) a, 0, b, 0, c, 0, d, 0

enum {
    DEVICE = 1,
    CONFIGURATION = 2,
    STRING = 3,
    INTERFACE = 4,
    ENDPOINT = 5,
    QUALIFIER = 6,
    OTHER_SPEED = 7,
    BOS = 15,
    CAPABILITY = 16,
};

enum {
    BULK = 2,     /* of an endpoint */
    PLATFORM = 5, /* of a capability */
};

enum { /* of MS OS 2.0 */
    SET_HEADER = 0,
    COMPATIBLE_ID = 3,
    REGISTRY_PROPERTY = 4,
    REG_MULTI_SZ = 7,
};

enum {
    TEXT_LANGUAGES,
    TEXT_MAKER,
    TEXT_PRODUCT,
    TEXT_SERIAL,
};

/* clang-format off */

/* 2.01: the first that has a BOS. */
const uint8_t fp_agent_usb_device[18] = {
    18, DEVICE, LE16(0x0201), 0, 0, 0, 64,
    LE16(FP_AGENT_USB_VID), LE16(FP_AGENT_USB_PID), LE16(0x0100),
    TEXT_MAKER, TEXT_PRODUCT, TEXT_SERIAL, 1,
};

const uint8_t fp_agent_usb_qualifier[10] = {
    10, QUALIFIER, LE16(0x0201), 0, 0, 0, 64, 1, 0,
};

/* One configuration, bus powered, 100 mA. */
#define CONFIG(packet)                                 \
    {                                                  \
        9, CONFIGURATION, LE16(32), 1, 1, 0, 0x80, 50, \
        9, INTERFACE, 0, 0, 2, 0xff, 0x46, 0x50, 0,    \
        7, ENDPOINT, FP_AGENT_USB_IN, BULK, LE16(packet), 0,  \
        7, ENDPOINT, FP_AGENT_USB_OUT, BULK, LE16(packet), 0, \
    }

const uint8_t fp_agent_usb_config_full[32] = CONFIG(FP_AGENT_USB_PACKET_FULL);
const uint8_t fp_agent_usb_config_high[32] = CONFIG(FP_AGENT_USB_PACKET_HIGH);

/* 8.1 and later, which is where MS OS 2.0 begins. */
#define WINDOWS 0x00, 0x00, 0x03, 0x06

/* One capability, of the platform whose UUID is
 * D8DD60DF-4589-4CC7-9CD2-659D9E648A9F: the set that Windows asks for. */
const uint8_t fp_agent_usb_bos[33] = {
    5, BOS, LE16(33), 1,
    28, CAPABILITY, PLATFORM, 0,
    0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c,
    0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a, 0x9f,
    WINDOWS, LE16(sizeof fp_agent_usb_msos20), FP_AGENT_USB_VENDOR_CODE, 0,
};

const uint8_t fp_agent_usb_msos20[162] = {
    LE16(10), LE16(SET_HEADER), WINDOWS, LE16(sizeof fp_agent_usb_msos20),

    LE16(20), LE16(COMPATIBLE_ID),
    'W', 'I', 'N', 'U', 'S', 'B', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,

    /* several strings, of which there is one; NULs behind it and them */
    LE16(132), LE16(REGISTRY_PROPERTY), LE16(REG_MULTI_SZ),
    LE16(42),
    UTF16('D', 'e', 'v', 'i'), UTF16('c', 'e', 'I', 'n'),
    UTF16('t', 'e', 'r', 'f'), UTF16('a', 'c', 'e', 'G'),
    UTF16('U', 'I', 'D', 's'), 0, 0,
    LE16(80),
    UTF16('{', 'b', '7', 'e'), UTF16('1', '0', 'e', 'c'),
    UTF16('7', '-', '8', '8'), UTF16('0', 'a', '-', '4'),
    UTF16('8', 'b', 'f', '-'), UTF16('a', '1', 'e', '0'),
    UTF16('-', 'e', '9', 'e'), UTF16('a', '0', '9', '4'),
    UTF16('9', '2', '2', 'f'), '9', 0, '}', 0, 0, 0, 0, 0,
};

/* clang-format on */

/* ---- answering ---- */

static size_t answer_text(uint8_t index, const char *serial, uint8_t *answer)
{
    const char *text = index == TEXT_MAKER     ? "flashport"
                       : index == TEXT_PRODUCT ? "flashport device"
                       : index == TEXT_SERIAL  ? serial
                                               : "";
    size_t size = 2;

    answer[1] = STRING;
    if (index > TEXT_SERIAL)
        return 0;
    if (index == TEXT_LANGUAGES) { /* English */
        answer[size++] = 0x09;
        answer[size++] = 0x04;
    }
    for (size_t i = 0; text[i] != '\0' && i < 64; i++) {
        answer[size++] = (uint8_t)text[i];
        answer[size++] = 0;
    }
    answer[0] = (uint8_t)size;
    return size;
}

static size_t answer_table(const uint8_t *table, size_t size, uint8_t *answer)
{
    memcpy(answer, table, size);
    return size;
}

/* High: as at high speed. */
static size_t answer_config(bool high, uint8_t type, uint8_t *answer)
{
    size_t size =
        answer_table(high ? fp_agent_usb_config_high : fp_agent_usb_config_full,
                     sizeof fp_agent_usb_config_full, answer);

    answer[1] = type;
    return size;
}

static size_t answer_descriptor(uint8_t type, uint8_t index,
                                enum fp_agent_usb_speed speed,
                                const char *serial, uint8_t *answer)
{
    bool two_speeds = speed != FP_AGENT_USB_FULL_ONLY;

    if (type == STRING)
        return answer_text(index, serial, answer);
    if (index != 0)
        return 0;
    if (type == DEVICE)
        return answer_table(fp_agent_usb_device, sizeof fp_agent_usb_device,
                            answer);
    if (type == CONFIGURATION)
        return answer_config(speed == FP_AGENT_USB_HIGH, type, answer);
    if (type == BOS)
        return answer_table(fp_agent_usb_bos, sizeof fp_agent_usb_bos, answer);
    if (type == OTHER_SPEED && two_speeds)
        return answer_config(speed == FP_AGENT_USB_FULL, type, answer);
    if (type == QUALIFIER && two_speeds)
        return answer_table(fp_agent_usb_qualifier,
                            sizeof fp_agent_usb_qualifier, answer);
    return 0;
}

size_t fp_agent_usb_answer(const uint8_t setup[8],
                           enum fp_agent_usb_speed speed, const char *serial,
                           uint8_t answer[FP_AGENT_USB_ANSWER_MAX])
{
    size_t asked = setup[6] | (size_t)setup[7] << 8, size = 0;

    if (setup[0] == 0x80 && setup[1] == 6) /* GET_DESCRIPTOR */
        size = answer_descriptor(setup[3], setup[2], speed, serial, answer);
    /* Windows': vendor, to the device, index 7. */
    if (setup[0] == 0xc0 && setup[1] == FP_AGENT_USB_VENDOR_CODE &&
        setup[4] == 7 && setup[5] == 0)
        size = answer_table(fp_agent_usb_msos20, sizeof fp_agent_usb_msos20,
                            answer);
    return size < asked ? size : asked;
}
