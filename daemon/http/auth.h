/* SPDX-License-Identifier: MIT
 *
 * Who asks, and may they: Host, Origin, tokens and the browser's session.
 *
 * The Host check keeps a web page elsewhere from reaching in by a name that it
 * has made point here (DNS rebinding); the Origin check keeps one from using
 * the session of the browser it runs in. A session is a cookie that a token
 * was traded for, kept in memory: it ends with the daemon.
 */
#ifndef FPD_HTTP_AUTH_H
#define FPD_HTTP_AUTH_H

#include "daemon/http/call.h"

struct fpd_auth;

/* Makes the first token and writes DATA/admin.token when there is none. */
int fpd_auth_new(struct fpd_http *http, struct fpd_auth **out, char *why,
                 size_t size);
void fpd_auth_free(struct fpd_auth *auth);

/* The name the client asked for is ours; else the call is answered. */
bool fpd_auth_host(struct fpd_call *call);
/* Does "name:port" of a URL lead here: what Host says, or, since a proxy may
 * say its own there, a name the daemon was given? */
bool fpd_auth_is_here(struct fpd_call *call, const char *authority);
/* Finds out who asks: call->scope, who, by_cookie. False: there was a token
 * and it is no good (answered). */
bool fpd_auth_identify(struct fpd_call *call);
/* May they do what the route does? Else the call is answered. */
bool fpd_auth_allow(struct fpd_call *call, enum fpd_scope scope);
/* GET /?token=...: sets the cookie and redirects. GET /?login: trades the
 * token of Authorization for the cookie, for the page, whose requests shall
 * have no token in their URL. False: not such a request. */
bool fpd_auth_login(struct fpd_call *call);

/* Ends the sessions of a token that was revoked. */
void fpd_auth_revoked(struct fpd_auth *auth, const char *token);
/* What fpd_http_login_url() adds: "fp_..."; "" when admin.token is not there
 * to be read, or no good any more. */
const char *fpd_auth_admin_token(const struct fpd_auth *auth);

#endif
