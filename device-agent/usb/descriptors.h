/* SPDX-License-Identifier: MIT
 *
 * What a USB device of ours says of itself, byte by byte, for firmware to hand
 * to its USB stack or, with fp_agent_usb_answer(), to answer a bare controller's
 * setup packets with.
 *
 *     device ─ configuration ─ interface ff.46.50 ─┬ 0x81 bulk in
 *        │                                         └ 0x02 bulk out
 *        └ BOS ─ "Windows: ask for set" ─ MS OS 2.0 set: WINUSB and a GUID
 *
 * By the last Windows binds WinUSB to it, without a driver or an .inf.
 *
 * In a composite device the firmware writes its own configuration, of which
 * ours are the 23 bytes from FP_AGENT_USB_INTERFACE_OFF on:
 *
 *     bytes 2, 11, 18   its number and the addresses of its endpoints may be any
 *                       that are free: a host looks for the first interface
 *                       that is ff.46.50 at alternate setting 0
 *     an association    is not needed for one interface; others may have theirs
 *     the serial        is the whole device's, and our id
 *     the BOS           is one a device: other capabilities go beside ours
 *     the set           what is behind its header goes into a subset of the
 *                       configuration (type 1, 8 bytes more) and in it one of
 *                       the function (type 2, 8 more) that names the interface;
 *                       its size is in its header and in the BOS
 *
 * Source  USB 2.0, 9.6; USB 3.2, 9.6.2 (BOS); Microsoft OS 2.0 Descriptors
 *         Specification. A host looks for what proto/PROTOCOL.md, "Over USB" says
 */
#ifndef FP_DEVICE_AGENT_USB_DESCRIPTORS_H
#define FP_DEVICE_AGENT_USB_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* pid.codes' pair for tests; a product has its own. */
#ifndef FP_AGENT_USB_VID
#define FP_AGENT_USB_VID 0x1209
#endif
#ifndef FP_AGENT_USB_PID
#define FP_AGENT_USB_PID 0x0001
#endif

#define FP_AGENT_USB_IN  0x81
#define FP_AGENT_USB_OUT 0x02

/* Of bulk endpoints at full and at high speed. */
#define FP_AGENT_USB_PACKET_FULL 64
#define FP_AGENT_USB_PACKET_HIGH 512

/* bRequest of Windows' own request, and under which key programs there find
 * the device. */
#define FP_AGENT_USB_VENDOR_CODE 0x46
#define FP_AGENT_USB_GUID        "{b7e10ec7-880a-48bf-a1e0-e9ea094922f9}"

/* Interface and endpoints, within a configuration. */
#define FP_AGENT_USB_INTERFACE_OFF  9
#define FP_AGENT_USB_INTERFACE_SIZE 23

extern const uint8_t fp_agent_usb_device[18];
extern const uint8_t fp_agent_usb_qualifier[10]; /* only of high speed */
extern const uint8_t fp_agent_usb_config_full[32];
extern const uint8_t fp_agent_usb_config_high[32];
extern const uint8_t fp_agent_usb_bos[33];
extern const uint8_t fp_agent_usb_msos20[162];

#define FP_AGENT_USB_ANSWER_MAX 162

/* How fast the device is and can be. */
enum fp_agent_usb_speed {
    FP_AGENT_USB_FULL_ONLY,
    FP_AGENT_USB_FULL, /* of one that could do high speed */
    FP_AGENT_USB_HIGH,
};

/* What the 8 bytes of a setup packet are answered with, if they ask for any of
 * the above or for a string; `serial` is the device's id. Returns its size, of
 * no more bytes than were asked for, or 0: it is not ours, stall unless the
 * stack knows better. */
size_t fp_agent_usb_answer(const uint8_t setup[8],
                           enum fp_agent_usb_speed speed, const char *serial,
                           uint8_t answer[FP_AGENT_USB_ANSWER_MAX]);

#endif
