/* SPDX-License-Identifier: MIT */
#include "core/error.h"
#include "daemon/http/auth.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/store/tokens.h"
#include "daemon/time.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 1000

void fpd_route_tokens(struct fpd_call *call)
{
    struct fpd_token *list = calloc(TOKENS_MAX, sizeof *list);
    json_t *array = json_array();
    size_t count = 0;
    int err = FP_ERR_NOMEM;

    if (list)
        err = fpd_store_token_list(call->http->cfg.store, NULL, list,
                                   TOKENS_MAX, &count);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, fpd_json_token(&list[i]));
    free(list);
    if (!err) {
        fpd_reply_json(call, 200, json_pack("{s:o}", "tokens", array));
        return;
    }
    json_decref(array);
    fpd_problem(call, err, NULL);
}

/* {"name","scope","devices"?,"expires_in_s"?}; false after having answered. */
static bool take_token(struct fpd_call *call, json_t *body,
                       struct fpd_token *token)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *scope = json_string_value(json_object_get(body, "scope"));
    json_t *devices = json_object_get(body, "devices");
    json_t *expires = json_object_get(body, "expires_in_s");
    json_int_t seconds = json_integer_value(expires);

    if (!name || !name[0] || strlen(name) >= sizeof token->name) {
        fpd_problem(call, FP_ERR_INVAL,
                    "\"name\" is 1 to 64 bytes: what the token is for.");
        return false;
    }
    strcpy(token->name, name);
    token->scope = scope ? fpd_scope_parse(scope) : FPD_SCOPE_NONE;
    if (token->scope == FPD_SCOPE_NONE) {
        fpd_problem(call, FP_ERR_INVAL,
                    "\"scope\" is \"read\", \"write\" or \"admin\".");
        return false;
    }
    if (devices &&
        !fpd_json_parse_words(devices, token->devices, sizeof token->devices)) {
        fpd_problem(call, FP_ERR_INVAL,
                    "\"devices\" is an array of at least one device id; "
                    "without it the token is good for all.");
        return false;
    }
    if (expires && (!json_is_integer(expires) || seconds < 1 ||
                    seconds > 10LL * 366 * 24 * 3600)) {
        fpd_problem(call, FP_ERR_INVAL,
                    "\"expires_in_s\" is seconds, up to ten years; without "
                    "it the token does not expire.");
        return false;
    }
    if (expires)
        token->expires_ms = fpd_time_unix_ms() + seconds * 1000;
    return true;
}

void fpd_route_token_add(struct fpd_call *call)
{
    json_t *body = fpd_call_json(call, false), *doc;
    char secret[FPD_TOKEN_SIZE];
    struct fpd_token token = { 0 };
    bool ok;
    int err;

    if (!body)
        return;
    ok = take_token(call, body, &token);
    json_decref(body);
    if (!ok)
        return;
    err = fpd_store_token_add(call->http->cfg.store, &token, secret);
    if (err) {
        fpd_problem(call, err, NULL);
        return;
    }
    doc = fpd_json_token(&token);
    json_object_set_new(doc, "token", json_string(secret));
    fpd_reply_json(call, 201, doc);
}

void fpd_route_token_revoke(struct fpd_call *call)
{
    int err = fpd_store_token_revoke(call->http->cfg.store, call->param[0]);

    if (err) {
        fpd_problem(call, err, "There is no token \"%.64s\".", call->param[0]);
        return;
    }
    fpd_auth_revoked(call->http->auth, call->param[0]);
    fpd_reply_empty(call, 204);
}
