/* SPDX-License-Identifier: MIT
 *
 * The table of links.
 */
#include "daemon/link/links.h"

const struct fpd_link_ops *const fpd_links[] = {
    &fpd_link_serial,
    &fpd_link_tcp,
    &fpd_link_unix,
    NULL,
};
