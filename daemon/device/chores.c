/* SPDX-License-Identifier: MIT
 *
 * What a session asks for itself, before and beside what its users ask: Hello,
 * who both prove to be, Volumes and Storages, PutAbort of uploads nobody wants
 * any more, and Ping after a silence.
 *
 *   HELLO -> (raise.c: a better rate) -> (AUTH) -> ASKING -> READY
 *
 * Thread  the worker's
 */
#include "daemon/device/session.h"

#include "daemon/device/info.h"
#include "daemon/device/op.h"
#include "daemon/device/proof.h"
#include "daemon/device/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define PING_MS    3000 /* of silence, before asking */
#define REFRESH_MS 500  /* between two looks at the volumes, or storages */

/* LZ4 is for lines: where there is no rate, one hardly waits for the link. */
static uint32_t offered(const struct fpd_session *s)
{
    uint32_t features = fp_Feature_FEATURE_WHOLE_PUT;

    if (s->link->rate != 0)
        features |= fp_Feature_FEATURE_LZ4_IN | fp_Feature_FEATURE_LZ4_OUT;
    if (s->link->key_size != 0)
        features |= fp_Feature_FEATURE_AUTH;
    return features;
}

static void begin_lz4(struct fpd_session *s, const fp_HelloReply *reply)
{
    const struct fp_lz4_encoder_config pack = {
        .buf = s->pack_buf,
        .buf_size = FPD_PACK_SIZE,
        .window = reply->lz4_window < FP_LZ4_WINDOW_MAX ? reply->lz4_window
                                                        : FP_LZ4_WINDOW_MAX,
        .table = s->pack_table,
        .table_count = FPD_PACK_PLACES,
        .chain = s->pack_chain,
    };

    s->packs = s->info.features & fp_Feature_FEATURE_LZ4_IN;
    s->unpacks = s->info.features & fp_Feature_FEATURE_LZ4_OUT;
    if (s->packs)
        fp_lz4_encoder_init(&s->pack, &pack);
    if (s->unpacks)
        fp_lz4_decoder_init(&s->unpack, s->unpack_ring, FP_LZ4_WINDOW_MAX);
}

void fpd_chores_hello(struct fpd_session *s)
{
    fp_Envelope *env = fpd_session_begin(s, NULL, fp_Envelope_hello_tag, false);
    struct timespec ts;
    struct tm tm;

    if (!env)
        return;
    clock_gettime(CLOCK_REALTIME, &ts);
    localtime_r(&ts.tv_sec, &tm);
    env->body.hello.version_min = 1;
    env->body.hello.version_max = 1;
    if (getrandom(s->nonce, sizeof s->nonce, 0) != (ssize_t)sizeof s->nonce)
        abort();
    FPD_SET_BYTES(env->body.hello.nonce, s->nonce, sizeof s->nonce);
    env->body.hello.unix_ms = (uint64_t)fpd_unix_ms();
    env->body.hello.zone_min = (int32_t)(tm.tm_gmtoff / 60);
    env->body.hello.features = offered(s);
    fpd_session_send(s);
    s->state = FPD_SESSION_HELLO;
}

/* It is who it says: it may be asked for the rest. */
static void greet(struct fpd_session *s)
{
    s->state = FPD_SESSION_ASKING;
    if (fpd_worker_hello(s->worker))
        return; /* conflict: the worker has ended the session */
    s->volumes_dirty = true;
    s->storages_dirty = true;
}

/* A line that may be faster is raised first. */
static void raise_or_greet(struct fpd_session *s)
{
    if (s->raise.step != FPD_RAISE_NOT)
        s->state = FPD_SESSION_RAISING;
    else
        greet(s);
}

/* Of a link with a key: has the device got it? Then it hears our proof. */
static void check_proof(struct fpd_session *s, const fp_HelloReply *reply)
{
    const struct fpd_link *link = s->link;
    bool wants = reply->features & fp_Feature_FEATURE_AUTH;
    struct fpd_proof proof = { .key = link->key,
                               .key_size = link->key_size,
                               .host_nonce = s->nonce,
                               .device_nonce = reply->nonce.bytes,
                               .id = s->info.id };
    fp_Envelope *env;

    if (!link->key_size) {
        if (wants)
            fpd_session_end(
                s, FP_ERR_ACCES, FPD_REFUSED,
                "it has a key and this link has none: give the link "
                ",key-file=FILE");
        return;
    }
    if (!wants || reply->nonce.size != FPD_PROOF_NONCE_SIZE ||
        reply->proof.size != FPD_PROOF_SIZE) {
        fpd_session_end(
            s, FP_ERR_ACCES, FPD_REFUSED,
            "it proves no key, and this link has one: start its agent with "
            "--key-file");
        return;
    }
    if (!fpd_proof_is_device(&proof, reply->proof.bytes)) {
        fpd_session_end(
            s, FP_ERR_ACCES, FPD_REFUSED,
            "it has another key than this link: compare the key files of both "
            "ends");
        return;
    }
    env = fpd_session_begin(s, NULL, fp_Envelope_auth_tag, false);
    if (!env)
        return; /* a link that takes nothing is down in 5 s */
    env->body.auth.proof.size = FPD_PROOF_SIZE;
    fpd_proof_of_host(&proof, env->body.auth.proof.bytes);
    fpd_session_send(s);
    s->state = FPD_SESSION_PROVING;
}

static void take_hello(struct fpd_session *s, const fp_HelloReply *reply)
{
    const char *why = "";

    if (reply->version != 1) {
        fpd_session_end(
            s, FP_ERR_NOTSUP, FPD_INCOMPATIBLE,
            "its messages are of a version this daemon does not speak");
        return;
    }
    if (fpd_info_hello(reply, &s->info, &why)) {
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED, why);
        return;
    }
    s->calls_max = reply->max_requests < FPD_CALLS_MAX ? reply->max_requests
                                                       : FPD_CALLS_MAX;
    s->streams_max = reply->max_streams < 1 ? 1 : reply->max_streams;
    fpd_info_features(&s->info, reply->features &
                                    (offered(s) | fp_Feature_FEATURE_SET_RATE));
    begin_lz4(s, reply);
    fpd_raise_begin(s, reply);
    check_proof(s, reply);
    if (!s->err && s->state == FPD_SESSION_HELLO)
        raise_or_greet(s);
}

static void take_volume(struct fpd_session *s, const fp_VolumeReply *reply)
{
    const char *why = "";

    if (reply->present &&
        fpd_info_volume(reply, s->volumes, &s->volume_count, &why)) {
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED, why);
        return;
    }
    if (!reply->last)
        return;
    memcpy(s->info.volumes, s->volumes, sizeof s->info.volumes);
    s->info.volume_count = s->volume_count;
    fpd_info_default(&s->info);
    s->volumes_asked = false;
    s->volumes_known = true;
    fpd_worker_publish(s->worker);
}

static void take_storage(struct fpd_session *s, const fp_StorageReply *reply)
{
    const char *why = "";

    if (reply->present &&
        fpd_info_storage(reply, s->storages, &s->storage_count, &why)) {
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED, why);
        return;
    }
    if (!reply->last)
        return;
    memcpy(s->info.storages, s->storages, sizeof s->info.storages);
    s->info.storage_count = s->storage_count;
    s->storages_asked = false;
    s->storages_known = true;
    fpd_worker_publish(s->worker);
}

/* A chore was refused. Without its volumes and storages a device is none. */
static void chore_failed(struct fpd_session *s, pb_size_t tag)
{
    switch (tag) {
    case fp_Envelope_hello_tag:
        fpd_session_end(s, FP_ERR_NOTSUP, FPD_INCOMPATIBLE,
                        "it refused our Hello");
        return;
    case fp_Envelope_auth_tag:
        fpd_session_end(s, FP_ERR_ACCES, FPD_REFUSED,
                        "it does not take our proof of the key");
        return;
    case fp_Envelope_volumes_tag:
        s->volumes_asked = false;
        break;
    case fp_Envelope_storages_tag:
        s->storages_asked = false;
        break;
    default:
        return;
    }
    if (s->state < FPD_SESSION_READY)
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED,
                        "it does not tell its volumes and storages");
}

/* An answer to a request of the session's own, or to nobody any more. */
void fpd_chores_reply(struct fpd_session *s, const struct fpd_call *call,
                      const fp_Envelope *env)
{
    pb_size_t expected =
        call->tag == fp_Envelope_hello_tag     ? fp_Envelope_hello_reply_tag
        : call->tag == fp_Envelope_auth_tag    ? fp_Envelope_done_tag
        : call->tag == fp_Envelope_volumes_tag ? fp_Envelope_volume_reply_tag
        : call->tag == fp_Envelope_storages_tag
            ? fp_Envelope_storage_reply_tag
            : 0; /* whatever it says tells that it lives */

    if (call->tag == fp_Envelope_ping_tag)
        s->pinged = false;
    if (call->tag == fp_Envelope_ping_tag ||
        call->tag == fp_Envelope_set_rate_tag)
        fpd_raise_answered(s, env->which_body == fp_Envelope_done_tag);
    if (env->which_body == fp_Envelope_failure_tag)
        chore_failed(s, call->tag);
    else if (expected == 0 || env->which_body == fp_Envelope_event_tag)
        return;
    else if (env->which_body != expected)
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED,
                        "it answered something else than was asked");
    else if (expected == fp_Envelope_hello_reply_tag)
        take_hello(s, &env->body.hello_reply);
    else if (call->tag == fp_Envelope_auth_tag)
        raise_or_greet(s);
    else if (expected == fp_Envelope_volume_reply_tag)
        take_volume(s, &env->body.volume_reply);
    else
        take_storage(s, &env->body.storage_reply);
}

static bool send_chore(struct fpd_session *s, pb_size_t tag)
{
    return fpd_session_begin(s, NULL, tag, false) && fpd_session_send(s);
}

static void send_aborts(struct fpd_session *s)
{
    size_t max = sizeof s->aborts / sizeof s->aborts[0];

    for (size_t i = 0; i < max; i++) {
        struct fpd_call *call;
        fp_Envelope *env;

        if (!s->aborts[i].used)
            continue;
        env = fpd_session_begin(s, NULL, fp_Envelope_put_abort_tag, false);
        if (!env)
            return;
        FPD_SET_BYTES(env->body.put_abort.upload_id, s->aborts[i].upload_id,
                      16);
        call = fpd_session_send(s);
        if (call)
            call->stream = s->aborts[i].stream;
        s->aborts[i].used = false;
    }
}

void fpd_session_look_soon(struct fpd_session *s)
{
    s->refreshed_ms = fpd_now_ms() - REFRESH_MS;
}

void fpd_chores_do(struct fpd_session *s, int64_t now)
{
    bool early = s->state == FPD_SESSION_ASKING;

    if (s->state == FPD_SESSION_RAISING && !fpd_raise_go_on(s)) {
        greet(s);
        return;
    }
    if (s->state < FPD_SESSION_ASKING)
        return;
    send_aborts(s);
    fpd_raise_speaks(s, now);
    if (s->storages_dirty && !s->storages_asked &&
        (early || now - s->storages_ms >= REFRESH_MS) &&
        send_chore(s, fp_Envelope_storages_tag)) {
        s->storages_dirty = false;
        s->storages_asked = true;
        s->storage_count = 0;
        s->storages_ms = now;
    }
    if (s->volumes_dirty && !s->volumes_asked &&
        (early || now - s->refreshed_ms >= REFRESH_MS) &&
        send_chore(s, fp_Envelope_volumes_tag)) {
        s->volumes_dirty = false;
        s->volumes_asked = true;
        s->volume_count = 0;
        s->refreshed_ms = now;
    }
    if (now - s->heard_ms >= PING_MS && !s->pinged)
        s->pinged = send_chore(s, fp_Envelope_ping_tag);
}
