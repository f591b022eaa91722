/* SPDX-License-Identifier: MIT
 *
 * The layouts that ship.
 */
#include "core/fs/spiffs/spiffs.h"

const struct fp_fs_config fp_fs_spiffs_esp8266 = {
    .block_size = 8192,
    .page_size = 256,
    .options = "aligned=1",
};

const struct fp_fs_config fp_fs_spiffs_espidf = {
    .block_size = 4096,
    .page_size = 256,
    .options = "meta_len=4",
};

const struct fp_fs_config fp_fs_spiffs_maixpy = {
    .page_size = 256,
    .options = "aligned=1",
};
