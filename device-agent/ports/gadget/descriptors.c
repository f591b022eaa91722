/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/gadget/descriptors.h"

#include "device-agent/usb/descriptors.h"

#include <endian.h>
#include <linux/usb/functionfs.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PACKED        __attribute__((packed))
#define DESCRIPTORS   3 /* interface, in, out */
#define PROPERTY      "DeviceInterfaceGUID"
#define COMPATIBLE    4 /* wIndex: extended compatible ids, */
#define PROPERTIES    5 /* extended properties */
#define PROPERTY_TEXT 1

struct interface {
    uint8_t bytes[FP_AGENT_USB_INTERFACE_SIZE];
} PACKED;

/* One property. The kernel makes UTF-16 of its texts and doubles their sizes,
 * which count the NUL behind. Several texts (type 7) it does not answer. */
struct property {
    uint32_t size, type;
    uint16_t name_size;
    char name[sizeof PROPERTY];
    uint32_t value_size;
    char value[sizeof FP_AGENT_USB_GUID];
} PACKED;

struct descriptors {
    struct usb_functionfs_descs_head_v2 head;
    uint32_t full_count, high_count, os_count;
    struct interface full, high;
    struct usb_os_desc_header compatible_head;
    struct usb_ext_compat_desc compatible;
    struct usb_os_desc_header properties_head;
    struct property property;
} PACKED;

static struct interface interface_of(const uint8_t *config)
{
    struct interface interface;

    memcpy(interface.bytes, config + FP_AGENT_USB_INTERFACE_OFF,
           sizeof interface.bytes);
    return interface;
}

static void describe_for_windows(struct descriptors *d)
{
    d->compatible_head = (struct usb_os_desc_header){
        .dwLength = htole32(sizeof d->compatible_head + sizeof d->compatible),
        .bcdVersion = htole16(1),
        .wIndex = htole16(COMPATIBLE),
        .bCount = 1,
    };
    d->compatible = (struct usb_ext_compat_desc){
        .Reserved1 = 1,
        .CompatibleID = "WINUSB",
    };
    d->properties_head = (struct usb_os_desc_header){
        .dwLength = htole32(sizeof d->properties_head + sizeof d->property),
        .bcdVersion = htole16(1),
        .wIndex = htole16(PROPERTIES),
        .wCount = htole16(1),
    };
    d->property = (struct property){
        .size = htole32(sizeof d->property),
        .type = htole32(PROPERTY_TEXT),
        .name_size = htole16(sizeof PROPERTY),
        .name = PROPERTY,
        .value_size = htole32(sizeof FP_AGENT_USB_GUID),
        .value = FP_AGENT_USB_GUID,
    };
}

static int write_all(int fd, const void *data, size_t size)
{
    return write(fd, data, size) == (ssize_t)size ? 0 : -1;
}

int fp_port_ffs_describe(int ep0)
{
    struct descriptors d = {
        .head = {
            .magic = htole32(FUNCTIONFS_DESCRIPTORS_MAGIC_V2),
            .length = htole32(sizeof d),
            .flags = htole32(FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC |
                             FUNCTIONFS_HAS_MS_OS_DESC),
        },
        .full_count = htole32(DESCRIPTORS),
        .high_count = htole32(DESCRIPTORS),
        .os_count = htole32(2),
        .full = interface_of(fp_agent_usb_config_full),
        .high = interface_of(fp_agent_usb_config_high),
    };
    const struct usb_functionfs_strings_head strings = {
        /* none */
        .magic = htole32(FUNCTIONFS_STRINGS_MAGIC),
        .length = htole32(sizeof strings),
    };

    describe_for_windows(&d);
    if (write_all(ep0, &d, sizeof d) != 0)
        return -1;
    return write_all(ep0, &strings, sizeof strings);
}
