/* SPDX-License-Identifier: MIT
 *
 * Tokens: who may use the API. A token is 256 random bits, written in
 * base64url after "fp_"; the store keeps their SHA-256 and never the token.
 *
 * Thread  from any
 */
#ifndef FPD_STORE_TOKENS_H
#define FPD_STORE_TOKENS_H

#include "daemon/store/store.h"
#include "daemon/store/uuid.h"

#define FPD_TOKEN_SIZE 47 /* "fp_" and 43 characters, with the NUL */

enum fpd_scope {
    FPD_SCOPE_READ = 1,
    FPD_SCOPE_WRITE,
    FPD_SCOPE_ADMIN,
};
/* "read", "write", "admin"; "none". */
const char *fpd_scope_name(enum fpd_scope scope);
/* The scope of that name, or 0. */
enum fpd_scope fpd_scope_parse(const char *name);

struct fpd_token {
    char id[FPD_UUID_SIZE];
    char name[65]; /* what its owner calls it */
    enum fpd_scope scope;
    char devices[1024]; /* "a,b": ids it is good for; "" all */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
};

/* name, scope, devices and expires_ms are the caller's, the rest is set here.
 * `secret` is told this once. FP_ERR_INVAL: a field is not as above. */
int fpd_store_token_add(struct fpd_store *store, struct fpd_token *token,
                        char secret[FPD_TOKEN_SIZE]);
/* FP_ERR_NOENT: none like it, or expired. */
int fpd_store_token_find(struct fpd_store *store, const char *secret,
                         struct fpd_token *out);
/* Is it good for this device? */
bool fpd_token_covers(const struct fpd_token *token, const char *device);
/* By age, the oldest first; expired ones too. `after` is an id or NULL. */
int fpd_store_token_list(struct fpd_store *store, const char *after,
                         struct fpd_token *out, size_t max, size_t *count);
int fpd_store_token_revoke(struct fpd_store *store, const char *id);

#endif
