/* SPDX-License-Identifier: MIT
 *
 * Chunks: packed, stored once, unpacked and hashed at every reading.
 *
 * chunk says how a content is stored and where; blob holds the bytes, with the
 * second half of the SHA-256 beside them, so that the small table stays small.
 * Content whose first half equals that of another is refused (FP_ERR_DIGEST):
 * it takes 2^64 tries to make such a pair, and it would only be refused.
 */
#include "daemon/store/internal.h"

#include <openssl/sha.h>
#include <string.h>
#include <zstd.h>

#define ZSTD_LEVEL 3

void fpd_sha256(const void *data, size_t size, uint8_t digest[32])
{
    SHA256(data, size, digest);
}

void fpd_store_digest(const void *data, size_t size,
                      uint8_t id[FPD_STORE_DIGEST_SIZE])
{
    uint8_t digest[32];

    fpd_sha256(data, size, digest);
    memcpy(id, digest, FPD_STORE_DIGEST_SIZE);
}

bool fpd_store_is_fill(const void *data, size_t size, uint8_t *byte)
{
    const uint8_t *p = data;

    if (size == 0)
        return false;
    *byte = p[0];
    /* Each byte equals the one after it. */
    return size == 1 || memcmp(p, p + 1, size - 1) == 0;
}

void fpd_chunk_pack(struct ZSTD_CCtx_s *zstd, const void *data, size_t size,
                    uint8_t *buf, struct fpd_packed *out)
{
    size_t n = ZSTD_compressCCtx(zstd, buf, FPD_STORE_CHUNK_MAX, data, size,
                                 ZSTD_LEVEL);

    out->size = (uint32_t)size;
    /* A sixteenth less, or it is not worth unpacking it again. */
    if (!ZSTD_isError(n) && n < size - size / 16) {
        out->codec = FPD_CODEC_ZSTD;
        out->stored = (uint32_t)n;
        out->data = buf;
    } else {
        out->codec = FPD_CODEC_RAW;
        out->stored = (uint32_t)size;
        out->data = data;
    }
}

static int insert_blob(struct fpd_conn *conn, const struct fpd_packed *chunk,
                       int64_t *loc)
{
    int n = fpd_conn_run(conn, "INSERT INTO blob(rest, data) VALUES(?1, ?2)",
                         "bb", chunk->rest, sizeof chunk->rest, chunk->data,
                         (size_t)chunk->stored);

    *loc = sqlite3_last_insert_rowid(conn->db);
    return n < 0 ? n : FP_OK;
}

/* The chunk row is there already. */
static int insert_again(struct fpd_conn *conn, const struct fpd_packed *chunk,
                        int64_t loc, bool bad)
{
    sqlite3_stmt *stmt;
    uint8_t rest[16];
    int err, n;

    if (bad) {
        fpd_conn_run(conn, "DELETE FROM blob WHERE id = ?1", "i", loc);
        err = insert_blob(conn, chunk, &loc);
        if (err)
            return err;
        n = fpd_conn_run(conn,
                         "UPDATE chunk SET size = ?2, codec = ?3, stored = ?4,"
                         " bad = 0, checked_ms = ?5, loc = ?6 WHERE id = ?1",
                         "biiiii", chunk->id, sizeof chunk->id,
                         (int64_t)chunk->size, (int64_t)chunk->codec,
                         (int64_t)chunk->stored, fpd_time_unix_ms(), loc);
        return n < 0 ? n : 1;
    }
    err = fpd_stmt_bind(conn, &stmt, "SELECT rest FROM blob WHERE id = ?1", "i",
                        loc);
    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err > 0)
        err = fpd_column_blob(stmt, 0, rest, sizeof rest);
    else if (err == 0)
        err = FP_ERR_CORRUPT;
    fpd_stmt_done(stmt);
    if (err)
        return err;
    return memcmp(rest, chunk->rest, sizeof rest) == 0 ? 0 : FP_ERR_DIGEST;
}

int fpd_chunk_insert(struct fpd_conn *conn, const struct fpd_packed *chunk)
{
    sqlite3_stmt *stmt;
    int64_t loc = 0;
    bool bad = false;
    int err =
        fpd_stmt_bind(conn, &stmt, "SELECT loc, bad FROM chunk WHERE id = ?1",
                      "b", chunk->id, sizeof chunk->id);

    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err > 0) {
        loc = sqlite3_column_int64(stmt, 0);
        bad = sqlite3_column_int64(stmt, 1) != 0;
    }
    fpd_stmt_done(stmt);
    if (err < 0)
        return err;
    if (err > 0)
        return insert_again(conn, chunk, loc, bad);

    err = insert_blob(conn, chunk, &loc);
    if (err)
        return err;
    return fpd_conn_run(conn, "INSERT INTO chunk VALUES(?1,?2,?3,?4,0,?5,?6)",
                        "biiiii", chunk->id, sizeof chunk->id,
                        (int64_t)chunk->size, (int64_t)chunk->codec,
                        (int64_t)chunk->stored, fpd_time_unix_ms(), loc);
}

int fpd_chunk_present(struct fpd_conn *conn, const uint8_t id[16],
                      uint32_t size)
{
    int64_t one = 0;
    int err = fpd_conn_int(conn, &one,
                           "SELECT 1 FROM chunk WHERE id = ?1 AND bad = 0"
                           " AND (size = ?2 OR ?2 = 0)",
                           "bi", id, (size_t)16, (int64_t)size);

    return err == FP_OK ? 1 : err == FP_ERR_NOENT ? 0 : err;
}

/* Of the row (codec, size, rest, data). All of it is what a damaged disk may
 * say, so nothing is believed before the hash. */
static int unpack(sqlite3_stmt *stmt, struct ZSTD_DCtx_s *zstd,
                  const uint8_t id[16], uint8_t *buf, uint32_t *out_size)
{
    int64_t codec = sqlite3_column_int64(stmt, 0);
    int64_t size = sqlite3_column_int64(stmt, 1);
    const void *data = sqlite3_column_blob(stmt, 3);
    size_t stored = (size_t)sqlite3_column_bytes(stmt, 3);
    uint8_t rest[16], digest[32];

    if (size < 1 || size > FPD_STORE_CHUNK_MAX || !data ||
        fpd_column_blob(stmt, 2, rest, sizeof rest) != FP_OK)
        return FP_ERR_CORRUPT;
    if (codec == FPD_CODEC_ZSTD) {
        if (ZSTD_decompressDCtx(zstd, buf, (size_t)size, data, stored) !=
            (size_t)size)
            return FP_ERR_CORRUPT;
    } else if (codec == FPD_CODEC_RAW && stored == (size_t)size) {
        memcpy(buf, data, stored);
    } else {
        return FP_ERR_CORRUPT;
    }
    fpd_sha256(buf, (size_t)size, digest);
    if (memcmp(digest, id, 16) != 0 || memcmp(digest + 16, rest, 16) != 0)
        return FP_ERR_CORRUPT;
    *out_size = (uint32_t)size;
    return FP_OK;
}

int fpd_chunk_load(struct fpd_conn *conn, struct ZSTD_DCtx_s *zstd,
                   const uint8_t id[16], uint8_t *buf, uint32_t *size)
{
    sqlite3_stmt *stmt;
    int err = fpd_stmt_bind(conn, &stmt,
                            "SELECT c.codec, c.size, b.rest, b.data FROM"
                            " chunk c LEFT JOIN blob b ON b.id = c.loc"
                            " WHERE c.id = ?1",
                            "b", id, (size_t)16);

    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err > 0)
        err = unpack(stmt, zstd, id, buf, size);
    else if (err == 0)
        err = FP_ERR_NOENT;
    fpd_stmt_done(stmt);
    return err;
}

int fpd_chunk_check(struct fpd_conn *conn, const uint8_t id[16],
                    const uint8_t rest[16])
{
    sqlite3_stmt *stmt;
    uint8_t is[16];
    int err = fpd_stmt_bind(conn, &stmt,
                            "SELECT b.rest FROM chunk c JOIN blob b"
                            " ON b.id = c.loc WHERE c.id = ?1 AND c.bad = 0",
                            "b", id, (size_t)16);

    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err > 0 && fpd_column_blob(stmt, 0, is, sizeof is) != FP_OK)
        err = FP_ERR_CORRUPT;
    fpd_stmt_done(stmt);
    if (err > 0 && memcmp(is, rest, sizeof is) != 0)
        return FP_ERR_DIGEST;
    return err;
}

static int mark_bad(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    int n = fpd_conn_run(conn, "UPDATE chunk SET bad = 1 WHERE id = ?1", "b",
                         arg, (size_t)16);

    (void)store;
    return n < 0 ? n : FP_OK;
}

int fpd_chunk_mark_bad(struct fpd_store *store, const uint8_t id[16])
{
    uint8_t copy[16];

    memcpy(copy, id, sizeof copy);
    return fpd_store_write(store, FPD_DB_STORE, mark_bad, copy);
}

int fpd_store_have(struct fpd_store *store,
                   const uint8_t (*ids)[FPD_STORE_DIGEST_SIZE], size_t count,
                   bool *present)
{
    struct fpd_conn *conn;
    int err = fpd_reader_begin(store, FPD_DB_STORE, &conn);

    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        int n = fpd_chunk_present(conn, ids[i], 0);

        if (n < 0) {
            err = n;
            break;
        }
        present[i] = n > 0;
    }
    fpd_reader_end(store, FPD_DB_STORE, conn);
    return err;
}
