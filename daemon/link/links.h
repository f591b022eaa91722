/* SPDX-License-Identifier: MIT
 *
 * The kinds of link, one row each, ended by NULL.
 */
#ifndef FPD_LINK_LINKS_H
#define FPD_LINK_LINKS_H

#include "daemon/link/link.h"

extern const struct fpd_link_ops fpd_link_serial;
extern const struct fpd_link_ops fpd_link_tcp;
extern const struct fpd_link_ops fpd_link_unix;
extern const struct fpd_link_ops fpd_link_usb;

extern const struct fpd_link_ops *const fpd_links[];

/* The kind of a SPEC, and what is behind "kind:" in it; or NULL. */
const struct fpd_link_ops *fpd_link_kind(const char *spec, const char **rest);

#endif
