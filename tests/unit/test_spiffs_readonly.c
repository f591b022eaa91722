/* SPDX-License-Identifier: MIT
 *
 * The driver as a firmware that only reads has it: built with FP_READONLY, it
 * reads the same images.
 */
#include "tests/unit/test_spiffs_images.c"
