/* SPDX-License-Identifier: MIT */
#include "daemon/link/usb_bus.h"

#include "core/error.h"
#include "daemon/log.h"

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 7 /* hubs below each other. Source: USB 2.0, 4.1.1 */

static struct {
    /* Held while listeners are called, so that unlisten() is a barrier. */
    pthread_mutex_t lock;
    libusb_context *context; /* NULL: not started */
    pthread_t thread;
    _Atomic bool stop;
    bool told; /* that it cannot be started */
    struct fpd_usb_listener *listeners;
} bus = { .lock = PTHREAD_MUTEX_INITIALIZER };

int fpd_usb_error(int libusb_err)
{
    switch (libusb_err) {
    case LIBUSB_SUCCESS:
        return FP_OK;
    case LIBUSB_ERROR_ACCESS:
        return FP_ERR_ACCES;
    case LIBUSB_ERROR_NO_DEVICE:
    case LIBUSB_ERROR_NOT_FOUND:
        return FP_ERR_NODEV;
    case LIBUSB_ERROR_BUSY:
        return FP_ERR_BUSY;
    case LIBUSB_ERROR_TIMEOUT:
        return FP_ERR_TIMEDOUT;
    case LIBUSB_ERROR_NO_MEM:
        return FP_ERR_NOMEM;
    default:
        return FP_ERR_IO;
    }
}

/* ---- the thread ---- */

static int LIBUSB_CALL hotplug(libusb_context *context, libusb_device *device,
                               libusb_hotplug_event event, void *arg)
{
    (void)context;
    (void)arg;
    pthread_mutex_lock(&bus.lock);
    for (struct fpd_usb_listener *at = bus.listeners; at; at = at->next) {
        if (event == LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED && at->arrived)
            at->arrived(at, device);
        if (event == LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT && at->left)
            at->left(at, device);
    }
    pthread_mutex_unlock(&bus.lock);
    return 0; /* go on listening */
}

static void *run(void *arg)
{
    while (!atomic_load(&bus.stop))
        if (libusb_handle_events(arg) != LIBUSB_SUCCESS)
            usleep(10000); /* whatever fails shall not spin */
    return NULL;
}

/* The lock is held. A libusb_error. */
static int start(void)
{
    const int events =
        LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT;
    libusb_context *context;
    int err = libusb_init(&context);

    if (err)
        return err;
    err = libusb_hotplug_register_callback(
        context, events, 0, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
        LIBUSB_HOTPLUG_MATCH_ANY, hotplug, NULL, NULL);
    atomic_store(&bus.stop, false);
    if (!err && pthread_create(&bus.thread, NULL, run, context))
        err = LIBUSB_ERROR_NO_MEM;
    if (err)
        libusb_exit(context);
    else
        bus.context = context;
    return err;
}

static int start_once(void)
{
    int err = LIBUSB_SUCCESS;

    pthread_mutex_lock(&bus.lock);
    if (!bus.context)
        err = start();
    if (err && !bus.told)
        fpd_log(FPD_LOG_WARN, "usb", "no USB here: %s", libusb_strerror(err));
    bus.told = err != LIBUSB_SUCCESS;
    pthread_mutex_unlock(&bus.lock);
    return err ? FP_ERR_IO : FP_OK;
}

void fpd_usb_bus_stop(void)
{
    if (!bus.context)
        return;
    atomic_store(&bus.stop, true);
    libusb_interrupt_event_handler(bus.context);
    pthread_join(bus.thread, NULL);
    libusb_exit(bus.context);
    bus.context = NULL;
}

void fpd_usb_bus_listen(struct fpd_usb_listener *listener)
{
    pthread_mutex_lock(&bus.lock);
    listener->next = bus.listeners;
    bus.listeners = listener;
    pthread_mutex_unlock(&bus.lock);
}

void fpd_usb_bus_unlisten(struct fpd_usb_listener *listener)
{
    struct fpd_usb_listener **at = &bus.listeners;

    pthread_mutex_lock(&bus.lock);
    while (*at && *at != listener)
        at = &(*at)->next;
    if (*at)
        *at = listener->next;
    pthread_mutex_unlock(&bus.lock);
}

/* ---- whose device it is ---- */

/* What may be a device's id, and part of a SPEC. */
static bool is_serial(const char *text)
{
    size_t n = 0;

    while (isalnum((unsigned char)text[n]) ||
           (text[n] && strchr("._-", text[n])))
        n++;
    return n > 0 && n <= FPD_USB_SERIAL_MAX && text[n] == '\0';
}

/* The serial number as the kernel read it when the device came: no right to
 * open the device is needed, and nothing is sent to it. */
static bool read_serial(libusb_device *device,
                        char serial[FPD_USB_SERIAL_MAX + 1])
{
    char text[FPD_USB_SERIAL_MAX + 3] = ""; /* and what shows that it is long */
    uint8_t hubs[DEPTH_MAX];
    int depth = libusb_get_port_numbers(device, hubs, DEPTH_MAX);
    char path[128];
    int n = snprintf(path, sizeof path, "/sys/bus/usb/devices/%u-",
                     libusb_get_bus_number(device));
    FILE *file;

    if (depth <= 0) /* a root hub */
        return false;
    for (int i = 0; i < depth; i++)
        n += snprintf(path + n, sizeof path - (size_t)n, i ? ".%u" : "%u",
                      hubs[i]);
    snprintf(path + n, sizeof path - (size_t)n, "/serial");
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(text, sizeof text, file))
        text[0] = '\0';
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
    if (!is_serial(text))
        return false;
    strcpy(serial, text);
    return true;
}

/* Is it our interface, and where are its endpoints? */
static bool fits(const struct libusb_interface_descriptor *at,
                 struct fpd_usb_port *port)
{
    if (at->bInterfaceClass != FPD_USB_CLASS ||
        at->bInterfaceSubClass != FPD_USB_SUBCLASS ||
        at->bInterfaceProtocol != FPD_USB_PROTOCOL || at->bNumEndpoints != 2 ||
        at->bAlternateSetting != 0)
        return false;
    port->interface = at->bInterfaceNumber;
    port->in = port->out = 0;
    for (int i = 0; i < 2; i++) {
        uint8_t address = at->endpoint[i].bEndpointAddress;

        if ((at->endpoint[i].bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) !=
            LIBUSB_TRANSFER_TYPE_BULK)
            return false;
        *(address & LIBUSB_ENDPOINT_IN ? &port->in : &port->out) = address;
    }
    return port->in && port->out;
}

static bool has_interface(libusb_device *device, struct fpd_usb_port *port)
{
    struct libusb_config_descriptor *config;
    bool found = false;

    if (libusb_get_active_config_descriptor(device, &config))
        return false;
    for (int i = 0; i < config->bNumInterfaces && !found; i++)
        found = config->interface[i].num_altsetting > 0 &&
                fits(&config->interface[i].altsetting[0], port);
    libusb_free_config_descriptor(config);
    return found;
}

static bool is_wanted(libusb_device *device, const struct fpd_usb_want *want,
                      struct fpd_usb_port *port)
{
    struct libusb_device_descriptor is;

    *port = (struct fpd_usb_port){ .device = device };
    if (libusb_get_device_descriptor(device, &is) || is.idVendor != want->vid ||
        is.idProduct != want->pid || !has_interface(device, port) ||
        !read_serial(device, port->serial))
        return false;
    port->vid = is.idVendor;
    port->pid = is.idProduct;
    return want->serial[0] == '\0' || strcmp(want->serial, port->serial) == 0;
}

int fpd_usb_bus_find(const struct fpd_usb_want *want,
                     struct fpd_usb_port *ports, size_t max)
{
    libusb_device **list;
    size_t n = 0;
    int err = start_once();

    if (err)
        return err;
    if (libusb_get_device_list(bus.context, &list) < 0)
        return FP_ERR_NOMEM;
    for (size_t i = 0; list[i] && n < max; i++)
        if (is_wanted(list[i], want, &ports[n]))
            libusb_ref_device(ports[n++].device);
    libusb_free_device_list(list, 1);
    return (int)n;
}

void fpd_usb_port_drop(struct fpd_usb_port *port)
{
    libusb_unref_device(port->device);
    port->device = NULL;
}

void fpd_usb_bus_tell_twin(const struct fpd_usb_port *used,
                           libusb_device *other)
{
    struct fpd_usb_want want = { .vid = used->vid, .pid = used->pid };
    struct fpd_usb_port twin;

    strcpy(want.serial, used->serial);
    if (other == used->device || !is_wanted(other, &want, &twin))
        return;
    fpd_log(FPD_LOG_WARN, "usb",
            "two devices have the serial number %s, which is to be the id of "
            "one: the one that was found first is used: used=%03u/%03u "
            "left_alone=%03u/%03u",
            used->serial, libusb_get_bus_number(used->device),
            libusb_get_device_address(used->device),
            libusb_get_bus_number(other), libusb_get_device_address(other));
}
