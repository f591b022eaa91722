/* SPDX-License-Identifier: MIT */
#include "core/fs/fs.h"

#include <string.h>

/* The digit's value, 16 or more for what is none. */
static uint32_t digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : UINT32_MAX;
}

static uint32_t number(const char *text)
{
    uint32_t value = 0, base = 10;
    bool is_negative = text[0] == '-';

    text += is_negative;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (; digit(*text) < base; text++)
        value = value * base + digit(*text);
    return is_negative ? 0 - value : value;
}

uint32_t fp_fs_option(const char *options, const char *name, uint32_t without)
{
    size_t len = strlen(name);

    while (options != NULL) {
        if (strncmp(options, name, len) == 0 && options[len] == '=')
            return number(options + len + 1);
        options = strchr(options, ',');
        if (options != NULL)
            options++;
    }
    return without;
}
