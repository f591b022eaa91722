/* SPDX-License-Identifier: MIT
 *
 * A token is found by the hash of what was presented. That hash is no secret
 * that could be guessed bit by bit from the time a lookup takes, since nobody
 * can choose what a text hashes to; the comparison is constant in time anyway.
 */
#include "daemon/store/tokens.h"

#include "daemon/store/internal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define LIST_MAX 1000

#define COLUMNS                                                           \
    "SELECT id, name, scope, devices, created_ms, expires_ms, hash FROM " \
    "token "

static const struct {
    enum fpd_scope scope;
    const char *name;
} scopes[] = {
    { FPD_SCOPE_READ, "read" },
    { FPD_SCOPE_WRITE, "write" },
    { FPD_SCOPE_ADMIN, "admin" },
};

const char *fpd_scope_name(enum fpd_scope scope)
{
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        if (scopes[i].scope == scope)
            return scopes[i].name;
    return "none";
}

enum fpd_scope fpd_scope_parse(const char *name)
{
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        if (strcmp(scopes[i].name, name) == 0)
            return scopes[i].scope;
    return (enum fpd_scope)0;
}

/* 32 random bytes as "fp_" and 43 characters. Source: RFC 4648, section 5,
 * without padding. */
static int secret_new(char out[FPD_TOKEN_SIZE])
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
        "uvwxyz0123456789-_";
    uint8_t raw[33] = { 0 }; /* one more, so that it divides by three */
    char *p = out + 3;

    if (RAND_bytes(raw, 32) != 1)
        return FP_ERR_IO;
    memcpy(out, "fp_", 3);
    for (unsigned i = 0; i < sizeof raw; i += 3) {
        unsigned bits =
            (unsigned)raw[i] << 16 | (unsigned)raw[i + 1] << 8 | raw[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *p++ = digits[bits >> shift & 63];
    }
    out[FPD_TOKEN_SIZE - 1] = 0; /* instead of the 44th, which is empty */
    OPENSSL_cleanse(raw, sizeof raw);
    return FP_OK;
}

struct add {
    const struct fpd_token *token;
    const uint8_t *hash;
};

static int add_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct add *add = arg;
    const struct fpd_token *t = add->token;
    int n = fpd_conn_run(
        conn, "INSERT INTO token VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", "ttbitii",
        t->id, t->name, add->hash, (size_t)32, (int64_t)t->scope, t->devices,
        t->created_ms, t->expires_ms);

    (void)store;
    return n < 0 ? n : FP_OK;
}

int fpd_store_token_add(struct fpd_store *store, struct fpd_token *token,
                        char secret[FPD_TOKEN_SIZE])
{
    uint8_t hash[32];
    int err;

    if (token->scope < FPD_SCOPE_READ || token->scope > FPD_SCOPE_ADMIN ||
        !fpd_store_fits(token->name, sizeof token->name - 1) ||
        !fpd_store_fits(token->devices, sizeof token->devices - 1) ||
        token->expires_ms < 0)
        return FP_ERR_INVAL;
    err = fpd_uuid_new(token->id);
    if (!err)
        err = secret_new(secret);
    if (err)
        return err;
    token->created_ms = fpd_time_unix_ms();
    fpd_sha256(secret, strlen(secret), hash);
    return fpd_store_write(store, FPD_DB_META, add_write,
                           &(struct add){ token, hash });
}

static void from_row(sqlite3_stmt *stmt, struct fpd_token *out)
{
    *out = (struct fpd_token){ 0 };
    fpd_column_text(stmt, 0, out->id, sizeof out->id);
    fpd_column_text(stmt, 1, out->name, sizeof out->name);
    out->scope = (enum fpd_scope)sqlite3_column_int(stmt, 2);
    fpd_column_text(stmt, 3, out->devices, sizeof out->devices);
    out->created_ms = sqlite3_column_int64(stmt, 4);
    out->expires_ms = sqlite3_column_int64(stmt, 5);
}

int fpd_store_token_find(struct fpd_store *store, const char *secret,
                         struct fpd_token *out)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    uint8_t hash[32], is[32];
    int err;

    /* Whatever has another length is none of ours, however long it is. */
    if (!fpd_store_fits(secret, FPD_TOKEN_SIZE - 1))
        return FP_ERR_NOENT;
    fpd_sha256(secret, strlen(secret), hash);
    err = fpd_reader_take(store, FPD_DB_META, &conn);
    if (err)
        return err;
    err = fpd_stmt_bind(conn, &stmt, COLUMNS "WHERE hash = ?1", "b", hash,
                        sizeof hash);
    if (!err)
        err = fpd_stmt_step(stmt);
    if (err > 0) {
        from_row(stmt, out);
        err = fpd_column_blob(stmt, 6, is, sizeof is);
        if (!err &&
            (CRYPTO_memcmp(is, hash, sizeof is) != 0 ||
             (out->expires_ms != 0 && out->expires_ms <= fpd_time_unix_ms())))
            err = FP_ERR_NOENT;
    } else if (err == 0) {
        err = FP_ERR_NOENT;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err;
}

bool fpd_token_covers(const struct fpd_token *token, const char *device)
{
    size_t size = strlen(device);
    const char *p = token->devices;

    if (!*p)
        return true;
    while (*p) {
        size_t n = strcspn(p, ",");

        if (n == size && memcmp(p, device, n) == 0)
            return true;
        p += n;
        p += *p == ',';
    }
    return false;
}

int fpd_store_token_list(struct fpd_store *store, const char *after,
                         struct fpd_token *out, size_t max, size_t *count)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    *count = 0;
    if (err)
        return err;
    if (max > LIST_MAX)
        max = LIST_MAX;
    err =
        fpd_stmt_bind(conn, &stmt, COLUMNS "WHERE id > ?1 ORDER BY id LIMIT ?2",
                      "ti", after ? after : "", (int64_t)max);
    while (!err && *count < max && (err = fpd_stmt_step(stmt)) > 0) {
        from_row(stmt, &out[(*count)++]);
        err = FP_OK;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err;
}

static int revoke_write(struct fpd_store *store, struct fpd_conn *conn,
                        void *arg)
{
    int n = fpd_conn_run(conn, "DELETE FROM token WHERE id = ?1", "t", arg);

    (void)store;
    return n < 0 ? n : n == 0 ? FP_ERR_NOENT : FP_OK;
}

int fpd_store_token_revoke(struct fpd_store *store, const char *id)
{
    return fpd_store_write(store, FPD_DB_META, revoke_write, (void *)id);
}
