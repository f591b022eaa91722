/* SPDX-License-Identifier: MIT */
#include "core/error.h"

#include <stddef.h>

static const struct {
    int err;
    const char *name;
    const char *text;
} errors[] = {
    { FP_OK, "OK", "success" },
    { FP_ERR_NOENT, "NOENT", "no such file or directory" },
    { FP_ERR_IO, "IO", "input/output error of the medium" },
    { FP_ERR_NOMEM, "NOMEM", "not enough memory" },
    { FP_ERR_ACCES, "ACCES", "protected" },
    { FP_ERR_BUSY, "BUSY", "busy" },
    { FP_ERR_EXIST, "EXIST", "exists already" },
    { FP_ERR_NODEV, "NODEV", "device absent" },
    { FP_ERR_NOTDIR, "NOTDIR", "not a directory" },
    { FP_ERR_ISDIR, "ISDIR", "is a directory" },
    { FP_ERR_INVAL, "INVAL", "invalid argument" },
    { FP_ERR_NFILE, "NFILE", "too many open at once" },
    { FP_ERR_FBIG, "FBIG", "too large" },
    { FP_ERR_NOSPC, "NOSPC", "no space left" },
    { FP_ERR_ROFS, "ROFS", "read-only volume" },
    { FP_ERR_NAMETOOLONG, "NAMETOOLONG", "name too long" },
    { FP_ERR_NOTEMPTY, "NOTEMPTY", "directory not empty" },
    { FP_ERR_NODATA, "NODATA", "no such attribute" },
    { FP_ERR_PROTO, "PROTO", "protocol violation" },
    { FP_ERR_CORRUPT, "CORRUPT", "corrupt" },
    { FP_ERR_NOTSUP, "NOTSUP", "not supported" },
    { FP_ERR_TIMEDOUT, "TIMEDOUT", "timed out" },
    { FP_ERR_STALE, "STALE", "changed in the meantime" },
    { FP_ERR_CANCELED, "CANCELED", "cancelled" },
    { FP_ERR_OUTCOME, "OUTCOME", "outcome unknown" },
    { FP_ERR_DIGEST, "DIGEST", "content does not match its digest" },
    { FP_ERR_PRECOND, "PRECOND", "precondition failed" },
    { FP_ERR_LEASED, "LEASED", "leased by another client" },
};

const char *fp_strerror(int err)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].err == err)
            return errors[i].text;
    return "error";
}

const char *fp_error_name(int err)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].err == err)
            return errors[i].name;
    return "UNKNOWN";
}
