/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/gadget/configfs.h"

#include "device-agent/usb/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROLLERS "/sys/class/udc"
#define GADGETS     "/sys/kernel/config/usb_gadget"
#define MOUNTS      "/run/flashport-gadget"

/* ---- paths and sentences ---- */

struct path {
    char text[FP_PORT_PATH_MAX + 96];
};

/* Of something in the gadget. */
static struct path at(const struct fp_port_gadget *gadget, const char *name)
{
    struct path path;

    snprintf(path.text, sizeof path.text, "%s/%s", gadget->folder, name);
    return path;
}

static struct path function_at(const struct fp_port_gadget *gadget,
                               const char *folder)
{
    struct path path;

    snprintf(path.text, sizeof path.text, "%s/%s/%s", gadget->folder, folder,
             gadget->function);
    return path;
}

__attribute__((format(printf, 3, 4))) static int fail(char *why, size_t size,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return -1;
}

static int fail_at(char *why, size_t size, const char *path)
{
    return fail(why, size, "%s: %s", path, strerror(errno));
}

/* ---- the controller ---- */

/* The names of all that there are, as "a, b"; how many. */
static int list_controllers(char *text, size_t size)
{
    DIR *folder = opendir(CONTROLLERS);
    int count = 0;
    size_t n = 0;

    text[0] = '\0';
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        if (n < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s",
                                  count > 0 ? ", " : "", entry->d_name);
        count++;
    }
    if (folder)
        closedir(folder);
    return count;
}

static int choose_controller(struct fp_port_gadget *gadget, const char *udc,
                             char *why, size_t size)
{
    char all[160];
    struct path path;
    int count = list_controllers(all, sizeof all);

    if (udc == NULL && count == 1)
        udc = all;
    if (udc != NULL && strlen(udc) > FP_PORT_UDC_MAX)
        return fail(why, size,
                    "--udc %.60s: it has %zu bytes; at most %d make names in "
                    "configfs",
                    udc, strlen(udc), FP_PORT_UDC_MAX);
    if (count == 0)
        return fail(why, size,
                    "--udc %s: this machine has no USB device controller (on a "
                    "Raspberry Pi: dtoverlay=dwc2,dr_mode=peripheral)",
                    udc ? udc : "NAME");
    if (udc == NULL)
        return fail(why, size, "--udc NAME is missing: there are %s", all);
    snprintf(path.text, sizeof path.text, CONTROLLERS "/%s", udc);
    if (strchr(udc, '/') || access(path.text, F_OK) != 0)
        return fail(why, size,
                    "--udc %s: there is none of that name; there are "
                    "%s",
                    udc, all);
    strcpy(gadget->udc, udc);
    return 0;
}

/* "1209:0001" */
static int parse_ids(const char *text, uint16_t ids[2], char *why, size_t size)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    ids[0] = FP_AGENT_USB_VID;
    ids[1] = FP_AGENT_USB_PID;
    if (text == NULL)
        return 0;
    if (strlen(text) != 9 || strspn(text, digits) != 4 || text[4] != ':' ||
        strspn(text + 5, digits) != 4)
        return fail(why, size,
                    "--usb-ids %s: give both with four digits, as 1209:0001",
                    text);
    ids[0] = (uint16_t)strtoul(text, NULL, 16);
    ids[1] = (uint16_t)strtoul(text + 5, NULL, 16);
    return 0;
}

/* ---- making ---- */

static int write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    n = write(fd, text, strlen(text));
    if (close(fd) != 0 || n != (ssize_t)strlen(text))
        return -1;
    return 0;
}

static int make_folder(const char *path)
{
    return mkdir(path, 0755) != 0 && errno != EEXIST ? -1 : 0;
}

static int make_folders(const struct fp_port_gadget *gadget, char *why,
                        size_t size)
{
    static const char *const names[] = { "", "strings/0x409", "configs/c.1",
                                         "configs/c.1/strings/0x409" };
    struct path path;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path = at(gadget, names[i]);
        if (make_folder(path.text) != 0)
            return fail_at(why, size, path.text);
    }
    path = function_at(gadget, "functions");
    return make_folder(path.text) != 0 ? fail_at(why, size, path.text) : 0;
}

/* A bus-powered board may take all that a port gives. At super speed there
 * would be no configuration; kernels before 5.11 have no max_speed, and their
 * controllers of that speed are not for us. */
static int write_attributes(const struct fp_port_gadget *gadget,
                            const uint16_t ids[2], const char *serial,
                            char *why, size_t size)
{
    char vid[8], pid[8], code[8];
    const struct {
        const char *name, *text;
        bool is_optional;
    } all[] = {
        { "idVendor", vid, false },
        { "idProduct", pid, false },
        { "bcdUSB", "0x0200", false },
        { "max_speed", "high-speed", true },
        { "strings/0x409/manufacturer", "flashport", false },
        { "strings/0x409/product", "flashport device", false },
        { "strings/0x409/serialnumber", serial, false },
        { "configs/c.1/strings/0x409/configuration", "flashport", false },
        { "configs/c.1/MaxPower", "500", false },
        { "os_desc/b_vendor_code", code, false },
        { "os_desc/qw_sign", "MSFT100", false },
        { "os_desc/use", "1", false },
    };

    snprintf(vid, sizeof vid, "0x%04x", ids[0]);
    snprintf(pid, sizeof pid, "0x%04x", ids[1]);
    snprintf(code, sizeof code, "0x%02x", FP_AGENT_USB_VENDOR_CODE);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct path path = at(gadget, all[i].name);

        if (write_to(path.text, all[i].text) != 0 && !all[i].is_optional)
            return fail_at(why, size, path.text);
    }
    return 0;
}

static int link_parts(const struct fp_port_gadget *gadget, char *why,
                      size_t size)
{
    struct path function = function_at(gadget, "functions"),
                in_config = function_at(gadget, "configs/c.1"),
                config = at(gadget, "configs/c.1"),
                for_windows = at(gadget, "os_desc/c.1");

    if (symlink(function.text, in_config.text) != 0)
        return fail_at(why, size, in_config.text);
    if (symlink(config.text, for_windows.text) != 0)
        return fail_at(why, size, for_windows.text);
    return 0;
}

/* The lock is on the folder that holds the mount, and goes with the process. */
static int lock(struct fp_port_gadget *gadget, char *why, size_t size)
{
    char path[FP_PORT_PATH_MAX];

    snprintf(path, sizeof path, MOUNTS "/%s", gadget->udc);
    snprintf(gadget->mount, sizeof gadget->mount, MOUNTS "/%s/ffs",
             gadget->udc);
    if (make_folder(MOUNTS) != 0 || make_folder(path) != 0)
        return fail_at(why, size, path);
    gadget->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (gadget->lock < 0)
        return fail_at(why, size, path);
    if (flock(gadget->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(gadget->lock);
    gadget->lock = -1;
    return fail(why, size, "--udc %s: another flashport-gadget serves on it",
                gadget->udc);
}

static int mount_function(const struct fp_port_gadget *gadget, char *why,
                          size_t size)
{
    if (make_folder(gadget->mount) != 0 ||
        mount(gadget->function + strlen("ffs."), gadget->mount, "functionfs", 0,
              NULL) != 0)
        return fail_at(why, size, gadget->mount);
    return 0;
}

/* ---- taking down ---- */

static void unlink_at(const struct fp_port_gadget *gadget, const char *name)
{
    struct path path = at(gadget, name);

    (void)unlink(path.text);
}

static void remove_folder(const struct fp_port_gadget *gadget, const char *name)
{
    struct path path = at(gadget, name);

    (void)rmdir(path.text);
}

/* What is not there is not taken down; what cannot be is met again by the next
 * program, which says what stands in its way. */
static void take_down(struct fp_port_gadget *gadget)
{
    struct path function = function_at(gadget, "functions"),
                in_config = function_at(gadget, "configs/c.1");

    fp_port_gadget_unbind(gadget);
    unlink_at(gadget, "os_desc/c.1");
    (void)unlink(in_config.text);
    (void)umount(gadget->mount);
    remove_folder(gadget, "configs/c.1/strings/0x409");
    remove_folder(gadget, "configs/c.1");
    (void)rmdir(function.text);
    remove_folder(gadget, "strings/0x409");
    remove_folder(gadget, "");
    (void)rmdir(gadget->mount);
}

void fp_port_gadget_unbind(struct fp_port_gadget *gadget)
{
    struct path path = at(gadget, "UDC");

    if (gadget->lock >= 0)
        (void)write_to(path.text, "\n");
}

void fp_port_gadget_remove(struct fp_port_gadget *gadget)
{
    if (gadget->lock < 0)
        return;
    take_down(gadget);
    close(gadget->lock);
    gadget->lock = -1;
}

/* ---- from make to remove ---- */

void fp_port_gadget_init(struct fp_port_gadget *gadget)
{
    *gadget = (struct fp_port_gadget){ .lock = -1 };
}

int fp_port_gadget_make(struct fp_port_gadget *gadget, const char *udc,
                        const char *ids, const char *serial, char *why,
                        size_t size)
{
    uint16_t both[2];

    if (parse_ids(ids, both, why, size) != 0 ||
        choose_controller(gadget, udc, why, size) != 0)
        return -1;
    if (access(GADGETS, F_OK) != 0)
        return fail(why, size,
                    "--udc %s: there is no " GADGETS
                    ": modprobe libcomposite, and "
                    "mount -t configfs none /sys/kernel/config",
                    gadget->udc);
    snprintf(gadget->folder, sizeof gadget->folder, GADGETS "/flashport.%s",
             gadget->udc);
    snprintf(gadget->function, sizeof gadget->function, "ffs.flashport.%s",
             gadget->udc);
    if (lock(gadget, why, size) != 0)
        return -1;
    take_down(gadget); /* what a predecessor left */
    if (make_folders(gadget, why, size) != 0 ||
        write_attributes(gadget, both, serial, why, size) != 0 ||
        mount_function(gadget, why, size) != 0)
        return -1;
    return link_parts(gadget, why, size);
}

int fp_port_gadget_bind(struct fp_port_gadget *gadget, char *why, size_t size)
{
    struct path path = at(gadget, "UDC");

    if (write_to(path.text, gadget->udc) == 0)
        return 0;
    if (errno == EBUSY)
        return fail(why, size, "--udc %s: another gadget is bound to it",
                    gadget->udc);
    return fail_at(why, size, path.text);
}
