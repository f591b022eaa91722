/* SPDX-License-Identifier: MIT
 *
 * A hostile device in front of the daemon's whole device side: worker, session,
 * scheduler and every op, in one thread, with a clock of our own.
 *
 *     requests ──► fpd_device_submit() ──► worker ──► its link: recv() here
 *                                                        │
 *     the input chooses what is asked, and how   ◄── peer: the real link's
 *     each answer differs from an honest one         device end, honest answers
 *
 * Input: bytes, eaten from the front. At each turn of the link one chooses what
 * happens: nothing, a request (another says which), records, events, raw bytes
 * on the wire, a reset, the end of the connection. At each answer of the peer
 * one chooses what becomes of it: nothing, bytes of the message's struct
 * replaced, another id or kind, a Failure, silence. So frames, handshake and
 * protobuf are good and the ops behind them are reached.
 *
 * When the input is used up the peer is honest for some turns more. Whatever
 * happened, then, every request has been answered exactly once, and what it was
 * given keeps the promises of daemon/device/device.h.
 */
#include "daemon/device/op.h"
#include "daemon/device/pipe.h"
#include "daemon/device/spool.h"
#include "daemon/device/worker.h"
#include "daemon/log.h"
#include "device_peer.h"
#include "tests/fuzz/choice.h"

#include <sys/random.h>

#define TURNS_MORE 100
#define TURNS_MAX  20000
#define ASKS       6
#define WIRE_SIZE  (1u << 20)

static struct choice input;
static struct peer peer;
static uint8_t peer_tx[1 << 18];
static uint8_t wire[WIRE_SIZE]; /* on its way to the daemon */
static size_t wire_size;
static int64_t now_ms;
static unsigned turns, turns_more;
static uint64_t random_state;
static struct fpd_worker worker;
static struct fpd_devices *devices;

/* A request and what it needs; `busy` from submit until done. */
static struct ask {
    struct fpd_request req;
    struct fpd_pipe *pipe;
    struct fpd_spool *spool;
    bool busy;
    uint64_t piped;
    uint8_t digests[16 * 16], status[16], data[PEER_STORAGE_SIZE];
    struct fpd_chunk_run runs[8];
    struct fpd_counter counters[8];
} asks[ASKS];

static uint8_t next(void)
{
    return choose(&input);
}

static uint16_t next16(void)
{
    return choose16(&input);
}

/* ---- the world ---- */

int64_t __wrap_fpd_now_ms(void);
int64_t __wrap_fpd_now_ms(void)
{
    return now_ms;
}

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags)
{
    uint8_t *to = buf;

    (void)flags;
    for (size_t i = 0; i < size; i++) {
        random_state =
            random_state * 6364136223846793005u + 1442695040888963407u;
        to[i] = (uint8_t)(random_state >> 56);
    }
    return (ssize_t)size;
}

void __wrap_fpd_link_cancel(struct fpd_link *link);
void __wrap_fpd_link_cancel(struct fpd_link *link)
{
    (void)link; /* nobody sleeps */
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)fds;
    (void)count;
    (void)timeout_ms;
    peer.gone = true; /* it would wait for room: its connection is over */
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    (void)clock;
    *ts = (struct timespec){ .tv_sec = now_ms / 1000,
                             .tv_nsec = now_ms % 1000 * 1000000 };
    return 0;
}

static void count_turn(void)
{
    turns++;
    if (input.at == input.end)
        turns_more++;
    if (turns_more > TURNS_MORE || turns > TURNS_MAX)
        atomic_store(&worker.stop, true);
}

void __wrap_fpd_link_sleep(struct fpd_link *link, int timeout_ms);
void __wrap_fpd_link_sleep(struct fpd_link *link, int timeout_ms)
{
    (void)link;
    now_ms += timeout_ms > 0 ? timeout_ms : 1;
    count_turn();
}

/* ---- the device ---- */

static size_t to_daemon(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    if (size > sizeof wire - wire_size)
        size = sizeof wire - wire_size;
    memcpy(wire + wire_size, buf, size);
    wire_size += size;
    return size;
}

static void on_answer(struct peer *p, fp_Envelope *out)
{
    uint8_t how = next();

    (void)p;
    switch (how & 15) {
    case 8:
    case 9:
    case 10:
        spoil(&input, out);
        break;
    case 11:
        out->id = how & 16 ? 0 : out->id + next();
        break;
    case 12:
        out->which_body = next() % 64;
        break;
    case 13:
        memset(&out->body, 0, sizeof out->body);
        out->which_body = fp_Envelope_failure_tag;
        out->body.failure.error = (fp_Error)next();
        break;
    case 14:
        memset(&out->body, how & 16 ? 0xff : 0, sizeof out->body);
        break;
    default:
        break;
    }
}

/* True: this request is not answered, or twice. */
static bool on_request(struct peer *p, const fp_Envelope *in)
{
    static unsigned depth;
    uint8_t how = next();

    (void)in;
    if (how < 240 || depth > 0)
        return false;
    if (how >= 248)
        return true;
    depth++;
    peer_message(p);
    depth--;
    return false;
}

static void device_record(void)
{
    uint8_t data[300], *room = fp_link_alloc(&peer.link, sizeof data);
    size_t size = next();

    if (!room)
        return;
    for (size_t i = 0; i < size; i++)
        data[i] = i < 7 ? next() : (uint8_t)i;
    memcpy(room, data, size);
    fp_link_commit(&peer.link, FP_FRAME_BULK, size);
}

static void device_event(void)
{
    fp_Envelope *out = peer_answer(&peer, fp_Envelope_event_tag);

    if (fp_link_state(&peer.link) != FP_LINK_UP)
        return;
    out->id = 0;
    out->body.event.kind = (fp_EventKind)next();
    peer_send(&peer);
}

static void device_raw(void)
{
    uint8_t raw[64];
    size_t size = next() % sizeof raw;

    for (size_t i = 0; i < size; i++)
        raw[i] = next();
    to_daemon(NULL, raw, size);
}

static void device_start(void)
{
    const struct fp_link_config cfg = {
        .crc32 = fp_crc32,
        .send = to_daemon,
        .frame_max = 1024,
        .tx_buf = peer_tx,
        .tx_size = sizeof peer_tx,
        .rx_buf = peer.rx,
        .rx_size = sizeof peer.rx,
    };

    fp_link_init(&peer.link, &cfg, (uint32_t)now_ms);
    peer.gone = false;
}

/* ---- the link ---- */

static int link_open(struct fpd_link *link)
{
    (void)link;
    wire_size = 0;
    device_start();
    return FP_OK;
}

static ssize_t link_send(struct fpd_link *link, const uint8_t *buf, size_t size)
{
    (void)link;
    fp_link_input(&peer.link, buf, size, (uint32_t)now_ms);
    return (ssize_t)size;
}

static void client_turn(void);

/* The whole world moves here: the device, then whoever asks. */
static ssize_t link_recv(struct fpd_link *link, uint8_t *buf, size_t size,
                         int timeout_ms)
{
    uint8_t how = next();

    count_turn();
    fp_link_poll(&peer.link, (uint32_t)now_ms);
    peer_take(&peer);
    switch (how) {
    case 250:
        device_record();
        break;
    case 251:
        device_event();
        break;
    case 252:
        device_raw();
        break;
    case 253:
        device_start();
        break;
    case 254:
        peer.epoch[0] ^= next() & 1; /* perhaps it was reset */
        return fpd_link_fail(link, FP_ERR_NODEV, "the cable is out");
    case 255:
        now_ms += next16();
        break;
    default:
        if (how >= 128)
            client_turn();
        break;
    }
    if (peer.gone)
        return fpd_link_fail(link, FP_ERR_NODEV, "the device went away");
    fp_link_poll(&peer.link, (uint32_t)now_ms);
    if (wire_size == 0)
        now_ms += timeout_ms < 0 ? 1000 : timeout_ms + 1;
    if (size > wire_size)
        size = wire_size;
    memcpy(buf, wire, size);
    memmove(wire, wire + size, wire_size - size);
    wire_size -= size;
    return (ssize_t)size;
}

static void link_close(struct fpd_link *link)
{
    (void)link;
}

static const struct fpd_link_ops link_ops = {
    .kind = "fuzz",
    .open = link_open,
    .send = link_send,
    .recv = link_recv,
    .close = link_close,
};

/* ---- the client ---- */

#define HOLD(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void check_list(const struct fpd_request *req)
{
    HOLD(req->u.list.count <= 4096);
    for (uint32_t i = 0; i < req->u.list.count; i++) {
        const struct fpd_entry *e = &req->u.list.entries[i];

        HOLD(e->name_len > 0 && e->name_len == strlen(e->name));
        HOLD(!strchr(e->name, '/') && strcmp(e->name, "..") != 0);
        HOLD(e->st.type == FPD_TYPE_FILE || e->st.type == FPD_TYPE_DIR);
    }
}

static void on_done(struct fpd_request *req)
{
    struct ask *a = req->ctx;

    HOLD(a->busy && req->err <= 0);
    a->busy = false;
    if (req->op == FPD_OP_LIST) {
        if (!req->err)
            check_list(req);
        free(req->u.list.entries);
    }
    if (req->op == FPD_OP_CHUNK_CHANGED && !req->err)
        HOLD(req->u.chunk.runs_count <= 8);
    if (req->op == FPD_OP_CHUNK_DIGESTS && !req->err)
        for (uint32_t i = 0; i < req->u.chunk.count; i++)
            HOLD(a->status[i] <= FPD_CHUNK_UNREADABLE);
    if (req->op == FPD_OP_STATS && !req->err)
        HOLD(req->u.stats.count <= 8);
}

static void drain(struct ask *a)
{
    uint8_t buf[4096];
    size_t got;

    while (a->pipe &&
           fpd_pipe_read(a->pipe, buf, sizeof buf, &got) == FPD_PIPE_DATA)
        a->piped += got;
    if (a->pipe && a->req.op == FPD_OP_READ && a->req.u.read.len)
        HOLD(a->piped <= a->req.u.read.len);
}

static void forget(struct ask *a)
{
    if (a->pipe)
        drain(a);
    fpd_pipe_unref(a->pipe);
    if (a->spool)
        fpd_spool_unref(a->spool);
    a->pipe = NULL;
    a->spool = NULL;
    a->piped = 0;
}

static void set_put(struct ask *a)
{
    static const uint8_t old[32] = { 1 };
    size_t size = next16() % 8192u;

    HOLD(fpd_spool_new("/tmp", size, &a->spool) == FP_OK);
    HOLD(fpd_spool_write(a->spool, a->data, size) == FP_OK);
    HOLD(fpd_spool_end(a->spool) == FP_OK);
    a->req.u.put.path = "/flash/new";
    a->req.u.put.spool = a->spool;
    a->req.u.put.if_absent = size % 7 == 1;
    a->req.u.put.if_sha256 = size % 7 == 2 ? old : NULL;
    a->req.u.put.in_place = size % 7 == 3;
}

static void set_chunk(struct ask *a)
{
    struct fpd_request *req = &a->req;

    req->u.chunk.storage = "flash0";
    req->u.chunk.first = next() % 16u;
    req->u.chunk.count = 1 + next() % (16 - req->u.chunk.first);
    req->u.chunk.digests = a->digests;
    req->u.chunk.status = a->status;
    req->u.chunk.data = a->data;
    req->u.chunk.runs = a->runs;
    req->u.chunk.runs_max = 8;
    req->u.chunk.freeze_ms = 100;
    if (req->op == FPD_OP_CHUNK_DIGESTS && req->u.chunk.count == 1 &&
        req->u.chunk.first == 0)
        req->u.chunk.level = 1;
}

static void fill_in(struct ask *a)
{
    struct fpd_request *req = &a->req;

    switch (req->op) {
    case FPD_OP_STAT:
        req->u.stat.path = "/flash/file";
        break;
    case FPD_OP_LIST:
        req->u.list.path = "/flash";
        req->u.list.max = next();
        break;
    case FPD_OP_READ:
        a->pipe = fpd_pipe_new(4096);
        req->u.read.path = "/flash/file";
        req->u.read.pipe = a->pipe;
        req->u.read.off = next() % 5u;
        req->u.read.len = next() % 2 ? 2500 : 0;
        break;
    case FPD_OP_DIGEST:
        req->u.digest.path = "/flash/file";
        break;
    case FPD_OP_PUT:
        set_put(a);
        break;
    case FPD_OP_MKDIR:
    case FPD_OP_REMOVE:
    case FPD_OP_TRUNCATE:
        req->u.change.path = "/flash/file";
        break;
    case FPD_OP_RENAME:
        req->u.rename.from = "/flash/file";
        req->u.rename.to = "/flash/other";
        break;
    case FPD_OP_ATTR_GET:
    case FPD_OP_ATTR_SET:
        req->u.attr.path = "/flash/file";
        break;
    case FPD_OP_MOUNT:
    case FPD_OP_UNMOUNT:
    case FPD_OP_FORMAT:
    case FPD_OP_CHECK:
        req->u.volume.volume = "/flash";
        req->u.volume.fs = "littlefs";
        break;
    case FPD_OP_STATS:
        req->u.stats.counters = a->counters;
        req->u.stats.max = 8;
        break;
    default:
        if (req->op >= FPD_OP_CHUNK_DIGESTS)
            set_chunk(a);
        break;
    }
}

static void submit(struct fpd_device *device, struct ask *a, uint8_t which)
{
    forget(a);
    memset(&a->req, 0, sizeof a->req);
    a->req.op = (enum fpd_op)(which % (FPD_OP_RESTORE_END + 1));
    a->req.klass = (enum fpd_class)(which % 3);
    a->req.done = on_done;
    a->req.ctx = a;
    fill_in(a);
    a->busy = true;
    if (fpd_device_submit(device, &a->req))
        a->busy = false;
}

static void client_turn(void)
{
    struct fpd_device *device = fpd_devices_find(devices, "fuzz");
    uint8_t which = next();
    struct ask *a = &asks[next() % ASKS];

    if (!device)
        return;
    if (!a->busy)
        submit(device, a, which);
    else if (which == 255)
        fpd_device_cancel(device, &a->req);
    else if (which == 254 && a->pipe)
        fpd_pipe_abandon(a->pipe);
    else
        drain(a);
    fpd_device_unref(device);
}

/* ---- one input ---- */

static void start(void)
{
    static const struct fpd_devices_config cfg = { 0 };

    fpd_log_set_level(FPD_LOG_ERROR);
    HOLD(fpd_devices_new(&cfg, &devices) == FP_OK);
    now_ms = 1000000;
    turns = turns_more = 0;
    random_state = 1;
    peer = (struct peer){ .id = "fuzz",
                          .trick = on_request,
                          .spoil = on_answer,
                          .epoch = { 1 },
                          .fd = -1,
                          .file_size = 3000,
                          .file_exists = true };
    peer.file = calloc(1, peer.file_size);
    memset(&worker, 0, sizeof worker);
    HOLD(fpd_link_init(&worker.link, "unix:/nowhere") == FP_OK);
    worker.link.ops = &link_ops;
    worker.devices = devices;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input.at = data;
    input.end = data + size;
    start();
    fpd_worker_run(&worker);
    for (int i = 0; i < ASKS; i++) {
        HOLD(!asks[i].busy);
        forget(&asks[i]);
    }
    fpd_link_deinit(&worker.link);
    fpd_devices_free(devices);
    free(peer.upload);
    free(peer.file);
    return 0;
}
