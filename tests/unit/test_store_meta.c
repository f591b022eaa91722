/* SPDX-License-Identifier: MIT
 *
 * Devices, labels, jobs, tokens, settings, ids; and a disk that fills up.
 */
#include "tests/unit/store_fixture.h"

#include "daemon/store/internal.h"

static struct fpd_store *open_of(void **state)
{
    return ((struct fixture *)*state)->store;
}

static void devices_are_remembered(void **state)
{
    struct fpd_store *store = open_of(state);
    struct fpd_store_device d, list[4];
    struct fpd_snapshot s;
    char id[65];
    size_t n;

    assert_int_equal(fpd_store_device_seen(store, "b", "M", "1.0", "tcp:x"), 0);
    assert_int_equal(fpd_store_device_seen(store, "a", "M", "1.0", "tcp:y"), 0);
    assert_int_equal(fpd_store_device_seen(store, "b", "M", "2.0", "tcp:z"), 0);
    assert_int_equal(take(store, "b", "\1", 1, 4096, &s), 0);
    assert_int_equal(fpd_store_device_list(store, NULL, list, 4, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(list[1].id, "b");
    assert_string_equal(list[1].firmware, "2.0");
    assert_string_equal(list[1].link, "tcp:z");
    assert_int_equal(list[1].last_backup_ms, s.taken_ms);
    assert_int_equal(list[0].last_backup_ms, 0);

    assert_int_equal(fpd_store_device_label(store, "b", "Küche"), 0);
    assert_int_equal(fpd_store_device_label(store, "a", "Küche"), FP_ERR_EXIST);
    assert_int_equal(fpd_store_device_label(store, "a", "b"), FP_ERR_EXIST);
    assert_int_equal(fpd_store_device_label(store, "a", "x/y"), FP_ERR_INVAL);
    assert_int_equal(fpd_store_device_label(store, "a", "\xff"), FP_ERR_INVAL);
    assert_int_equal(fpd_store_device_label(store, "a", "\xe2\x82"),
                     FP_ERR_INVAL);
    assert_int_equal(fpd_store_device_label(store, "c", "z"), FP_ERR_NOENT);
    assert_int_equal(fpd_store_device_called(store, "Küche", id), 0);
    assert_string_equal(id, "b");
    assert_int_equal(fpd_store_device_called(store, "kitchen", id),
                     FP_ERR_NOENT);
    assert_int_equal(fpd_store_device_tag(store, "b", "{}"), 0);
    assert_int_equal(fpd_store_device_get(store, "b", &d), 0);
    assert_string_equal(d.label, "Küche");
    assert_string_equal(d.tags, "{}");
    assert_int_equal(fpd_store_device_forget(store, "b"), 0);
    assert_int_equal(fpd_store_device_get(store, "b", &d), FP_ERR_NOENT);
    assert_int_equal(fpd_store_device_label(store, "a", "Küche"), 0);
}

/* Whoever comes under a new name each time pushes out others like it, not what
 * has a label, tags or a snapshot, nor what has been seen again. */
static void strangers_are_bounded(void **state)
{
    static const char *const kept[] = { "backed", "labelled", "again",
                                        "tagged" };
    struct fixture *f = *state;
    struct fpd_store_device d;
    struct fpd_snapshot s;

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_int_equal(fpd_store_device_seen(f->store, kept[i], "", "", ""),
                         0);
    assert_int_equal(take(f->store, "backed", "\1", 1, 4096, &s), 0);
    assert_int_equal(fpd_store_device_label(f->store, "labelled", "mine"), 0);
    assert_int_equal(fpd_store_device_tag(f->store, "tagged", "{}"), 0);
    damage(f, "meta.db",
           "UPDATE device SET first_seen_ms = 1, last_seen_ms = 1;"
           "UPDATE device SET last_seen_ms = 2 WHERE id = 'again';"
           "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n"
           " WHERE i < 999) INSERT INTO device SELECT 's' || i, '', '', '', '',"
           " 10 + i, 10 + i FROM n");
    assert_int_equal(fpd_store_device_seen(f->store, "new1", "", "", ""), 0);
    assert_int_equal(ask(f, "meta.db", "SELECT count(*) FROM device"), 1003);
    assert_int_equal(fpd_store_device_get(f->store, "s1", &d), FP_ERR_NOENT);
    assert_int_equal(fpd_store_device_seen(f->store, "new2", "", "", ""), 0);
    assert_int_equal(fpd_store_device_get(f->store, "s2", &d), FP_ERR_NOENT);
    assert_int_equal(fpd_store_device_get(f->store, "new2", &d), 0);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_int_equal(fpd_store_device_get(f->store, kept[i], &d), 0);
}

static void jobs_outlive_the_daemon(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_job j = { .kind = "backup",
                               .device = "a",
                               .state = "running",
                               .request = "{\"x\":1}" };
    struct fpd_store_job ended = { .kind = "prune",
                                   .state = "done",
                                   .ended_ms = 5 };
    struct fpd_store_job got[4];
    static struct fpd_store_log_line lines[1100];
    char text[600];
    size_t n;

    assert_int_equal(fpd_store_job_add(f->store, &j), 0);
    assert_int_equal(fpd_store_job_add(f->store, &ended), 0);
    assert_int_equal(fpd_store_job_add(f->store, &ended), FP_ERR_EXIST);
    j.done = 7, j.total = 9, strcpy(j.phase, "hashing");
    assert_int_equal(fpd_store_job_update(f->store, &j), 0);
    assert_int_equal(fpd_store_job_log(f->store, j.id, "one"), 0);
    fpd_store_close(f->store);
    assert_int_equal(fixture_open(f), 0);

    assert_int_equal(fpd_store_job_unfinished(f->store, NULL, got, 4, &n), 0);
    assert_int_equal(n, 1);
    assert_string_equal(got[0].id, j.id);
    assert_string_equal(got[0].request, "{\"x\":1}");
    assert_string_equal(got[0].phase, "hashing");
    assert_int_equal(got[0].done, 7);
    fpd_store_job_deinit(&got[0]);
    assert_int_equal(fpd_store_job_log_list(f->store, j.id, 0, lines, 1100, &n),
                     0);
    assert_int_equal(n, 2);
    assert_string_equal(lines[1].text, "interrupted: the daemon stopped");
    assert_int_equal(
        fpd_store_job_log_list(f->store, ended.id, 0, lines, 1100, &n), 0);
    assert_int_equal(n, 0);

    assert_int_equal(fpd_store_job_list(f->store, NULL, NULL, got, 4, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(got[0].id, ended.id);
    fpd_store_job_deinit(&got[1]);
    assert_int_equal(fpd_store_job_get(f->store, "none", got), FP_ERR_NOENT);
    assert_int_equal(fpd_store_job_log(f->store, "none", "x"), FP_ERR_NOENT);

    /* 511 bytes, then a character of two that would be cut in its middle. */
    memset(text, 'x', sizeof text);
    strcpy(text + 511, "\xc3\xa4");
    assert_int_equal(fpd_store_job_log(f->store, ended.id, text), 0);
    assert_int_equal(
        fpd_store_job_log_list(f->store, ended.id, 0, lines, 1100, &n), 0);
    assert_int_equal(strlen(lines[0].text), 511);
    for (int i = 0; i < 1005; i++)
        assert_int_equal(fpd_store_job_log(f->store, j.id, "more"), 0);
    assert_int_equal(fpd_store_job_log_list(f->store, j.id, 0, lines, 1100, &n),
                     0);
    assert_int_equal(n, 1000);
    assert_int_equal(lines[999].seq, 1007);
}

static void tokens_are_kept_as_hashes(void **state)
{
    struct fixture *f = *state;
    struct fpd_token t = { .name = "ci",
                           .scope = FPD_SCOPE_WRITE,
                           .devices = "dev1,dev22" };
    struct fpd_token old = { .scope = FPD_SCOPE_READ, .expires_ms = 1 };
    struct fpd_token got;
    char secret[FPD_TOKEN_SIZE], late[FPD_TOKEN_SIZE], sql[200];

    assert_int_equal(fpd_store_token_add(f->store, &t, secret), 0);
    assert_int_equal(strlen(secret), 46);
    assert_int_equal(strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                    "qrstuvwxyz0123456789-_"),
                     46);
    assert_int_equal(fpd_store_token_find(f->store, secret, &got), 0);
    assert_memory_equal(&got, &t, sizeof t);
    assert_true(fpd_token_covers(&got, "dev1"));
    assert_true(fpd_token_covers(&got, "dev22"));
    assert_false(fpd_token_covers(&got, "dev2"));
    assert_false(fpd_token_covers(&got, ""));
    secret[10] ^= 1;
    assert_int_equal(fpd_store_token_find(f->store, secret, &got),
                     FP_ERR_NOENT);
    secret[10] ^= 1;
    assert_int_equal(fpd_store_token_add(f->store, &old, late), 0);
    assert_int_equal(fpd_store_token_find(f->store, late, &got), FP_ERR_NOENT);
    assert_true(fpd_token_covers(&old, "anything"));

    /* Nowhere in the database, as text or as what it decodes to. */
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM token WHERE instr(hash, CAST('%s' AS BLOB))"
             " OR instr(name || id || devices, '%s')",
             secret, secret + 3);
    assert_int_equal(ask(f, "meta.db", sql), 0);
    assert_int_equal(
        ask(f, "meta.db", "SELECT count(*) FROM token WHERE length(hash)=32"),
        2);
    assert_int_equal(fpd_store_token_revoke(f->store, t.id), 0);
    assert_int_equal(fpd_store_token_find(f->store, secret, &got),
                     FP_ERR_NOENT);
    assert_int_equal(fpd_store_token_revoke(f->store, t.id), FP_ERR_NOENT);
    t.scope = (enum fpd_scope)9;
    assert_int_equal(fpd_store_token_add(f->store, &t, secret), FP_ERR_INVAL);
    assert_int_equal(fpd_scope_parse("admin"), FPD_SCOPE_ADMIN);
    assert_int_equal(fpd_scope_parse("root"), 0);
}

static void settings_come_back(void **state)
{
    struct fpd_store *store = open_of(state);
    char buf[4];

    assert_int_equal(fpd_store_setting_get(store, "k", buf, 4), FP_ERR_NOENT);
    assert_int_equal(fpd_store_setting_set(store, "k", "abc"), 0);
    assert_int_equal(fpd_store_setting_get(store, "k", buf, 4), 0);
    assert_string_equal(buf, "abc");
    assert_int_equal(fpd_store_setting_set(store, "k", "abcd"), 0);
    assert_int_equal(fpd_store_setting_get(store, "k", buf, 4), FP_ERR_NOMEM);
    assert_int_equal(fpd_store_setting_set(store, "k", NULL), 0);
    assert_int_equal(fpd_store_setting_get(store, "k", buf, 4), FP_ERR_NOENT);
}

static void ids_ascend(void **state)
{
    char a[FPD_UUID_SIZE], b[FPD_UUID_SIZE];

    (void)state;
    assert_int_equal(fpd_uuid_new(a), 0);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(fpd_uuid_new(b), 0);
        assert_true(strcmp(a, b) < 0);
        assert_true(fpd_uuid_valid(b));
        assert_int_equal(b[14], '7');
        assert_non_null(strchr("89ab", b[19]));
        memcpy(a, b, sizeof a);
    }
    assert_false(fpd_uuid_valid(""));
    assert_false(fpd_uuid_valid("0190b5c8-0000-7000-8000-00000000000G"));
}

static int limit_pages(struct fpd_store *store, struct fpd_conn *conn,
                       void *arg)
{
    char sql[64];

    (void)store;
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %d", *(int *)arg);
    return fpd_conn_exec(conn, sql);
}

/* SQLite's own limit gives the answer that a full disk gives. Nothing of the
 * snapshot is seen; what was there stays; with room again it goes on. */
static void a_full_disk_loses_nothing(void **state)
{
    struct fixture *f = *state;
    enum {
        COUNT = 3000,
        SIZE = COUNT * 4096
    };
    uint8_t *image = malloc(SIZE);
    struct fpd_snapshot a, b;
    struct fpd_store_sweep swept;
    int pages = 60, more = 100000;

    for (unsigned i = 0; i < COUNT; i++)
        fill_chunk(image + i * 4096, 4096, i);
    assert_int_equal(take(f->store, "a", image, 4096 * 100, 4096, &a), 0);
    assert_int_equal(
        fpd_store_write(f->store, FPD_DB_STORE, limit_pages, &pages), 0);
    assert_int_equal(take(f->store, "b", image, SIZE, 4096, &b), FP_ERR_NOSPC);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM snapshot"), 1);
    assert_int_equal(compare(f->store, a.id, image, 4096 * 100), 0);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"), 100);
    assert_int_equal(
        fpd_store_write(f->store, FPD_DB_STORE, limit_pages, &more), 0);
    assert_int_equal(take(f->store, "b", image, SIZE, 4096, &b), 0);
    assert_int_equal(compare(f->store, b.id, image, SIZE), 0);
    free(image);
}

/* Every code that SQLite may give keeps its meaning. */
static void codes_keep_their_meaning(void **state)
{
    (void)state;
    assert_int_equal(fpd_db_error(SQLITE_FULL), FP_ERR_NOSPC);
    assert_int_equal(fpd_db_error(SQLITE_BUSY_SNAPSHOT), FP_ERR_BUSY);
    assert_int_equal(fpd_db_error(SQLITE_LOCKED), FP_ERR_BUSY);
    assert_int_equal(fpd_db_error(SQLITE_CORRUPT), FP_ERR_CORRUPT);
    assert_int_equal(fpd_db_error(SQLITE_NOTADB), FP_ERR_CORRUPT);
    assert_int_equal(fpd_db_error(SQLITE_IOERR_READ), FP_ERR_IO);
    assert_int_equal(fpd_db_error(SQLITE_NOMEM), FP_ERR_NOMEM);
    assert_int_equal(fpd_db_error(SQLITE_READONLY), FP_ERR_ROFS);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(devices_are_remembered),    TEST(strangers_are_bounded),
        TEST(jobs_outlive_the_daemon),   TEST(tokens_are_kept_as_hashes),
        TEST(settings_come_back),        TEST(ids_ascend),
        TEST(a_full_disk_loses_nothing), TEST(codes_keep_their_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
