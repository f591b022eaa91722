/* SPDX-License-Identifier: MIT
 *
 * A session: one handshake's worth of conversation with a device. It turns
 * frames into messages, keeps the table of unanswered calls, and does the
 * chores that belong to no request: Hello, Volumes, Storages, Ping.
 *
 * Memory  part of struct fpd_worker; nothing is allocated while it runs
 * Errors  what comes from the device is checked here for form; a device that
 *         breaks the form ends the session (`err`, `reason`)
 * Thread  the worker's
 */
#ifndef FPD_DEVICE_SESSION_H
#define FPD_DEVICE_SESSION_H

#include "core/config.h"
#include "daemon/device/device.h"
#include "daemon/device/raise.h"
#include "daemon/link/link.h"
#include "proto/flashport.pb.h"
#include "proto/link.h"
#include "proto/lz4.h"

#include <string.h>

#define FPD_CALLS_MAX 16
#define FPD_FRAME_MAX 4096
/* On a line with a rate: a long frame would hold up what is urgent. */
#define FPD_FRAME_MAX_SLOW 2048
#define FPD_FRAME_MIN      640 /* every message fits */
#define FPD_TX_SIZE        (64u * 1024u)
#define FPD_RX_SIZE        (128u * 1024u)
/* LZ4: what went lately and what may go in one frame, half of it each. */
#define FPD_PACK_SIZE   131072u
#define FPD_PACK_PLACES 16384u

struct fpd_op_state;
struct fpd_worker;

/* A request on the wire that is not fully answered. */
struct fpd_call {
    uint32_t id;             /* 0: free */
    pb_size_t tag;           /* of the request */
    struct fpd_op_state *op; /* NULL: a chore, or an op that is gone and whose
                                answer is dropped */
    uint8_t stream;          /* 0: none */
    uint8_t klass;
    uint32_t slot; /* the op's own number for it */
    int64_t sent_ms;
};

enum fpd_session_state {
    FPD_SESSION_SYNCING,
    FPD_SESSION_HELLO,
    FPD_SESSION_PROVING, /* it has the key; whether we do is on its way */
    FPD_SESSION_RAISING, /* the rate */
    FPD_SESSION_ASKING,  /* who it is is known; volumes and storages come */
    FPD_SESSION_READY,
};

struct fpd_session {
    struct fpd_worker *worker;
    struct fpd_link *link;
    struct fpd_device *device; /* once Hello has told whose session it is */
    enum fpd_session_state state;
    int err;                       /* why it must end; 0: it goes on */
    bool link_broke;               /* the bytes' path itself is gone */
    enum fpd_device_state verdict; /* what to show when it ended */
    char reason[160];

    struct fp_link proto;
    uint32_t proto_session;
    uint8_t nonce[8]; /* of our Hello */
    struct fpd_raise raise;
    uint32_t next_id;
    uint32_t calls_max;
    struct fpd_call calls[FPD_CALLS_MAX];
    struct fpd_call *out_call; /* of the request being written */
    uint8_t *out_frame;
    bool streams[256]; /* in use */
    uint32_t streams_used, streams_max;

    /* Hello, then the rest, collected here and published as a whole. */
    struct fpd_device_info info;
    struct fpd_volume_info volumes[FPD_VOLUMES_MAX];
    uint32_t volume_count;
    struct fpd_storage_info storages[FPD_STORAGES_MAX];
    uint32_t storage_count;
    bool volumes_asked, storages_asked; /* a chore is under way */
    bool volumes_known, storages_known;
    bool volumes_dirty, storages_dirty;
    int64_t refreshed_ms, storages_ms; /* when they were last asked for */
    int64_t heard_ms;                  /* bytes came in */
    bool pinged;
    struct {
        bool used;
        uint8_t stream; /* stays taken until the device has let go of it */
        uint8_t upload_id[16];
    } aborts[4]; /* uploads to be given up */

    /* What the line carries, measured: bytes a second, 0 unknown. */
    uint32_t rate;
    int64_t rate_from_ms;
    uint64_t rate_bytes;

    /* LZ4 with this device; over a line, elsewhere it would be in the way. */
    bool packs, unpacks;
    struct fp_lz4_encoder pack;
    struct fp_lz4_decoder unpack;

    fp_Envelope in, out;
    uint8_t pack_buf[FPD_PACK_SIZE];
    uint16_t pack_table[FPD_PACK_PLACES];
    uint16_t pack_chain[65536];
    uint8_t unpack_ring[FP_LZ4_WINDOW_MAX];
    uint8_t tx_buf[FPD_TX_SIZE];
    uint8_t rx_buf[FPD_RX_SIZE];
};

/* Starts afresh on an open link. */
void fpd_session_start(struct fpd_session *s, struct fpd_worker *worker,
                       struct fpd_link *link);
/* Sends what can go, waits for bytes up to timeout_ms, and handles what came.
 * After it s->err tells whether the session is over. Calls ops, so it takes
 * device->work around that. */
void fpd_session_turn(struct fpd_session *s, int timeout_ms);

/* It is over, and this is why; the first call counts. */
void fpd_session_end(struct fpd_session *s, int err,
                     enum fpd_device_state verdict, const char *why);

/* What is to be asked of its volumes is asked at once, not only when it is time
 * again. */
void fpd_session_look_soon(struct fpd_session *s);

/* Begins a request: the envelope to fill in, id and tag set, or NULL when no
 * call is free or the link takes nothing now. A transfer leaves one call free
 * for the small ones. fpd_session_send() must follow. */
fp_Envelope *fpd_session_begin(struct fpd_session *s, struct fpd_op_state *op,
                               pb_size_t tag, bool transfer);
/* Sends it. NULL: it does not fit the device's frames. */
struct fpd_call *fpd_session_send(struct fpd_session *s);
/* Instead of sending: what was begun is forgotten. */
void fpd_session_drop(struct fpd_session *s);

/* A stream number not in use, or 0. It is freed with the call it is given to,
 * or by fpd_session_free_stream(). */
uint8_t fpd_session_stream(struct fpd_session *s);
void fpd_session_free_stream(struct fpd_session *s, uint8_t stream);
/* Sends up to `size` bytes of data on a stream as one frame: how many went, 0
 * when the link takes nothing now. */
size_t fpd_session_bulk(struct fpd_session *s, uint8_t stream,
                        const uint8_t *data, size_t size);
/* The op is gone: what is still answered for it is dropped. */
void fpd_session_forget(struct fpd_session *s, struct fpd_op_state *op);
/* Gives an upload up, when the link has room for that, and then its stream. */
void fpd_session_abort_upload(struct fpd_session *s,
                              const uint8_t upload_id[16], uint8_t stream);

/* Uploads given up that the device has not let go of yet. */
unsigned fpd_session_aborting(const struct fpd_session *s);
/* Bytes that a slice may have now: about 50 ms of the line, half a second of it
 * for a transfer that is alone, at most 64 KiB. */
uint32_t fpd_session_slice(const struct fpd_session *s);
/* Transfers' calls of this class or a more urgent one. */
unsigned fpd_session_transfers(const struct fpd_session *s,
                               enum fpd_class klass);

/* ---- chores.c: what the session asks for itself ---- */

void fpd_chores_hello(struct fpd_session *s);
/* Asks what is due. */
void fpd_chores_do(struct fpd_session *s, int64_t now);
/* An answer to one of its calls, or to nobody any more. */
void fpd_chores_reply(struct fpd_session *s, const struct fpd_call *call,
                      const fp_Envelope *env);

/* Copies a string or bytes into a bytes field; FP_ASSERTs that it fits, which
 * submit has checked. */
#define FPD_SET_BYTES(field, src, n)                                           \
    (FP_ASSERT((n) <= sizeof(field).bytes), memcpy((field).bytes, (src), (n)), \
     (field).size = (pb_size_t)(n))
#define FPD_SET_STRING(field, text) FPD_SET_BYTES(field, text, strlen(text))

#endif
