/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/host/in_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MTD_BLOCK_MAJOR 31
#define UBI_MAX         32
#define LOOP_MAX        64

struct answer {
    char *why;
    size_t size;
};

/* --- disks and their partitions ------------------------------------------ */

static bool read_number(const char *path, const char *format, unsigned *a,
                        unsigned *b)
{
    FILE *file = fopen(path, "re");
    bool done = file && fscanf(file, format, a, b) >= 1;

    if (file)
        fclose(file);
    return done;
}

/* The disk that it is a partition of, or itself. */
static dev_t whole(dev_t dev)
{
    unsigned hi, lo;
    char path[80];

    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/partition", major(dev),
             minor(dev));
    if (access(path, F_OK) != 0)
        return dev;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/../dev", major(dev),
             minor(dev));
    return read_number(path, "%u:%u", &hi, &lo) ? makedev(hi, lo) : dev;
}

/* Two partitions of one disk are strangers. */
static bool overlap(dev_t a, dev_t b)
{
    dev_t disk = whole(a);

    return a == b || (disk == whole(b) && (a == disk || b == disk));
}

/* The disk that a path names; 0: none. */
static dev_t disk_at(const char *path)
{
    struct stat st;

    return path[0] == '/' && stat(path, &st) == 0 && S_ISBLK(st.st_mode)
               ? st.st_rdev
               : 0;
}

/* --- mounts and swap ------------------------------------------------------ */

/* Blanks in names are written as \040 there. */
static void unescape(char *s)
{
    char *out = s;

    while (*s) {
        unsigned c;

        if (s[0] == '\\' && sscanf(s + 1, "%3o", &c) == 1 && strlen(s) >= 4) {
            *out++ = (char)c;
            s += 4;
        } else {
            *out++ = *s++;
        }
    }
    *out = 0;
}

/* One line of /proc/self/mountinfo. Source: proc(5). */
static bool mount_uses(char *line, dev_t disk, struct answer *answer)
{
    char *tail = strstr(line, " - "), *mountpoint, *source, *rest;
    unsigned hi, lo;
    int at = 0;
    dev_t dev;

    if (!tail || sscanf(line, "%*u %*u %u:%u %*s %n", &hi, &lo, &at) != 2 ||
        at == 0)
        return false;
    mountpoint = strtok_r(line + at, " ", &rest);
    source =
        strtok_r(tail + 3, " \n", &rest) ? strtok_r(NULL, " \n", &rest) : NULL;
    if (!mountpoint || !source)
        return false;
    unescape(mountpoint);
    unescape(source);
    /* btrfs and overlays make up the number: there the name counts. */
    dev = disk_at(source);
    if (!overlap(makedev(hi, lo), disk) && !(dev && overlap(dev, disk)))
        return false;
    snprintf(answer->why, answer->size, "%s is mounted on %s: unmount it first",
             source, mountpoint);
    return true;
}

/* One line of /proc/swaps. */
static bool swap_uses(char *line, dev_t disk, struct answer *answer)
{
    char *rest, *name = strtok_r(line, " \t", &rest);
    dev_t dev;

    if (!name)
        return false;
    unescape(name);
    dev = disk_at(name);
    if (!dev || !overlap(dev, disk))
        return false;
    snprintf(answer->why, answer->size,
             "the system swaps to %s: end that first (swapoff)", name);
    return true;
}

static bool any_line(const char *path, dev_t disk, struct answer *answer,
                     bool (*uses)(char *, dev_t, struct answer *))
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    bool found = false;
    size_t room = 0;

    if (!file)
        return false;
    while (!found && getline(&line, &room, file) > 0)
        found = uses(line, disk, answer);
    free(line);
    fclose(file);
    return found;
}

bool fp_host_in_use_disk(dev_t disk, char *why, size_t size)
{
    struct answer answer = { why, size };

    return any_line("/proc/self/mountinfo", disk, &answer, mount_uses) ||
           any_line("/proc/swaps", disk, &answer, swap_uses);
}

/* --- MTD ------------------------------------------------------------------ */

bool fp_host_in_use_mtd(unsigned number, char *why, size_t size)
{
    unsigned taken, unused;
    char path[64];

    /* What is mounted from flash has the number of its block device. */
    if (fp_host_in_use_disk(makedev(MTD_BLOCK_MAJOR, number), why, size))
        return true;
    for (int i = 0; i < UBI_MAX; i++) {
        snprintf(path, sizeof path, "/sys/class/ubi/ubi%d/mtd_num", i);
        if (!read_number(path, "%u", &taken, &unused) || taken != number)
            continue;
        snprintf(why, size, "UBI uses it as ubi%d: detach it first (ubidetach)",
                 i);
        return true;
    }
    return false;
}

/* --- image files ---------------------------------------------------------- */

/* The file behind /dev/loopN; false: none, or gone. */
static bool behind_loop(int n, struct stat *st)
{
    char path[80], backing[4096];
    FILE *file;
    bool done;

    snprintf(path, sizeof path, "/sys/block/loop%d/loop/backing_file", n);
    file = fopen(path, "re");
    done = file && fgets(backing, sizeof backing, file);
    if (file)
        fclose(file);
    if (!done)
        return false;
    backing[strcspn(backing, "\n")] = 0;
    return stat(backing, st) == 0;
}

bool fp_host_in_use_file(dev_t dev, ino_t ino, char *why, size_t size)
{
    unsigned hi, lo;
    struct stat st;
    char path[64];

    for (int n = 0; n < LOOP_MAX; n++) {
        if (!behind_loop(n, &st) || st.st_dev != dev || st.st_ino != ino)
            continue;
        snprintf(path, sizeof path, "/sys/block/loop%d/dev", n);
        if (read_number(path, "%u:%u", &hi, &lo) &&
            fp_host_in_use_disk(makedev(hi, lo), why, size))
            return true;
    }
    return false;
}

/* --- locks ---------------------------------------------------------------- */

/* The process whose flock it is, in one line of /proc/locks; 0: another's.
 * Source: proc(5). */
static unsigned lock_owner(const char *line, dev_t dev, ino_t ino)
{
    unsigned pid, hi, lo;
    unsigned long at;

    return sscanf(line, "%*s FLOCK %*s %*s %u %x:%x:%lu", &pid, &hi, &lo,
                  &at) == 4 &&
                   makedev(hi, lo) == dev && at == ino
               ? pid
               : 0;
}

void fp_host_in_use_lock(dev_t dev, ino_t ino, char *why, size_t size)
{
    FILE *file = fopen("/proc/locks", "re"), *comm;
    char line[256], path[64], name[32] = "";
    unsigned pid = 0;

    while (file && !pid && fgets(line, sizeof line, file))
        pid = lock_owner(line, dev, ino);
    if (file)
        fclose(file);
    if (!pid)
        return;
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    comm = fopen(path, "re");
    if (comm && fgets(name, sizeof name, comm))
        name[strcspn(name, "\n")] = 0;
    if (comm)
        fclose(comm);
    snprintf(why, size, "in use by %s (process %u)",
             name[0] ? name : "another program", pid);
}
