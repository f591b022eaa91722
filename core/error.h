/* SPDX-License-Identifier: MIT
 *
 * The one set of error numbers, for every layer of flashport.
 *
 * The numbers are fixed for ever: they travel on the wire and stand in the
 * store. Where POSIX has a name, name and number are Linux's; but they are
 * ours, never the host's macros, whose numbers differ between systems.
 * 0 or a count is success; a failure is one of these, negative, passed up
 * unchanged from where it arose.
 */
#ifndef FP_CORE_ERROR_H
#define FP_CORE_ERROR_H

enum fp_error {
    FP_OK = 0,
    FP_ERR_NOENT = -2,        /* no such file, directory, storage, snapshot */
    FP_ERR_IO = -5,           /* the medium did not do what it was told */
    FP_ERR_NOMEM = -12,       /* the workspace or buffer given is too small */
    FP_ERR_ACCES = -13,       /* policy protects it */
    FP_ERR_BUSY = -16,        /* in use, frozen, or mounted */
    FP_ERR_EXIST = -17,       /* the name is taken */
    FP_ERR_NODEV = -19,       /* device or medium absent */
    FP_ERR_NOTDIR = -20,      /* a component of the path is a file */
    FP_ERR_ISDIR = -21,       /* a file was needed, this is a directory */
    FP_ERR_INVAL = -22,       /* an argument no caller may give */
    FP_ERR_NFILE = -23,       /* too many open files, streams, requests */
    FP_ERR_FBIG = -27,        /* larger than the format or volume allows */
    FP_ERR_NOSPC = -28,       /* volume full */
    FP_ERR_ROFS = -30,        /* volume is read-only */
    FP_ERR_NAMETOOLONG = -36, /* a component or the path is too long */
    FP_ERR_NOTEMPTY = -39,    /* directory has entries */
    FP_ERR_NODATA = -61,      /* no such attribute */
    FP_ERR_PROTO = -71,       /* the peer broke the protocol */
    FP_ERR_CORRUPT = -84,     /* on-disk structure or check code is wrong */
    FP_ERR_NOTSUP = -95,      /* this driver or device cannot do that */
    FP_ERR_TIMEDOUT = -110,   /* no answer in time */
    FP_ERR_STALE = -116,      /* it changed since the caller looked */
    FP_ERR_CANCELED = -125,   /* the caller gave up */
    FP_ERR_OUTCOME = -200,    /* done or not done: it cannot be known */
    FP_ERR_DIGEST = -201,     /* content does not have the promised SHA-256 */
    FP_ERR_PRECOND = -202,    /* a precondition of the request failed */
    FP_ERR_LEASED = -203,     /* leased by another client */
};

/* A lower-case phrase such as "no such file or directory"; never NULL, "error"
 * for a number that is none of ours. */
const char *fp_strerror(int err);

/* The name without its prefix, "NOENT"; "UNKNOWN" for a number that is none. */
const char *fp_error_name(int err);

#endif
