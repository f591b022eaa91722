/* SPDX-License-Identifier: MIT
 *
 * A volume is recognised by its System File; with a root whose parent is
 * itself there is no doubt.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    uint8_t head[FP_BON_FSA];
    fp_addr rows = fp_bdev_size(dev) / FP_BON_ROW;
    int err;

    if (dev->read_size != 1 || rows < 4 || rows > FP_BON_ROWS_MAX)
        return FP_ERR_NOENT;
    err = fp_bdev_read(dev, 0, head, sizeof head);
    if (!err &&
        (head[0] != 11 || memcmp(head + FP_BON_HEAD, "system_file", 11) != 0)) {
        /* A cut while the journal rewrites it leaves the row half there. */
        err = fp_bdev_read(dev, (rows - 1) * FP_BON_ROW, head, sizeof head);
        if (!err &&
            (head[0] != 7 || memcmp(head + FP_BON_HEAD, "journal", 7) != 0))
            err = FP_ERR_NOENT;
    }
    if (err)
        return err;
    cfg->block_size = FP_BON_ROW;
    *score = 80;
    return FP_OK;
}
