/* SPDX-License-Identifier: MIT
 *
 * Reading flash, and decoding what pages start with.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

/* Pieces that the device does not read go by way of fs->unit. */
static int read_piece(struct fp_spf *fs, fp_addr at, uint8_t *buf,
                      uint32_t size)
{
    uint32_t unit = fs->dev->read_size, off = (uint32_t)(at % unit);
    int err;

    if (fs->unit_at != at - off) {
        fs->unit_at = (fp_addr)-1;
        err = fp_bdev_read(fs->dev, at - off, fs->unit, unit);
        if (err)
            return err;
        fs->unit_at = at - off;
    }
    memcpy(buf, fs->unit + off, size);
    return FP_OK;
}

int fp_spf_read(struct fp_spf *fs, fp_addr at, void *buf, uint32_t size)
{
    uint32_t unit = fs->dev->read_size, n;
    uint8_t *to = buf;

    for (int err; size > 0; to += n, at += n, size -= n) {
        uint32_t off = (uint32_t)(at % unit);

        if (off || size < unit) {
            n = fp_spf_min(size, unit - off);
            err = read_piece(fs, at, to, n);
        } else {
            n = size - size % unit;
            err = fp_bdev_read(fs->dev, at, to, n);
        }
        if (err)
            return err;
    }
    return FP_OK;
}

void fp_spf_head_get(const struct fp_spf *fs, const uint8_t *buf,
                     struct fp_spf_head *head)
{
    uint32_t id = fp_spf_word(fs, buf);

    head->index = id & fp_spf_ix(fs);
    head->id = id & ~fp_spf_ix(fs);
    head->span = fp_spf_word(fs, buf + fs->w);
    head->flags = buf[2 * fs->w];
    head->link = fp_get_le16(buf + fs->hdr);
    head->seq = buf[fs->hdr + 2];
}

int fp_spf_peek(struct fp_spf *fs, uint32_t page, struct fp_spf_head *head)
{
    uint8_t buf[FP_SPF_HEAD_MAX];
    int err = fp_spf_read(fs, fp_spf_at(fs, page), buf, fs->pad);

    fp_spf_head_get(fs, buf, head);
    return err;
}

bool fp_spf_is_index(const struct fp_spf_head *head)
{
    const uint8_t look =
        FP_SPF_USED | FP_SPF_FINAL | FP_SPF_INDEX | FP_SPF_DELET;

    return head->index && head->id && (head->flags & look) == FP_SPF_DELET;
}

int fp_spf_read_head(struct fp_spf *fs, uint32_t page, uint8_t *buf,
                     struct fp_spf_head *head)
{
    int err = FP_OK;

    if (buf != fs->page || fs->held != page)
        err = fp_spf_read(fs, fp_spf_at(fs, page), buf,
                          fs->pad + 5 + fs->name_len);
    if (buf == fs->page)
        fs->held = err ? FP_SPF_NONE : page;
    fp_spf_head_get(fs, buf, head);
    return err;
}

uint32_t fp_spf_size_get(const struct fp_spf *fs, const uint8_t *buf)
{
    uint32_t size = fp_get_le32(buf + fs->pad);

    return size == FP_SPF_EMPTY ? 0 : size;
}

const uint8_t *fp_spf_name_get(const struct fp_spf *fs, const uint8_t *buf,
                               uint32_t *size)
{
    const uint8_t *name = buf + fs->pad + 5;
    const uint8_t *end = memchr(name, 0, fs->name_len - 1u);

    *size = end != NULL ? (uint32_t)(end - name) : fs->name_len - 1u;
    return name;
}

int fp_spf_read_entry(struct fp_spf *fs, uint32_t page, uint32_t *entry)
{
    uint8_t buf[4];
    int err = fp_spf_read(fs, fp_spf_lookup_at(fs, page), buf, fs->w);

    *entry = err ? 0 : fp_spf_word(fs, buf);
    return err;
}

int fp_spf_read_count(struct fp_spf *fs, uint32_t block, uint32_t *count)
{
    uint8_t buf[4];
    int err = fp_spf_read(fs, fp_spf_magic_at(fs, block) + fs->w, buf, fs->w);

    *count = err ? 0 : fp_spf_word(fs, buf);
    return err;
}

bool fp_spf_is_page(const struct fp_spf *fs, uint32_t page)
{
    return page < fs->pages && page % fs->ppb >= fs->lookup;
}
