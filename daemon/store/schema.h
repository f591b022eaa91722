/* SPDX-License-Identifier: MIT
 *
 * The tables of both databases, and how an older database becomes one of
 * today. Private to daemon/store; docs/store.md says what the columns mean.
 */
#ifndef FPD_STORE_SCHEMA_H
#define FPD_STORE_SCHEMA_H

#include "daemon/store/db.h"

/* File names within the folder. */
const char *fpd_schema_file(enum fpd_db db);

/* Creates or migrates, each step in its own transaction, and sees to it that
 * the tables are those of today. Needs a writing connection. Errors as
 * fpd_store_open(). */
int fpd_schema_apply(struct fpd_conn *conn, enum fpd_db db, char *why,
                     size_t size);

#endif
