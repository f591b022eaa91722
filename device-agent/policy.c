/* SPDX-License-Identifier: MIT
 *
 * What the firmware does not let a host do, whatever the host says.
 *
 *     regions    a block device between a storage and all that the agent does
 *                with it, volumes included: no program or erase reaches a
 *                region that is read-only or hidden, no read a hidden one
 *     paths      what cfg->protected_paths names, and all below it, is never
 *                written, made, renamed or removed; nor its volume formatted or
 *                its storage restored, which would take it along
 *
 * A filesystem may know one file by several spellings: FAT takes any case and
 * an 8.3 alias, and no dot or space at the end; SPIFFS and Bonsai write some
 * bytes as '%' and digits, SPIFFS marks a file by a '%', Bonsai shows a node's
 * own data as ".data". Names are compared so loosely here that none of these
 * gets past; names that are different and protected all the same are the price,
 * and few.
 */
#include "device-agent/private.h"

#include <string.h>

/* ---- regions ---- */

#if FP_AGENT_REGIONS

#define GUARDED (FP_AGENT_REGION_RDONLY | FP_AGENT_REGION_HIDDEN)

bool fp_agent_is_guarded(const struct fp_agent_storage *storage, uint64_t off,
                         uint64_t size, uint32_t flags)
{
    for (uint32_t i = 0; i < storage->region_count; i++) {
        const struct fp_agent_region *region = &storage->regions[i];

        if (region->flags & flags && off < region->off + region->size &&
            region->off < off + size)
            return true;
    }
    return false;
}

static const struct fp_agent_storage *guarded(const struct fp_bdev *dev)
{
    return ((const struct fp_agent_guard *)dev)->storage;
}

static int guard_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    if (fp_agent_is_guarded(guarded(dev), off, size, FP_AGENT_REGION_HIDDEN))
        return FP_ERR_ACCES;
    return fp_bdev_read(guarded(dev)->dev, off, buf, size);
}

static int guard_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    if (fp_agent_is_guarded(guarded(dev), off, size, GUARDED))
        return FP_ERR_ACCES;
    return fp_bdev_prog(guarded(dev)->dev, off, buf, size);
}

static int guard_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    if (fp_agent_is_guarded(guarded(dev), (uint64_t)block * dev->block_size,
                            (uint64_t)count * dev->block_size, GUARDED))
        return FP_ERR_ACCES;
    return fp_bdev_erase(guarded(dev)->dev, block, count);
}

static int guard_sync(struct fp_bdev *dev)
{
    return fp_bdev_sync(guarded(dev)->dev);
}

static void guard_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(guarded(dev)->dev);
}

static const struct fp_bdev_ops guard_ops = {
    .read = guard_read,
    .prog = guard_prog,
    .erase = guard_erase,
    .sync = guard_sync,
    .yield = guard_yield,
};

struct fp_bdev *fp_agent_dev(struct fp_agent_storage *storage)
{
    if (!fp_agent_is_guarded(storage, 0, UINT64_MAX, GUARDED))
        return storage->dev;
    /* Anew each time: of another card the geometry may be another. */
    storage->guard.bdev = *storage->dev;
    storage->guard.bdev.ops = &guard_ops;
    storage->guard.storage = storage;
    return &storage->guard.bdev;
}

#endif

/* ---- paths ---- */

#if FP_AGENT_PROTECTED

static uint32_t hex(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 : 16;
}

/* One byte, 0 at the end of a component. */
static uint32_t take_byte(const char **at)
{
    uint32_t c = (uint8_t) * *at;

    if (c == '\0' || c == '/')
        return 0;
    if (c == '%' && hex((*at)[1]) < 16 && hex((*at)[2]) < 16) {
        c = hex((*at)[1]) << 4 | hex((*at)[2]);
        *at += 2;
        c = c != 0 ? c : '%';
    }
    *at += 1;
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* The next byte as it is compared. Whatever is beyond ASCII, however long, is
 * alike: capital letters and the bytes of a short name are written otherwise. */
static uint32_t take(const char **at)
{
    uint32_t c = take_byte(at);
    const char *next = *at;

    if (c < 0x80)
        return c;
    while (take_byte(&next) >= 0x80)
        *at = next;
    return 0x80;
}

/* Nothing but what a filesystem may leave out at the end of a name. */
static bool is_tail(uint32_t c, const char *at)
{
    while (c == '.' || c == ' ' || c == '%')
        c = take(&at);
    return c == 0;
}

/* "ANYTHI~1.TXT": it may stand for any long name. */
static bool is_alias(const char *name)
{
    uint32_t chars = 0, digits = 0;
    bool tilde = false;

    for (; *name != '\0' && *name != '/' && *name != '.'; name++) {
        bool digit = *name >= '0' && *name <= '9';

        chars += ((uint8_t)*name & 0xc0) != 0x80;
        tilde = *name == '~' || (tilde && digit);
        digits = *name == '~' ? 0 : digits + digit;
    }
    return tilde && digits > 0 && chars <= 8;
}

static bool is_same_name(const char *a, const char *b)
{
    uint32_t c, d;

    if (is_alias(a))
        return true;
    do {
        c = take(&a);
        d = take(&b);
    } while (c == d && c != 0);
    return is_tail(c, a) && is_tail(d, b);
}

/* The component behind the '/', or NULL at the end of the path. */
static const char *component(const char **path)
{
    const char *name = *path + strspn(*path, "/");

    *path = name + strcspn(name, "/");
    return *name != '\0' ? name : NULL;
}

/* Is `path` the protected one, below it, or `above` it? */
static bool covers(const char *protected, const char *path, bool above)
{
    for (;;) {
        const char *mine = component(&protected), *its = component(&path);

        if (mine == NULL || strcmp(mine, ".data") == 0)
            return true;
        if (its == NULL)
            return above;
        if (!is_same_name(its, mine))
            return false;
    }
}

int fp_agent_may_change(const struct fp_agent *agent,
                        struct fp_agent_task *task, const char *path,
                        bool above)
{
    const struct fp_agent_config *cfg = agent->cfg;

    for (uint32_t i = 0; i < cfg->protected_count; i++) {
        if (covers(cfg->protected_paths[i], path, false))
            return fp_agent_because(task, FP_ERR_ACCES,
                                    "the firmware protects this path");
        if (above && covers(cfg->protected_paths[i], path, true))
            return fp_agent_because(task, FP_ERR_ACCES,
                                    "the firmware protects something in it");
    }
    return FP_OK;
}

bool fp_agent_volume_is_protected(const struct fp_agent *agent,
                                  const struct fp_agent_volume *volume)
{
    for (uint32_t i = 0; i < agent->cfg->protected_count; i++)
        if (covers(agent->cfg->protected_paths[i], volume->path, true))
            return true;
    return false;
}

bool fp_agent_storage_is_protected(const struct fp_agent *agent,
                                   const struct fp_agent_storage *storage)
{
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++)
        if (agent->cfg->volumes[i].on == storage &&
            fp_agent_volume_is_protected(agent, &agent->cfg->volumes[i]))
            return true;
    return false;
}

#endif
