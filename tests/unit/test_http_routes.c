/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/error.h"
#include "daemon/http/reply.h"
#include "daemon/http/routes.h"

#include <string.h>

static const struct fpd_route *match(struct fpd_call *call, const char *method,
                                     const char *raw, char *allow)
{
    const char *why;

    memset(call, 0, sizeof *call);
    strcpy(call->method, method);
    call->head = strcmp(method, "HEAD") == 0;
    assert_int_equal(fpd_url_parse(&call->url, raw, &why), FP_OK);
    return fpd_routes_match(fpd_routes, fpd_routes_count, call, allow, 160);
}

static void params_and_rest_are_taken_apart(void **state)
{
    const struct fpd_route *route;
    struct fpd_call call;
    char allow[160], path[64];

    (void)state;
    route = match(&call, "GET", "/api/v1/devices/a%20b/fs/flash/x", allow);
    assert_non_null(route);
    assert_string_equal(route->pattern,
                        "/api/v1/devices/{device}/fs/{path...}");
    assert_string_equal(call.param[0], "a b");
    assert_int_equal(fpd_url_join(&call.url, call.rest, path, sizeof path),
                     FP_OK);
    assert_string_equal(path, "/flash/x");
    fpd_url_free(&call.url);
    route = match(&call, "GET", "/api/v1/devices/d/fs/", allow);
    assert_non_null(route);
    assert_int_equal(call.rest, call.url.count);
    fpd_url_free(&call.url);
}

static void head_goes_where_get_goes(void **state)
{
    struct fpd_call call;
    char allow[160];

    (void)state;
    assert_non_null(match(&call, "HEAD", "/healthz", allow));
    fpd_url_free(&call.url);
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    struct fpd_call call;
    char allow[160];

    (void)state;
    assert_null(match(&call, "POST", "/api/v1/devices/d", allow));
    assert_string_equal(allow, "GET, HEAD, PATCH, DELETE, OPTIONS");
    fpd_url_free(&call.url);
    assert_null(match(&call, "GET", "/api/v1/nothing/here", allow));
    assert_string_equal(allow, "");
    fpd_url_free(&call.url);
    /* No prefix of a pattern is a match, nor a pattern of a prefix. */
    assert_null(match(&call, "GET", "/api/v1/devicesx", allow));
    fpd_url_free(&call.url);
    assert_null(match(&call, "GET", "/api/v1/devices/d/fs", allow));
    fpd_url_free(&call.url);
}

/* Nothing but the page and /healthz is open to everyone, and nothing that
 * changes something to who may only read. */
static void scopes_fit_methods(void **state)
{
    (void)state;
    for (size_t i = 0; i < fpd_routes_count; i++) {
        const struct fpd_route *r = &fpd_routes[i];

        if (strncmp(r->pattern, "/api/", 5) == 0 ||
            strcmp(r->pattern, "/metrics") == 0)
            assert_true(r->scope >= FPD_SCOPE_READ);
        if (strcmp(r->method, "GET") != 0 && !strstr(r->pattern, "/verify"))
            assert_true(r->scope >= FPD_SCOPE_WRITE);
        if (strstr(r->pattern, "/tokens"))
            assert_int_equal(r->scope, FPD_SCOPE_ADMIN);
    }
}

/* Source: interfaces, section 7. */
static void errors_have_their_status(void **state)
{
    static const int rows[][2] = {
        { FP_ERR_NOENT, 404 },    { FP_ERR_IO, 502 },
        { FP_ERR_NOMEM, 503 },    { FP_ERR_ACCES, 403 },
        { FP_ERR_BUSY, 409 },     { FP_ERR_EXIST, 409 },
        { FP_ERR_NODEV, 503 },    { FP_ERR_NOTDIR, 409 },
        { FP_ERR_ISDIR, 409 },    { FP_ERR_INVAL, 400 },
        { FP_ERR_NFILE, 503 },    { FP_ERR_FBIG, 413 },
        { FP_ERR_NOSPC, 507 },    { FP_ERR_ROFS, 403 },
        { FP_ERR_NOTEMPTY, 409 }, { FP_ERR_NAMETOOLONG, 422 },
        { FP_ERR_NODATA, 404 },   { FP_ERR_PROTO, 502 },
        { FP_ERR_CORRUPT, 502 },  { FP_ERR_NOTSUP, 501 },
        { FP_ERR_TIMEDOUT, 504 }, { FP_ERR_STALE, 409 },
        { FP_ERR_OUTCOME, 504 },  { FP_ERR_DIGEST, 422 },
        { FP_ERR_PRECOND, 412 },  { FP_ERR_LEASED, 423 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(fpd_problem_status(rows[i][0]), rows[i][1]);
    assert_int_equal(fpd_problem_status(-9999), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params_and_rest_are_taken_apart),
        cmocka_unit_test(head_goes_where_get_goes),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(scopes_fit_methods),
        cmocka_unit_test(errors_have_their_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
