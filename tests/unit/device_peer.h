/* SPDX-License-Identifier: MIT
 *
 * A device to test the daemon against, as good or as hostile as a test wants:
 * the real link of proto/ as its device end, and answers out of a script. It
 * listens at a Unix socket in a thread of its own.
 *
 * The well-behaved one has a volume /flash with one directory and one file
 * ("/flash/file", in memory), and a storage flash0 of 64 KiB. `trick` is asked
 * first about each message: true means that it has answered in its own way;
 * `spoil` may change what an answer says before it is sent.
 */
#ifndef TESTS_DEVICE_PEER_H
#define TESTS_DEVICE_PEER_H

#include "core/digest/crc32.h"
#include "core/digest/sha256.h"
#include "proto/link.h"
#include "proto/message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PEER_STORAGE_SIZE 65536u

struct peer;
typedef bool (*peer_trick)(struct peer *p, const fp_Envelope *in);
typedef void (*peer_spoil)(struct peer *p, fp_Envelope *out);

struct peer {
    const char *id;
    peer_trick trick;
    peer_spoil spoil;
    _Atomic bool hang_up;      /* close the connection, once */
    _Atomic unsigned seen[64]; /* messages by tag */
    uint8_t epoch[8];
    uint8_t *file;
    size_t file_size;
    bool file_exists;
    uint32_t fs_gen;
    uint8_t storage[PEER_STORAGE_SIZE];

    /* private */
    char dir[32];
    struct sockaddr_un addr;
    int server, fd;
    pthread_t thread;
    _Atomic bool stop;
    struct fp_link link;
    uint8_t tx[16384], rx[65536];
    fp_Envelope in, out;
    bool gone;
    uint8_t nowhere[4096];
    uint8_t *upload;
    uint64_t upload_size, upload_off;
    uint8_t upload_id[16], upload_stream;
};

static inline uint32_t peer_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint32_t)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static inline size_t peer_wire(void *ctx, const uint8_t *buf, size_t size)
{
    struct peer *p = ctx;
    ssize_t n = send(p->fd, buf, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    return n < 0 ? 0 : (size_t)n;
}

/* Begins an answer. */
static inline fp_Envelope *peer_answer(struct peer *p, pb_size_t tag)
{
    memset(&p->out, 0, sizeof p->out);
    p->out.id = p->in.id;
    p->out.which_body = tag;
    return &p->out;
}

/* Lets the link work: false when the connection is over. */
static inline bool peer_pump(struct peer *p, int timeout_ms)
{
    struct pollfd fd = { .fd = p->fd, .events = POLLIN };
    uint8_t buf[4096];
    ssize_t n;

    fp_link_poll(&p->link, peer_now());
    if (poll(&fd, 1, timeout_ms) > 0) {
        n = read(p->fd, buf, sizeof buf);
        if (n <= 0)
            return false;
        fp_link_input(&p->link, buf, (size_t)n, peer_now());
    }
    return !atomic_load(&p->stop) && !p->gone;
}

/* Room for a frame; waits for the other end when there is none. Once the
 * connection is over what is said goes nowhere. */
static inline uint8_t *peer_room(struct peer *p)
{
    uint8_t *room;

    while (!(room = fp_link_alloc(&p->link, fp_link_frame_max(&p->link)))) {
        if (p->gone || !peer_pump(p, 2)) {
            p->gone = true;
            return p->nowhere;
        }
    }
    return room;
}

static inline void peer_commit(struct peer *p, enum fp_frame_kind kind,
                               size_t size)
{
    if (!p->gone)
        fp_link_commit(&p->link, kind, size);
}

static inline void peer_send(struct peer *p)
{
    uint8_t *room = peer_room(p);
    int size;

    if (p->spoil)
        p->spoil(p, &p->out);
    size = fp_message_encode(&p->out, room, fp_link_frame_max(&p->link));
    if (size < 0 && p->spoil)
        return; /* out of all bounds: nothing is said */
    if (size < 0)
        abort();
    peer_commit(p, FP_FRAME_MSG, (size_t)size);
}

static inline void peer_bulk(struct peer *p, uint8_t stream,
                             const uint8_t *data, size_t size)
{
    size_t max = fp_link_frame_max(&p->link) - FP_BULK_RAW_HEADER;

    for (size_t off = 0; off < size;) {
        size_t n = size - off < max ? size - off : max;
        uint8_t *room = peer_room(p);

        memcpy(room + FP_BULK_RAW_HEADER, data + off, n);
        peer_commit(p, FP_FRAME_BULK, fp_bulk_put_raw(room, stream, n));
        off += n;
    }
}

static inline void peer_fail(struct peer *p, fp_Error error)
{
    peer_answer(p, fp_Envelope_failure_tag)->body.failure.error = error;
    peer_send(p);
}

static inline void peer_done(struct peer *p)
{
    peer_answer(p, fp_Envelope_done_tag)->body.done.fs_gen = p->fs_gen;
    peer_send(p);
}

#define PEER_SET(field, text) FP_MESSAGE_SET(field, text, strlen(text))

static inline bool peer_is(size_t size, const uint8_t *bytes, const char *path)
{
    return fp_message_is_bytes(size, bytes, path, strlen(path));
}

static inline void peer_sha(const void *data, size_t size, uint8_t out[32])
{
    struct fp_sha256 sha;

    fp_sha256_init(&sha);
    fp_sha256_update(&sha, data, size);
    fp_sha256_final(&sha, out);
}

static inline void peer_hello(struct peer *p)
{
    fp_HelloReply *r =
        &peer_answer(p, fp_Envelope_hello_reply_tag)->body.hello_reply;

    r->version = 1;
    PEER_SET(r->device_id, p->id);
    PEER_SET(r->model, "peer");
    PEER_SET(r->firmware, "1.0");
    FP_MESSAGE_SET(r->epoch, p->epoch, 8);
    r->max_requests = 4;
    r->max_streams = 4;
    r->max_files = 4;
    r->path_max = 512;
    PEER_SET(r->default_volume, "/flash");
    peer_send(p);
}

static inline void peer_volume(struct peer *p)
{
    fp_VolumeReply *r =
        &peer_answer(p, fp_Envelope_volume_reply_tag)->body.volume_reply;

    r->present = r->last = r->mounted = r->writable = true;
    PEER_SET(r->path, "/flash");
    PEER_SET(r->storage, "flash0");
    PEER_SET(r->fs, "littlefs");
    PEER_SET(r->version, "2.1");
    r->size = PEER_STORAGE_SIZE;
    r->free = 1000;
    r->name_max = 255;
    r->fs_gen = p->fs_gen;
    peer_send(p);
}

static inline void peer_storage(struct peer *p)
{
    fp_StorageReply *r =
        &peer_answer(p, fp_Envelope_storage_reply_tag)->body.storage_reply;

    r->present = r->last = r->gen_trusted = true;
    PEER_SET(r->name, "flash0");
    r->read_size = 1;
    r->prog_size = 16;
    r->block_size = 4096;
    r->block_count = PEER_STORAGE_SIZE / 4096;
    r->chunk_size = 4096;
    r->gen = 7;
    peer_send(p);
}

static inline void peer_stat(struct peer *p)
{
    const fp_StatRequest *q = &p->in.body.stat;
    bool file = peer_is(q->path.size, q->path.bytes, "/flash/file");
    bool dir = peer_is(q->path.size, q->path.bytes, "/flash");
    fp_StatReply *r;

    if (!(file && p->file_exists) && !dir) {
        peer_fail(p, fp_Error_ERROR_NOENT);
        return;
    }
    r = &peer_answer(p, fp_Envelope_stat_reply_tag)->body.stat_reply;
    r->has_entry = true;
    r->entry.type =
        file ? fp_FileType_FILE_TYPE_FILE : fp_FileType_FILE_TYPE_DIR;
    r->entry.size = file ? p->file_size : 0;
    r->fs_gen = p->fs_gen;
    peer_send(p);
}

static inline void peer_list(struct peer *p)
{
    fp_ListReply *r =
        &peer_answer(p, fp_Envelope_list_reply_tag)->body.list_reply;

    r->entries_count = 2;
    PEER_SET(r->entries[0].name, "dir");
    r->entries[0].type = fp_FileType_FILE_TYPE_DIR;
    PEER_SET(r->entries[1].name, "file");
    r->entries[1].type = fp_FileType_FILE_TYPE_FILE;
    r->entries[1].size = p->file_size;
    r->fs_gen = p->fs_gen;
    r->last = true;
    peer_send(p);
}

static inline void peer_read(struct peer *p)
{
    fp_ReadRequest q = p->in.body.read;
    uint64_t left = q.off < p->file_size ? p->file_size - q.off : 0;
    fp_ReadReply *r;
    fp_ReadEnd *end;

    if (!p->file_exists || !peer_is(q.path.size, q.path.bytes, "/flash/file")) {
        peer_fail(p, fp_Error_ERROR_NOENT);
        return;
    }
    if (q.len && q.len < left)
        left = q.len;
    r = &peer_answer(p, fp_Envelope_read_reply_tag)->body.read_reply;
    r->size = p->file_size;
    r->len = left;
    r->fs_gen = p->fs_gen;
    peer_send(p);
    peer_bulk(p, (uint8_t)q.stream, p->file + q.off, left);
    end = &peer_answer(p, fp_Envelope_read_end_tag)->body.read_end;
    end->len = left;
    end->crc32 = ~fp_crc32(0xffffffff, p->file + q.off, left);
    peer_send(p);
}

static inline void peer_digest(struct peer *p)
{
    fp_DigestRequest q = p->in.body.digest;
    fp_DigestReply *r;
    uint64_t left = q.off < p->file_size ? p->file_size - q.off : 0;

    if (!p->file_exists) {
        peer_fail(p, fp_Error_ERROR_NOENT);
        return;
    }
    if (q.len && q.len < left)
        left = q.len;
    r = &peer_answer(p, fp_Envelope_digest_reply_tag)->body.digest_reply;
    r->sha256.size = 32;
    peer_sha(p->file + q.off, left, r->sha256.bytes);
    r->size = p->file_size;
    r->fs_gen = p->fs_gen;
    peer_send(p);
}

static inline void peer_put_open(struct peer *p)
{
    const fp_PutOpenRequest *q = &p->in.body.put_open;

    if (!p->upload || memcmp(p->upload_id, q->upload_id.bytes, 16) != 0) {
        free(p->upload);
        p->upload = malloc(q->size + 1);
        p->upload_off = 0;
        memcpy(p->upload_id, q->upload_id.bytes, 16);
    }
    p->upload_size = q->size;
    p->upload_stream = (uint8_t)q->stream;
    peer_answer(p, fp_Envelope_put_open_reply_tag)->body.put_open_reply.off =
        p->upload_off;
    peer_send(p);
}

static inline void peer_put_commit(struct peer *p)
{
    uint8_t sha[32];

    if (!p->upload || p->upload_off != p->upload_size) {
        fp_Failure *f = &peer_answer(p, fp_Envelope_failure_tag)->body.failure;

        f->error = fp_Error_ERROR_INVAL;
        f->needed = p->upload ? p->upload_size - p->upload_off : 0;
        peer_send(p);
        return;
    }
    peer_sha(p->upload, p->upload_size, sha);
    if (memcmp(sha, p->in.body.put_commit.sha256.bytes, 32) != 0) {
        peer_fail(p, fp_Error_ERROR_DIGEST);
        return;
    }
    free(p->file);
    p->file = p->upload;
    p->file_size = p->upload_size;
    p->file_exists = true;
    p->upload = NULL;
    p->fs_gen++;
    peer_answer(p, fp_Envelope_put_commit_reply_tag)
        ->body.put_commit_reply.fs_gen = p->fs_gen;
    peer_send(p);
}

static inline void peer_chunk_digest(struct peer *p)
{
    fp_ChunkDigestRequest q = p->in.body.chunk_digest;
    fp_ChunkDigestReply *r = &peer_answer(p, fp_Envelope_chunk_digest_reply_tag)
                                  ->body.chunk_digest_reply;
    uint8_t sha[32];

    r->gen = 7;
    r->first = q.first;
    for (uint32_t i = 0; i < q.count; i++) {
        peer_sha(p->storage + (size_t)(q.first + i) * 4096, 4096, sha);
        memcpy(r->digests.bytes + (size_t)i * 16, sha, 16);
        r->status.bytes[i] = 0;
    }
    r->digests.size = (pb_size_t)(q.count * 16);
    r->status.size = (pb_size_t)q.count;
    r->last = true;
    peer_send(p);
}

static inline void peer_chunk_read(struct peer *p)
{
    fp_ChunkReadRequest q = p->in.body.chunk_read;
    fp_ChunkReadReply *r;

    peer_bulk(p, (uint8_t)q.stream, p->storage + (size_t)q.first * 4096,
              (size_t)q.count * 4096);
    r = &peer_answer(p, fp_Envelope_chunk_read_reply_tag)
             ->body.chunk_read_reply;
    r->gen = r->gen_first = 7;
    r->status.size = (pb_size_t)q.count;
    peer_send(p);
}

static inline void peer_change(struct peer *p)
{
    if (p->in.which_body == fp_Envelope_remove_tag) {
        if (!p->file_exists) {
            peer_fail(p, fp_Error_ERROR_NOENT);
            return;
        }
        p->file_exists = false;
    }
    p->fs_gen++;
    peer_done(p);
}

static inline void peer_message(struct peer *p)
{
    if (p->in.which_body < 64)
        atomic_fetch_add(&p->seen[p->in.which_body], 1);
    if (p->trick && p->trick(p, &p->in))
        return;
    switch (p->in.which_body) {
    case fp_Envelope_hello_tag:
        peer_hello(p);
        break;
    case fp_Envelope_volumes_tag:
        peer_volume(p);
        break;
    case fp_Envelope_storages_tag:
        peer_storage(p);
        break;
    case fp_Envelope_stat_tag:
        peer_stat(p);
        break;
    case fp_Envelope_list_tag:
        peer_list(p);
        break;
    case fp_Envelope_read_tag:
        peer_read(p);
        break;
    case fp_Envelope_digest_tag:
        peer_digest(p);
        break;
    case fp_Envelope_put_open_tag:
        peer_put_open(p);
        break;
    case fp_Envelope_put_commit_tag:
        peer_put_commit(p);
        break;
    case fp_Envelope_chunk_digest_tag:
        peer_chunk_digest(p);
        break;
    case fp_Envelope_chunk_read_tag:
        peer_chunk_read(p);
        break;
    case fp_Envelope_remove_tag:
    case fp_Envelope_mkdir_tag:
    case fp_Envelope_rename_tag:
    case fp_Envelope_attr_set_tag:
        peer_change(p);
        break;
    default:
        peer_done(p);
        break;
    }
}

static inline void peer_take_bulk(struct peer *p, const uint8_t *payload,
                                  size_t size)
{
    struct fp_bulk rec;

    if (fp_bulk_parse(&rec, payload, size) || !p->upload ||
        rec.stream != p->upload_stream ||
        rec.size > p->upload_size - p->upload_off)
        return;
    if (rec.type == FP_BULK_FILL)
        memset(p->upload + p->upload_off, rec.fill, rec.size);
    else
        memcpy(p->upload + p->upload_off, rec.data, rec.size);
    p->upload_off += rec.size;
}

/* Takes and answers what has come. */
static inline void peer_take(struct peer *p)
{
    struct fp_link_frame frame;

    while (!p->gone && fp_link_peek(&p->link, &frame)) {
        if (frame.kind == FP_FRAME_BULK)
            peer_take_bulk(p, frame.payload, frame.size);
        else if (fp_message_decode(&p->in, frame.payload, frame.size) == 0)
            peer_message(p);
        fp_link_take(&p->link);
    }
}

static inline void peer_serve(struct peer *p)
{
    struct fp_link_config cfg = {
        .crc32 = fp_crc32,
        .send = peer_wire,
        .ctx = p,
        .frame_max = 1024,
        .tx_buf = p->tx,
        .tx_size = sizeof p->tx,
        .rx_buf = p->rx,
        .rx_size = sizeof p->rx,
    };

    fp_link_init(&p->link, &cfg, peer_now());
    p->gone = false;
    while (!atomic_load(&p->hang_up) && peer_pump(p, 2))
        peer_take(p);
}

static inline void *peer_run(void *arg)
{
    struct peer *p = arg;

    while (!atomic_load(&p->stop)) {
        struct pollfd fd = { .fd = p->server, .events = POLLIN };

        if (poll(&fd, 1, 20) <= 0)
            continue;
        p->fd = accept(p->server, NULL, NULL);
        if (p->fd < 0)
            continue;
        peer_serve(p);
        atomic_store(&p->hang_up, false);
        close(p->fd);
    }
    return NULL;
}

/* Zeroed but for id, trick, epoch and content; spec[0..size) is its link. */
static inline void peer_start(struct peer *p, char *spec, size_t size)
{
    strcpy(p->dir, "/tmp/fpd-peer-XXXXXX");
    if (!mkdtemp(p->dir))
        abort();
    p->addr.sun_family = AF_UNIX;
    snprintf(p->addr.sun_path, sizeof p->addr.sun_path, "%s/s", p->dir);
    snprintf(spec, size, "unix:%s", p->addr.sun_path);
    p->server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(p->server, (struct sockaddr *)&p->addr, sizeof p->addr) ||
        listen(p->server, 4) || pthread_create(&p->thread, NULL, peer_run, p))
        abort();
}

static inline void peer_stop(struct peer *p)
{
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    close(p->server);
    unlink(p->addr.sun_path);
    rmdir(p->dir);
    free(p->upload);
    free(p->file);
}

#endif
