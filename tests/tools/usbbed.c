/* SPDX-License-Identifier: MIT
 *
 * usbbed: USB devices without hardware, each joined to an agent on this host.
 *
 *   program under test, libusb --ioctls--> umockdev --> usbbed --> unix socket
 *
 * Both run under umockdev-wrapper, the program with the UMOCKDEV_DIR that is printed
 * first. Then standard input is read, a command a line, each answered by the
 * line "done":
 *
 *   plug NAME IDS TRIPLE SOCKET   a device with the serial number NAME, VID:PID
 *                                 IDS and one interface of the class, subclass
 *                                 and protocol TRIPLE, six hex digits. What is
 *                                 behind a ~ in NAME is not in the number
 *   unplug NAME
 *   unplug-after NAME BYTES       as soon as it has been sent so many; then the
 *                                 line "unplugged NAME" comes
 *   ioctls NAME                   prints how many there were of it
 *   full NAME                     prints how many transfers to it ended with a
 *                                 full packet and were told to be followed by
 *                                 one of no bytes
 *   stall NAME                    it halts both endpoints, until told to go on
 *   deaf NAME                     it takes nothing more, until it is opened anew
 *
 * A device takes bytes no faster than its agent does, and answers a host that
 * asks in vain after a millisecond, since libusb asks again at once here. It
 * reads several packets at once: what ends with a full one and nothing behind it
 * reaches its agent when more comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <umockdev.h>

#define DEVICES_MAX 8
#define PACKET_SIZE 512
#define WAIT_MS     1

struct device {
    char name[65], ids[10], socket[108], triple[7];
    char node[40], syspath[64];
    unsigned port, address;
    bool plugged, gone;
    UMockdevIoctlBase *handler;
    GQueue in, out;   /* transfers that wait for the agent */
    GQueue done;      /* and those that may be reaped */
    size_t out_taken; /* of the first of `out` */
    uint64_t sent, limit;
    unsigned ioctls, full;
    bool halted_in, halted_out, deaf;
    int agent; /* a socket, or -1 */
};

static struct device devices[DEVICES_MAX];
static unsigned device_count, last_address;
static UMockdevTestbed *testbed;
static GMutex lock;
static int bell; /* an eventfd: a limit was reached */

static struct usbdevfs_urb *urb_of(UMockdevIoctlData *data)
{
    return (struct usbdevfs_urb *)data->data;
}

/* What an ioctl points to at `offset`, or NULL: its program was killed before
 * it was asked. */
static UMockdevIoctlData *resolve(UMockdevIoctlData *data, gsize offset,
                                  gsize size)
{
    return umockdev_ioctl_data_resolve(data, offset, size, NULL);
}

/* ---- the agent's end ---- */

static void finish(struct device *d, GQueue *queue, int status)
{
    UMockdevIoctlData *data = g_queue_pop_head(queue);

    urb_of(data)->status = status;
    g_queue_push_tail(&d->done, data);
}

/* As the kernel does when a device goes: all that was under way comes back. */
static void fail_all(struct device *d)
{
    d->gone = true;
    while (!g_queue_is_empty(&d->in))
        finish(d, &d->in, -ESHUTDOWN);
    while (!g_queue_is_empty(&d->out))
        finish(d, &d->out, -ESHUTDOWN);
    if (d->agent >= 0)
        close(d->agent);
    d->agent = -1;
}

static void pull(struct device *d)
{
    uint64_t one = 1;

    fail_all(d);
    if (write(bell, &one, sizeof one) < 0)
        abort();
}

/* Does its last packet leave the device waiting for more? */
static bool is_open_ended(const struct usbdevfs_urb *urb)
{
    return urb->buffer_length % PACKET_SIZE == 0 &&
           !(urb->flags & USBDEVFS_URB_ZERO_PACKET);
}

static bool push_out(struct device *d)
{
    struct usbdevfs_urb *urb = urb_of(g_queue_peek_head(&d->out));
    size_t size = (size_t)urb->buffer_length - d->out_taken;
    ssize_t n;

    if (d->deaf || (is_open_ended(urb) && g_queue_get_length(&d->out) == 1))
        return false;
    n = send(d->agent, (char *)urb->buffer + d->out_taken, size,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return false;
    d->sent += (uint64_t)n;
    d->out_taken += (size_t)n;
    if (d->limit && d->sent >= d->limit) {
        pull(d);
        return false;
    }
    if (d->out_taken == (size_t)urb->buffer_length) {
        urb->actual_length = urb->buffer_length;
        d->out_taken = 0;
        d->full += urb->buffer_length % PACKET_SIZE == 0 &&
                   !is_open_ended(urb);
        finish(d, &d->out, 0);
    }
    return true;
}

static bool pull_in(struct device *d)
{
    struct usbdevfs_urb *urb = urb_of(g_queue_peek_head(&d->in));
    ssize_t n =
        recv(d->agent, urb->buffer, (size_t)urb->buffer_length, MSG_DONTWAIT);

    if (n <= 0)
        return false;
    urb->actual_length = (int)n;
    finish(d, &d->in, 0);
    return true;
}

/* As a halted endpoint answers, whatever it is asked. */
static void stall(struct device *d)
{
    while (d->halted_out && !g_queue_is_empty(&d->out))
        finish(d, &d->out, -EPIPE);
    while (d->halted_in && !g_queue_is_empty(&d->in))
        finish(d, &d->in, -EPIPE);
}

static int clear_halt(struct device *d, UMockdevIoctlData *arg)
{
    unsigned endpoint;
    g_autoptr(UMockdevIoctlData) data = resolve(arg, 0, sizeof endpoint);

    if (!data)
        return EFAULT;
    memcpy(&endpoint, data->data, sizeof endpoint);
    *(endpoint & 0x80 ? &d->halted_in : &d->halted_out) = false;
    return 0;
}

static void move_bytes(struct device *d)
{
    stall(d);
    while (d->agent >= 0 && !g_queue_is_empty(&d->out) && push_out(d))
        ;
    while (d->agent >= 0 && !g_queue_is_empty(&d->in) && pull_in(d))
        ;
}

static void drop(GQueue *queue)
{
    while (!g_queue_is_empty(queue))
        umockdev_ioctl_data_unref(g_queue_pop_head(queue));
}

/* A program that died left transfers behind, which the kernel drops. */
static void join_agent(struct device *d)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    drop(&d->in);
    drop(&d->out);
    drop(&d->done);
    d->out_taken = 0;
    d->deaf = false;
    if (d->agent >= 0)
        close(d->agent);
    strcpy(addr.sun_path, d->socket);
    d->agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(d->agent, (struct sockaddr *)&addr, sizeof addr) < 0) {
        close(d->agent);
        d->agent = -1;
    }
}

/* ---- the host's end ---- */

static int submit(struct device *d, UMockdevIoctlData *arg)
{
    g_autoptr(UMockdevIoctlData) data =
        resolve(arg, 0, sizeof(struct usbdevfs_urb));
    struct usbdevfs_urb *urb = data ? urb_of(data) : NULL;
    g_autoptr(UMockdevIoctlData) buffer =
        data ? resolve(data, offsetof(struct usbdevfs_urb, buffer),
                       (gsize)urb->buffer_length)
             : NULL;

    if (!buffer) /* which belongs to `data` now, as urb->buffer */
        return EFAULT;
    if (d->gone)
        return ENODEV;
    if (urb->type != USBDEVFS_URB_TYPE_BULK)
        return EINVAL;
    urb->actual_length = 0;
    g_queue_push_tail(urb->endpoint & 0x80 ? &d->in : &d->out,
                      umockdev_ioctl_data_ref(data));
    move_bytes(d);
    return 0;
}

static int reap(struct device *d, UMockdevIoctlData *arg)
{
    UMockdevIoctlData *data;

    move_bytes(d);
    if (g_queue_is_empty(&d->done)) {
        struct pollfd fd = { .fd = d->agent, .events = POLLIN };

        g_mutex_unlock(&lock);
        poll(&fd, 1, WAIT_MS);
        g_mutex_lock(&lock);
        move_bytes(d);
    }
    data = g_queue_pop_head(&d->done);
    if (!data)
        return d->gone ? ENODEV : EAGAIN;
    g_autoptr(UMockdevIoctlData) where = resolve(arg, 0, sizeof(gpointer));
    if (where)
        umockdev_ioctl_data_set_ptr(where, 0, data);
    umockdev_ioctl_data_unref(data);
    return where ? 0 : EFAULT;
}

static bool discard_from(struct device *d, GQueue *queue, gulong urb)
{
    for (GList *at = queue->head; at; at = at->next) {
        UMockdevIoctlData *data = at->data;

        if (data->client_addr != urb)
            continue;
        if (queue == &d->out && at == queue->head)
            d->out_taken = 0;
        urb_of(data)->status = -ENOENT;
        g_queue_push_tail(&d->done, data);
        g_queue_delete_link(queue, at);
        return true;
    }
    return false;
}

static int discard(struct device *d, UMockdevIoctlData *arg)
{
    gulong urb;

    memcpy(&urb, arg->data, sizeof urb);
    return discard_from(d, &d->in, urb) || discard_from(d, &d->out, urb)
               ? 0
               : EINVAL;
}

static int answer(struct device *d, gulong request, UMockdevIoctlData *arg)
{
    const guint32 caps = USBDEVFS_CAP_ZERO_PACKET |
                         USBDEVFS_CAP_BULK_CONTINUATION |
                         USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                         USBDEVFS_CAP_REAP_AFTER_DISCONNECT;

    switch (request) {
    case USBDEVFS_GET_CAPABILITIES: {
        g_autoptr(UMockdevIoctlData) data = resolve(arg, 0, sizeof caps);

        if (!data)
            return EFAULT;
        memcpy(data->data, &caps, sizeof caps);
        return 0;
    }
    case USBDEVFS_CLAIMINTERFACE:
        if (d->gone)
            return ENODEV;
        join_agent(d);
        return 0;
    case USBDEVFS_RELEASEINTERFACE:
        if (d->agent >= 0)
            close(d->agent);
        d->agent = -1;
        return 0;
    case USBDEVFS_CLEAR_HALT:
        return clear_halt(d, arg);
    case USBDEVFS_SUBMITURB:
        return submit(d, arg);
    case USBDEVFS_REAPURB:
    case USBDEVFS_REAPURBNDELAY:
        return reap(d, arg);
    case USBDEVFS_DISCARDURB:
        return discard(d, arg);
    default:
        fprintf(stderr, "usbbed: no such ioctl here: %#lx\n", request);
        return ENOTTY;
    }
}

static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client,
                         gpointer arg)
{
    struct device *d = arg;
    int error;

    (void)base;
    g_mutex_lock(&lock);
    d->ioctls++;
    error = answer(d, umockdev_ioctl_client_get_request(client),
                   umockdev_ioctl_client_get_arg(client));
    g_mutex_unlock(&lock);
    umockdev_ioctl_client_complete(client, error ? -1 : 0, error);
    return TRUE;
}

/* ---- plugging ---- */

/* Device, configuration, interface, bulk in 0x81, bulk out 0x02, of 512 bytes a
 * packet. Source: USB 2.0, 9.6. */
static void write_descriptors(const struct device *d, GString *text)
{
    g_string_append_printf(text, "1201000200000040%c%c%c%c%c%c%c%c000100000301",
                           d->ids[2], d->ids[3], d->ids[0], d->ids[1],
                           d->ids[7], d->ids[8], d->ids[5], d->ids[6]);
    g_string_append_printf(text,
                           "090220000101008032"
                           "0904000002%s00"
                           "07058102000200"
                           "07050202000200",
                           d->triple);
}

static void plug(struct device *d)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    d->address = ++last_address;
    d->gone = false;
    d->limit = d->sent = d->out_taken = 0;
    snprintf(d->node, sizeof d->node, "/dev/bus/usb/001/%03u", d->address);
    snprintf(d->syspath, sizeof d->syspath, "/sys/devices/usb1/1-%u", d->port);
    d->handler = umockdev_ioctl_base_new();
    g_signal_connect(d->handler, "handle-ioctl", G_CALLBACK(on_ioctl), d);
    g_string_printf(text,
                    "P: %s\nN: bus/usb/001/%03u\nE: SUBSYSTEM=usb\n"
                    "E: BUSNUM=001\nE: DEVNUM=%03u\nE: DEVNAME=%s\n"
                    "E: DEVTYPE=usb_device\nA: bConfigurationValue=1\\n\n"
                    "A: busnum=1\\n\nA: devnum=%u\\n\nA: speed=480\\n\n"
                    "A: serial=%.*s\\n\nH: descriptors=",
                    d->syspath + 4, d->address, d->address, d->node,
                    d->address, (int)strcspn(d->name, "~"), d->name);
    write_descriptors(d, text);
    g_string_append(text, "\n");
    if (!umockdev_testbed_attach_ioctl(testbed, d->node, d->handler, &error) ||
        !umockdev_testbed_add_from_string(testbed, text->str, &error)) {
        fprintf(stderr, "usbbed: %s\n", error->message);
        exit(1);
    }
    umockdev_testbed_uevent(testbed, d->syspath, "add");
    d->plugged = true;
}

static void unplug(struct device *d)
{
    g_mutex_lock(&lock);
    fail_all(d);
    g_mutex_unlock(&lock);
    umockdev_testbed_uevent(testbed, d->syspath, "remove");
    umockdev_testbed_remove_device(testbed, d->syspath);
    d->plugged = false;
}

static void unplug_at_limit(void)
{
    uint64_t count;

    if (read(bell, &count, sizeof count) < 0)
        return;
    for (unsigned i = 0; i < device_count; i++) {
        if (!devices[i].plugged || !devices[i].gone)
            continue;
        unplug(&devices[i]);
        printf("unplugged %s\n", devices[i].name);
    }
}

/* ---- commands ---- */

static struct device *find(const char *name)
{
    for (unsigned i = 0; i < device_count; i++)
        if (strcmp(devices[i].name, name) == 0)
            return &devices[i];
    if (device_count == DEVICES_MAX || strlen(name) > 64)
        return NULL;
    snprintf(devices[device_count].name, sizeof devices[0].name, "%s", name);
    devices[device_count].agent = -1;
    devices[device_count].port = device_count + 1;
    return &devices[device_count++];
}

static bool obey(char *line)
{
    char verb[20] = "", name[65] = "", ids[10] = "", triple[7] = "",
         where[108] = "";
    int n = sscanf(line, "%19s %64s %9s %6s %107s", verb, name, ids, triple,
                   where);
    struct device *d = n >= 2 ? find(name) : NULL;

    if (!d)
        return false;
    if (strcmp(verb, "plug") == 0 && n == 5) {
        strcpy(d->ids, ids);
        strcpy(d->triple, triple);
        strcpy(d->socket, where);
        plug(d);
    } else if (strcmp(verb, "unplug") == 0) {
        unplug(d);
    } else if (strcmp(verb, "unplug-after") == 0 && n == 3) {
        g_mutex_lock(&lock);
        d->limit = d->sent + strtoull(ids, NULL, 10);
        g_mutex_unlock(&lock);
    } else if (strcmp(verb, "ioctls") == 0) {
        printf("ioctls %s %u\n", d->name, d->ioctls);
    } else if (strcmp(verb, "full") == 0) {
        printf("full %s %u\n", d->name, d->full);
    } else if (strcmp(verb, "stall") == 0 || strcmp(verb, "deaf") == 0) {
        g_mutex_lock(&lock);
        d->halted_in = d->halted_out = strcmp(verb, "stall") == 0;
        d->deaf = !d->halted_in;
        g_mutex_unlock(&lock);
    } else {
        return false;
    }
    return true;
}

int main(void)
{
    struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
    char line[400];

    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll() shall see what is left */
    bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fds[1] = (struct pollfd){ .fd = bell, .events = POLLIN };
    testbed = umockdev_testbed_new();
    printf("UMOCKDEV_DIR=%s\n", getenv("UMOCKDEV_DIR"));
    for (;;) {
        poll(fds, 2, -1);
        if (fds[1].revents)
            unplug_at_limit();
        if (!fds[0].revents)
            continue;
        if (!fgets(line, sizeof line, stdin))
            break;
        puts(obey(line) ? "done" : "usbbed: no such command");
    }
    g_object_unref(testbed);
    return 0;
}
