/* SPDX-License-Identifier: MIT
 *
 * The beginning and the end of an op, whatever its kind.
 */
#include "daemon/device/op.h"

#include "daemon/device/info.h"
#include "daemon/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const struct fpd_op_ops *kind(enum fpd_op op)
{
    switch (op) {
    case FPD_OP_LIST:
        return &fpd_op_list;
    case FPD_OP_READ:
        return &fpd_op_read;
    case FPD_OP_PUT:
        return &fpd_op_put;
    case FPD_OP_STATS:
        return &fpd_op_stats;
    case FPD_OP_CHUNK_DIGESTS:
        return &fpd_op_chunk_digests;
    case FPD_OP_CHUNK_CHANGED:
        return &fpd_op_chunk_changed;
    case FPD_OP_CHUNK_READ:
        return &fpd_op_chunk_read;
    case FPD_OP_CHUNK_WRITE:
        return &fpd_op_chunk_write;
    case FPD_OP_DIGEST:
    case FPD_OP_CHECK:
    case FPD_OP_FORMAT:
    case FPD_OP_MOUNT:
    case FPD_OP_RESTORE_END:
        return &fpd_op_slow;
    default:
        return &fpd_op_simple;
    }
}

struct fpd_op_state *fpd_op_new(struct fpd_request *req, int *err)
{
    const struct fpd_op_ops *ops = kind(req->op);
    struct fpd_op_state *op = calloc(1, ops->state_size);

    *err = FP_ERR_NOMEM;
    if (!op)
        return NULL;
    op->ops = ops;
    op->req = req;
    op->device = req->device;
    op->progress_ms = fpd_now_ms();
    op->stall_ms = ops->stall_ms;
    /* Retries are told apart by this: it must differ from every other. */
    if (getrandom(op->op_id, sizeof op->op_id, 0) != (ssize_t)sizeof op->op_id)
        abort();
    *err = ops->init ? ops->init(op) : FP_OK;
    if (*err) {
        free(op);
        return NULL;
    }
    return op;
}

void fpd_op_free(struct fpd_session *s, struct fpd_op_state *op)
{
    if (op->ops->end)
        op->ops->end(s, op);
    free(op);
}

void fpd_op_finish(struct fpd_op_state *op, int err)
{
    if (op->finished)
        return;
    op->finished = true;
    op->req->err = err;
}

void fpd_op_fail(struct fpd_op_state *op, int err, const char *detail)
{
    if (!op->finished)
        snprintf(op->req->failure.detail, sizeof op->req->failure.detail, "%s",
                 detail);
    fpd_op_finish(op, err);
}

void fpd_op_fail_with(struct fpd_op_state *op, const fp_Failure *failure)
{
    struct fpd_failure *out = &op->req->failure;
    int err = fpd_info_error(failure->error);

    if (op->finished)
        return;
    fpd_text_clean(failure->detail.bytes, failure->detail.size, out->detail,
                   sizeof out->detail);
    out->needed = failure->needed;
    out->free = failure->free;
    out->limit = failure->limit;
    out->told = true;
    fpd_op_finish(op, err);
}

void fpd_op_broken(struct fpd_op_state *op, const char *what)
{
    fpd_op_fail(op, FP_ERR_PROTO, what);
}
