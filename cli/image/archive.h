/* SPDX-License-Identifier: MIT
 *
 * What is called of libarchive, which is loaded late.
 */
#ifndef FPC_IMAGE_ARCHIVE_H
#define FPC_IMAGE_ARCHIVE_H

#include "cli/late.h"

#include <archive.h>
#include <archive_entry.h>

#define FPC_IMAGE_ARCHIVE_CALLS(X)           \
    X(archive_entry_copy_pathname)           \
    X(archive_entry_filetype)                \
    X(archive_entry_free)                    \
    X(archive_entry_hardlink)                \
    X(archive_entry_mtime)                   \
    X(archive_entry_mtime_nsec)              \
    X(archive_entry_new)                     \
    X(archive_entry_pathname)                \
    X(archive_entry_pathname_utf8)           \
    X(archive_entry_set_filetype)            \
    X(archive_entry_set_mtime)               \
    X(archive_entry_set_perm)                \
    X(archive_entry_set_size)                \
    X(archive_errno)                         \
    X(archive_error_string)                  \
    X(archive_read_data)                     \
    X(archive_read_free)                     \
    X(archive_read_new)                      \
    X(archive_read_next_header)              \
    X(archive_read_open_filename)            \
    X(archive_read_support_filter_bzip2)     \
    X(archive_read_support_filter_gzip)      \
    X(archive_read_support_filter_xz)        \
    X(archive_read_support_filter_zstd)      \
    X(archive_read_support_format_tar)       \
    X(archive_set_error)                     \
    X(archive_write_add_filter_gzip)         \
    X(archive_write_add_filter_zstd)         \
    X(archive_write_close)                   \
    X(archive_write_data)                    \
    X(archive_write_free)                    \
    X(archive_write_header)                  \
    X(archive_write_new)                     \
    X(archive_write_open)                    \
    X(archive_write_set_bytes_in_last_block) \
    X(archive_write_set_filter_option)       \
    X(archive_write_set_format_pax)

FPC_LATE_DECLARE(fpc_image_archive, FPC_IMAGE_ARCHIVE_CALLS)

#endif
