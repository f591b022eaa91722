/* SPDX-License-Identifier: MIT
 *
 * Any image as a SPIFFS volume: mounted, walked, read, checked, written to,
 * and the same once more after a new mount.
 *
 * Input: a byte, then the image. The byte says which layout is stated at mount;
 * 128 more is read-only. A block whose magic is wrong hides what is in it, and
 * of two there is no volume: the magics are made good first, but where bit 6 is
 * set, so that changes reach behind them.
 */
#include "core/bytes.h"
#include "core/fs/spiffs/spiffs.h"
#include "tests/fuzz/volume.h"

#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LAYOUT(blocks, pages, opts)                                   \
    {                                                                 \
        .ops = &fp_fs_spiffs, .prog_size = 1, .block_size = (blocks), \
        .cfg = { .block_size = (blocks),                              \
                 .page_size = (pages),                                \
                 .options = (opts) },                                 \
    }

/* The first ones are of the reference's images. */
static const struct fuzz_layout layouts[] = {
    LAYOUT(4096, 256, "meta_len=0"),
    LAYOUT(4096, 256, "meta_len=4"),
    LAYOUT(8192, 256, "aligned=1"),
    LAYOUT(4096, 256, "magic=0"),
    LAYOUT(4096, 256, "id_bytes=4"),
    LAYOUT(4096, 512, "name_len=64,meta_len=64,magic_length=0"),
    LAYOUT(4096, 128, "meta_len=0"),
    LAYOUT(1024, 64, "name_len=16"),
};

/* Of volumes whose ids have 2 bytes. Source: docs/formats/spiffs.md, 2. */
static void mend(const struct fuzz_layout *layout, uint8_t *image, size_t size)
{
    uint32_t block = layout->block_size, page = layout->cfg.page_size;
    uint32_t count = (uint32_t)(size / block);
    uint32_t lookup = block / page * 2 / page;
    uint32_t with_length = fp_fs_option(layout->cfg.options, "magic_length", 1);

    lookup = lookup ? lookup : 1;
    for (uint32_t b = 0; b < count; b++)
        fp_put_le16(
            image + b * block + lookup * page - 4,
            (uint16_t)(0x20140529u ^ page ^ (with_length ? count - b : 0)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t count = sizeof layouts / sizeof *layouts;
    const struct fuzz_layout *layout;
    uint8_t *copy;
    int result;

    if (size < 1 || size > IMAGE_MAX + 1)
        return 0;
    copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    copy[0] &= (uint8_t)~64;
    layout = &layouts[(copy[0] & 127) % count];
    if (!(data[0] & 64) && !fp_fs_option(layout->cfg.options, "id_bytes", 0) &&
        fp_fs_option(layout->cfg.options, "magic", 1))
        mend(layout, copy + 1, size - 1);
    result = fuzz_layouts(layouts, count, IMAGE_MAX, copy, size);
    free(copy);
    return result;
}
