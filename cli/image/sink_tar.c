/* SPDX-License-Identifier: MIT
 *
 * A tar archive as a sink: pax, which has names of any length and bytes, and
 * times to the nanosecond. The same files give the same archive: owners are 0,
 * modes 644 and 755, entries sorted as their paths are.
 *
 * It is written beside its name and takes it when it is whole. On stdout a
 * failure shows as an archive without its end.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/archive.h"
#include "cli/image/sink.h"
#include "cli/image/unfinished.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct fpc_image_archive *const lib = &fpc_image_archive;

static int tar_failed(const struct fpc_sink *sink)
{
    const char *why = lib->archive_error_string(sink->archive);

    fpc_error("%s: %s", sink->path, why ? why : "cannot be written");
    return lib->archive_errno(sink->archive) == ENOSPC ? FPC_EXIT_NO_SPACE
                                                       : FPC_EXIT_FAILED;
}

static void choose_filter(struct fpc_sink *sink)
{
    const char *dot = strrchr(sink->path, '.');

    if (dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".tgz") == 0)) {
        lib->archive_write_add_filter_gzip(sink->archive);
        lib->archive_write_set_filter_option(sink->archive, "gzip", "timestamp",
                                             NULL);
    } else if (dot && strcmp(dot, ".zst") == 0) {
        lib->archive_write_add_filter_zstd(sink->archive);
    }
}

static la_ssize_t write_out(struct archive *archive, void *ctx, const void *buf,
                            size_t size)
{
    struct fpc_sink *sink = ctx;

    /* Freed without an end where something has failed, so that nobody takes it
     * for a whole one. */
    if (!sink->failed && fwrite(buf, 1, size, sink->out) == size)
        return (la_ssize_t)size;
    lib->archive_set_error(archive, sink->failed ? ECANCELED : errno,
                           "cannot be written");
    return -1;
}

static int close_out(struct fpc_sink *sink, int status)
{
    bool written = fflush(sink->out) == 0;

    if (sink->temp[0])
        written = fclose(sink->out) == 0 && written;
    if (status == FPC_EXIT_OK && !written)
        status = fpc_failed(sink->path);
    if (!sink->temp[0])
        return status;
    if (status == FPC_EXIT_OK && rename(sink->temp, sink->path) != 0)
        status = fpc_failed(sink->path);
    if (status)
        unlink(sink->temp);
    fpc_unfinished(NULL);
    return status;
}

static int tar_close(struct fpc_sink *sink, int status)
{
    sink->failed = status != FPC_EXIT_OK;
    if (lib->archive_write_close(sink->archive) != ARCHIVE_OK && !sink->failed)
        status = tar_failed(sink);
    lib->archive_write_free(sink->archive);
    return close_out(sink, status);
}

static int open_out(struct fpc_sink *sink, const char *path)
{
    sink->temp[0] = 0;
    sink->out = stdout;
    if (strcmp(path, "-") == 0)
        return FPC_EXIT_OK;
    if ((size_t)snprintf(sink->temp, sizeof sink->temp, "%s.%ld.part", path,
                         (long)getpid()) >= sizeof sink->temp) {
        errno = ENAMETOOLONG;
        return fpc_failed(path);
    }
    fpc_unfinished(sink->temp);
    sink->out = fopen(sink->temp, "wb");
    return sink->out ? FPC_EXIT_OK : fpc_failed(path);
}

static int tar_open(struct fpc_sink *sink, const char *path)
{
    int status;

    sink->path = path;
    status = fpc_image_archive_load();
    if (status == FPC_EXIT_OK)
        status = open_out(sink, path);
    if (status)
        return status;
    sink->archive = lib->archive_write_new();
    if (!sink->archive) {
        fpc_error("out of memory");
        return close_out(sink, FPC_EXIT_FAILED);
    }
    /* Names are UTF-8, or bytes: whatever the user's locale is. */
    setlocale(LC_CTYPE, "C.UTF-8");
    lib->archive_write_set_format_pax(sink->archive);
    lib->archive_write_set_bytes_in_last_block(sink->archive, 1);
    choose_filter(sink);
    if (lib->archive_write_open(sink->archive, sink, NULL, write_out, NULL) ==
        ARCHIVE_OK)
        return FPC_EXIT_OK;
    tar_failed(sink);
    return tar_close(sink, FPC_EXIT_FAILED);
}

struct content {
    struct fpc_sink *sink;
    uint64_t size;
};

static int take(void *ctx, const void *buf, size_t size)
{
    struct content *c = ctx;

    c->size += size;
    return lib->archive_write_data(c->sink->archive, buf, size) ==
                   (la_ssize_t)size
               ? FPC_EXIT_OK
               : tar_failed(c->sink);
}

static int put_content(struct fpc_sink *sink, struct fpc_image *image,
                       const struct fpc_node *node)
{
    struct content c = { .sink = sink };
    int status = fpc_image_read_file(image, node->path, take, &c);

    /* The archive has promised as many bytes as the directory did. */
    return status == FPC_EXIT_OK && c.size != node->st.size
               ? fpc_image_failed(image, node->path, FP_ERR_CORRUPT)
               : status;
}

static void describe(struct archive_entry *entry, const struct fpc_node *node,
                     const char *name)
{
    const bool dir = node->st.type == FP_TYPE_DIR;
    char path[FP_PATH_MAX + 2];

    snprintf(path, sizeof path, "%s%s", name + 1, dir ? "/" : "");
    lib->archive_entry_copy_pathname(entry, path);
    lib->archive_entry_set_filetype(entry, dir ? AE_IFDIR : AE_IFREG);
    lib->archive_entry_set_perm(entry, dir ? 0755 : 0644);
    lib->archive_entry_set_size(entry, dir ? 0 : (la_int64_t)node->st.size);
    if (node->st.has_mtime && node->st.mtime_ns >= 0)
        lib->archive_entry_set_mtime(entry,
                                     (time_t)(node->st.mtime_ns / 1000000000),
                                     (long)(node->st.mtime_ns % 1000000000));
}

static int tar_put(struct fpc_sink *sink, struct fpc_image *image,
                   const struct fpc_node *node, const char *name)
{
    struct archive_entry *entry = lib->archive_entry_new();
    int err;

    if (!entry)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    describe(entry, node, name);
    /* A warning: a name that is no UTF-8 goes in byte for byte. */
    err = lib->archive_write_header(sink->archive, entry);
    lib->archive_entry_free(entry);
    if (err != ARCHIVE_OK && err != ARCHIVE_WARN)
        return tar_failed(sink);
    return node->st.type == FP_TYPE_DIR ? FPC_EXIT_OK
                                        : put_content(sink, image, node);
}

const struct fpc_sink_ops fpc_sink_tar = {
    .open = tar_open,
    .put = tar_put,
    .close = tar_close,
};
