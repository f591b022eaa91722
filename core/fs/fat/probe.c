/* SPDX-License-Identifier: MIT
 *
 * Is there a FAT, and of which sector? A firmware that knows what it mounts
 * does without, by a table of its own.
 */
#include "core/fs/fat/vol.h"

/* Works before any workspace exists, with a small buffer of its own: a device
 * that reads larger units must be mounted with its sector stated. */
#define PROBE_MAX 256u

int fp_fat_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    uint32_t unit = dev->read_size > 64 ? dev->read_size : 64, size;
    uint8_t buf[PROBE_MAX];
    int err, what;

    *score =
        96; /* more than SPIFFS, which is left in blocks FAT has not used */
    if (dev->read_size > PROBE_MAX)
        return FP_ERR_NOTSUP;
    if (fp_bdev_size(dev) < 512)
        return FP_ERR_NOENT;
    err = fp_bdev_read(dev, 0, buf, unit);
    if (err)
        return err;
    what = fp_fat_boot_judge(buf);
    size = fp_fat_u16(buf + 11);
    err = fp_bdev_read(dev, 510 / unit * unit, buf, unit);
    if (err)
        return err;
    if (fp_fat_u16(buf + 510 % unit) != 0xaa55 ||
        (!what && cfg->block_size && cfg->block_size != size))
        return FP_ERR_NOENT;
    if (!what)
        cfg->block_size = size;
    return what;
}
