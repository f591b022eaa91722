/* SPDX-License-Identifier: MIT
 *
 * The table of links.
 */
#include "daemon/link/links.h"

#include <string.h>

const struct fpd_link_ops *const fpd_links[] = {
    &fpd_link_serial, &fpd_link_tcp, &fpd_link_unix, &fpd_link_usb, NULL,
};

const struct fpd_link_ops *fpd_link_kind(const char *spec, const char **rest)
{
    for (size_t i = 0; fpd_links[i]; i++) {
        size_t n = strlen(fpd_links[i]->kind);

        if (strncmp(spec, fpd_links[i]->kind, n) == 0 && spec[n] == ':') {
            *rest = spec + n + 1;
            return fpd_links[i];
        }
    }
    return NULL;
}
