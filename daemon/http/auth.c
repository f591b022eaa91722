/* SPDX-License-Identifier: MIT */
#include "daemon/http/auth.h"
#include "core/error.h"
#include "daemon/http/reply.h"
#include "daemon/http/routes.h"
#include "daemon/http/server.h"
#include "daemon/http/webfile.h"
#include "daemon/log.h"
#include "daemon/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSIONS_MAX 64
#define SESSION_MS   (7 * 24 * 3600 * 1000LL)

struct session {
    char id[65]; /* 256 random bits in hex; "" free */
    struct fpd_token token;
    int64_t until_ms; /* of fpd_now_ms() */
};

struct fpd_auth {
    pthread_mutex_t lock;
    struct session sessions[SESSIONS_MAX];
    char admin[FPD_TOKEN_SIZE];
};

/* ---- the first token ---- */

/* All of it, or an errno: a token that is half on disk locks its owner out. */
static int write_token(const char *dir, const char *secret)
{
    char path[4200], temp[4210];
    size_t len = strlen(secret);
    int fd, err = 0;

    snprintf(path, sizeof path, "%s/admin.token", dir);
    snprintf(temp, sizeof temp, "%s.new", path);
    unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    if (write(fd, secret, len) != (ssize_t)len || write(fd, "\n", 1) != 1 ||
        fsync(fd) != 0)
        err = errno ? errno : EIO;
    close(fd);
    if (!err && rename(temp, path) != 0)
        err = errno;
    return err;
}

static bool read_token(const char *dir, char secret[FPD_TOKEN_SIZE])
{
    char path[4200];
    FILE *file;

    snprintf(path, sizeof path, "%s/admin.token", dir);
    file = fopen(path, "re");
    secret[0] = 0;
    if (!file)
        return errno != ENOENT;
    if (!fgets(secret, FPD_TOKEN_SIZE, file))
        secret[0] = 0;
    fclose(file);
    secret[strcspn(secret, "\r\n")] = 0;
    return true;
}

static int make_admin(struct fpd_http *http, struct fpd_auth *auth, char *why,
                      size_t size)
{
    struct fpd_token token = { .name = "admin", .scope = FPD_SCOPE_ADMIN };
    int err;

    if (read_token(http->cfg.data, auth->admin)) {
        if (fpd_store_token_find(http->cfg.store, auth->admin, &token) == FP_OK)
            return FP_OK;
        auth->admin[0] = 0;
        fpd_log(FPD_LOG_WARN, "http",
                "admin.token can't be used; remove it and the next start "
                "makes a new one: dir=%s",
                http->cfg.data);
        return FP_OK;
    }
    err = fpd_store_token_add(http->cfg.store, &token, auth->admin);
    if (err) {
        snprintf(why, size, "can't make the admin's token: %s",
                 fp_strerror(err));
        return err;
    }
    err = write_token(http->cfg.data, auth->admin);
    if (err) {
        snprintf(why, size, "%s/admin.token: %s", http->cfg.data,
                 strerror(err));
        return FP_ERR_IO;
    }
    return FP_OK;
}

int fpd_auth_new(struct fpd_http *http, struct fpd_auth **out, char *why,
                 size_t size)
{
    struct fpd_auth *auth = calloc(1, sizeof *auth);
    int err;

    snprintf(why, size, "out of memory");
    if (!auth)
        return FP_ERR_NOMEM;
    pthread_mutex_init(&auth->lock, NULL);
    err = make_admin(http, auth, why, size);
    if (err) {
        fpd_auth_free(auth);
        return err;
    }
    *out = auth;
    return FP_OK;
}

void fpd_auth_free(struct fpd_auth *auth)
{
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->lock);
    OPENSSL_cleanse(auth, sizeof *auth);
    free(auth);
}

const char *fpd_auth_admin_token(const struct fpd_auth *auth)
{
    return auth->admin;
}

/* ---- Host ---- */

/* Is `host` the literal address that this connection came to? No name, so
 * nobody else can have pointed it here. */
static bool is_local_address(struct fpd_call *call, const char *host)
{
    struct sockaddr_storage sa;
    socklen_t size = sizeof sa;
    struct in6_addr asked, mine;
    char text[64];
    size_t len = strlen(host);

    if (getsockname(call->fd, (struct sockaddr *)&sa, &size) != 0)
        return false;
    if (sa.ss_family == AF_INET)
        return inet_pton(AF_INET, host, &asked) == 1 &&
               memcmp(&asked, &((struct sockaddr_in *)&sa)->sin_addr, 4) == 0;
    if (sa.ss_family != AF_INET6 || host[0] != '[' || len < 3 || len > 60)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)len - 2, host + 1);
    mine = ((struct sockaddr_in6 *)&sa)->sin6_addr;
    return inet_pton(AF_INET6, text, &asked) == 1 &&
           memcmp(&asked, &mine, sizeof mine) == 0;
}

/* "name:port" without the port. */
static void name_of(const char *authority, char name[256])
{
    const char *port = strrchr(authority, ':');

    if (port && strchr(port, ']'))
        port = NULL;
    snprintf(name, 256, "%.*s",
             (int)(port ? (size_t)(port - authority) : strlen(authority)),
             authority);
}

/* Is it one of --host-name? */
static bool is_given_name(const struct fpd_http_config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->host_name_count; i++)
        if (strcasecmp(name, cfg->host_names[i]) == 0)
            return true;
    return false;
}

bool fpd_auth_is_here(struct fpd_call *call, const char *authority)
{
    const char *header = fpd_call_header(call, "Host");
    char name[256];

    if (header && strcasecmp(authority, header) == 0)
        return true;
    name_of(authority, name);
    return is_given_name(&call->http->cfg, name);
}

bool fpd_auth_host(struct fpd_call *call)
{
    const char *header = fpd_call_header(call, "Host");
    const char *const names[] = { "localhost", "127.0.0.1", "[::1]",
                                  call->http->host };
    char host[256];

    if (call->unix_socket)
        return true;
    if (!header) {
        fpd_refuse(call, 400, "host-missing", "No Host header",
                   "A request says in Host which name it came by.");
        return false;
    }
    name_of(header, host);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(host, names[i]) == 0)
            return true;
    if (is_given_name(&call->http->cfg, host) || is_local_address(call, host))
        return true;
    fpd_problem_hint(call, "Use the address it listens on, or start "
                           "flashportd with --host-name and this name.");
    fpd_refuse(call, 421, "unknown-host", "Not served under this name",
               "This daemon does not serve the name \"%.100s\".", host);
    return false;
}

/* ---- sessions ---- */

static void cookie_name(const struct fpd_http *http, char out[32])
{
    /* Cookies know no ports, and several daemons may share an address. */
    snprintf(out, 32, "flashport-%u", http->port);
}

static int count_of(const struct fpd_auth *auth, const char *token)
{
    int count = 0;

    for (size_t i = 0; i < SESSIONS_MAX; i++)
        count += strcmp(auth->sessions[i].token.id, token) == 0;
    return count;
}

/* A free place, or that of the oldest session of the token with most of them:
 * nobody is logged out by logins of others. */
static struct session *find_place(struct fpd_auth *auth)
{
    struct session *place = NULL;
    int64_t now = fpd_now_ms();
    int most = 0;

    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &auth->sessions[i];
        int count;

        if (s->until_ms <= now)
            return s;
        count = count_of(auth, s->token.id);
        if (count > most || (count == most && s->until_ms < place->until_ms))
            place = s;
        most = count > most ? count : most;
    }
    return place;
}

static bool session_new(struct fpd_auth *auth, const struct fpd_token *token,
                        char id[65])
{
    struct session *slot;
    uint8_t random[32];

    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    for (int i = 0; i < 32; i++)
        sprintf(id + 2 * i, "%02x", random[i]);
    pthread_mutex_lock(&auth->lock);
    slot = find_place(auth);
    memcpy(slot->id, id, 65);
    slot->token = *token;
    slot->until_ms = fpd_now_ms() + SESSION_MS;
    pthread_mutex_unlock(&auth->lock);
    return true;
}

static bool session_find(struct fpd_auth *auth, const char *id,
                         struct fpd_token *token)
{
    int64_t now = fpd_now_ms(), date = fpd_time_unix_ms();
    bool found = false;

    pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &auth->sessions[i];

        /* A session is never good for longer than the token it came from. */
        if (s->token.expires_ms && s->token.expires_ms <= date)
            continue;
        if (s->until_ms > now && CRYPTO_memcmp(s->id, id, 64) == 0) {
            *token = s->token;
            found = true;
        }
    }
    pthread_mutex_unlock(&auth->lock);
    return found;
}

void fpd_auth_revoked(struct fpd_auth *auth, const char *token)
{
    pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (strcmp(auth->sessions[i].token.id, token) == 0)
            auth->sessions[i] = (struct session){ 0 };
    pthread_mutex_unlock(&auth->lock);
}

/* The page, if a browser asks for something to look at; else NULL. */
static const struct fpd_web_file *page_for(struct fpd_call *call)
{
    const char *accept = fpd_call_header(call, "Accept");

    if (strcmp(call->method, "GET") != 0 || !accept ||
        !strstr(accept, "text/html"))
        return NULL;
    return fpd_web_page();
}

/* A program is told what to send, a person is given a field for the token. */
static void unauthorized(struct fpd_call *call, const char *detail)
{
    const struct fpd_web_file *page = page_for(call);

    if (page) {
        fpd_reply_static(call, 401, page->type, page->data, page->size);
        fpd_reply_header(call, "Cache-Control", "no-store");
        fpd_reply_header(call, "WWW-Authenticate",
                         "Bearer realm=\"flashport\"");
        return;
    }
    fpd_problem_hint(call, "Send \"Authorization: Bearer TOKEN\"; the first "
                           "token is in DIR/admin.token.");
    fpd_refuse(call, 401, "unauthorized", "A token is needed", "%s", detail);
    fpd_reply_header(call, "WWW-Authenticate", "Bearer realm=\"flashport\"");
}

/* What the header Authorization, which is there, has behind "Bearer"; NULL
 * after having answered. */
static const char *bearer(struct fpd_call *call)
{
    const char *header = fpd_call_header(call, "Authorization");

    if (strncasecmp(header, "Bearer ", 7) == 0)
        return header + 7 + strspn(header + 7, " ");
    unauthorized(call, "Authorization has another scheme than Bearer.");
    return NULL;
}

/* The token of this secret; else answered. */
static bool find_token(struct fpd_call *call, const char *secret,
                       struct fpd_token *token)
{
    if (fpd_store_token_find(call->http->cfg.store, secret, token) == FP_OK)
        return true;
    unauthorized(call, "The token is unknown or expired.");
    return false;
}

/* Answers with a new session's cookie: by going to the page, or with 204. */
static void give_session(struct fpd_call *call, const char *secret,
                         bool redirect)
{
    char id[65], name[32], cookie[256];
    struct fpd_token token;

    if (!find_token(call, secret, &token))
        return;
    if (!session_new(call->http->auth, &token, id)) {
        fpd_problem(call, FP_ERR_NOMEM, NULL);
        return;
    }
    /* Revoked meanwhile, it may have had its sessions ended before this one. */
    if (!find_token(call, secret, &token)) {
        fpd_auth_revoked(call->http->auth, token.id);
        return;
    }
    cookie_name(call->http, name);
    snprintf(cookie, sizeof cookie,
             "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d", name, id,
             (int)(SESSION_MS / 1000));
    fpd_reply_empty(call, redirect ? 303 : 204);
    if (redirect)
        fpd_reply_header(call, "Location", "/");
    fpd_reply_header(call, "Set-Cookie", cookie);
    fpd_reply_header(call, "Cache-Control", "no-store");
}

static void login_by_url(struct fpd_call *call)
{
    char secret[FPD_TOKEN_SIZE];
    struct fpd_token token;

    if (fpd_url_query(&call->url, "token", secret, sizeof secret) &&
        fpd_store_token_find(call->http->cfg.store, secret, &token) == FP_OK) {
        give_session(call, secret, true);
    } else if (page_for(call)) {
        /* Away from the URL with the token, which others may see. */
        fpd_reply_empty(call, 303);
        fpd_reply_header(call, "Location", "/#/login");
        fpd_reply_header(call, "Cache-Control", "no-store");
    } else {
        unauthorized(call, "The token in this URL is unknown or expired.");
    }
}

/* A header of this name can't be sent by another site's page. */
static void login_by_header(struct fpd_call *call)
{
    const char *secret = bearer(call);

    if (secret)
        give_session(call, secret, false);
}

bool fpd_auth_login(struct fpd_call *call)
{
    if (strcmp(call->method, "GET") != 0 || call->url.count != 0)
        return false;
    if (strstr(call->url.query, "token="))
        login_by_url(call);
    else if (strcmp(call->url.query, "login") == 0 &&
             fpd_call_header(call, "Authorization"))
        login_by_header(call);
    return call->response != NULL;
}

/* ---- who asks ---- */

static void adopt(struct fpd_call *call, const struct fpd_token *token)
{
    call->scope = token->scope;
    memcpy(call->who, token->id, sizeof call->who);
    if (!token->devices[0])
        return;
    call->devices = strdup(token->devices);
    if (!call->devices) /* rather nothing than everything */
        call->scope = FPD_SCOPE_NONE;
}

static bool owns_socket(struct fpd_call *call)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return call->unix_socket &&
           getsockopt(call->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == geteuid();
}

bool fpd_auth_identify(struct fpd_call *call)
{
    const char *cookie, *secret;
    struct fpd_token token;
    char name[32];

    if (fpd_call_header(call, "Authorization")) {
        secret = bearer(call);
        if (!secret || !find_token(call, secret, &token))
            return false;
        adopt(call, &token);
        return true;
    }
    if (owns_socket(call)) {
        call->scope = FPD_SCOPE_ADMIN;
        strcpy(call->who, "socket");
        return true;
    }
    cookie_name(call->http, name);
    cookie = MHD_lookup_connection_value(call->conn, MHD_COOKIE_KIND, name);
    if (cookie && strlen(cookie) == 64 &&
        session_find(call->http->auth, cookie, &token)) {
        call->by_cookie = true;
        adopt(call, &token);
    }
    return true;
}

/* A page of another origin that the browser sends our cookie for. */
static bool is_foreign(struct fpd_call *call)
{
    const char *origin = fpd_call_header(call, "Origin");
    const char *host = fpd_call_header(call, "Host");

    if (!call->by_cookie || strcmp(call->method, "GET") == 0 || call->head)
        return false;
    return !origin || !host || strncmp(origin, "http", 4) != 0 ||
           !strstr(origin, "://") || strcmp(strstr(origin, "://") + 3, host);
}

/* What concerns the whole daemon (tokens, the store) is not for a token that
 * is good for some devices only: it could make itself one for all. */
static bool is_beyond(const struct fpd_call *call, enum fpd_scope scope)
{
    return scope == FPD_SCOPE_ADMIN && call->devices &&
           !strstr(call->route->pattern, "{device}");
}

bool fpd_auth_allow(struct fpd_call *call, enum fpd_scope scope)
{
    if (scope == FPD_SCOPE_NONE)
        return true;
    if (call->scope == FPD_SCOPE_NONE) {
        unauthorized(call, "This request came without a token.");
        return false;
    }
    if (call->scope < scope) {
        fpd_refuse(call, 403, "scope", "The token may not do this",
                   "This needs a token of scope \"%s\"; yours is \"%s\".",
                   fpd_scope_name(scope), fpd_scope_name(call->scope));
        return false;
    }
    if (is_beyond(call, scope)) {
        fpd_refuse(call, 403, "scope", "The token may not do this",
                   "This concerns all devices; yours is a token for some.");
        return false;
    }
    if (is_foreign(call)) {
        fpd_refuse(call, 403, "origin", "Another site's request",
                   "A change by a browser's session must come from the "
                   "daemon's own page: Origin is missing or another.");
        return false;
    }
    return true;
}
