/* SPDX-License-Identifier: MIT
 *
 * Contents of files here, which belong to a list of sources: while one goes
 * into the image, those behind it in the list are opened and read (belt.h). As
 * many are as were asked for one after the other before, so that who skips most
 * of a list does not read it all; unless _begin said that nobody will. Of a
 * large file the beginning is read ahead.
 *
 * Memory  8 MiB at the most; each who reads has a file open, and its folder
 * Errors  exit codes, told on stderr when the file is asked for
 */
#ifndef FPC_IMAGE_READER_H
#define FPC_IMAGE_READER_H

#include "cli/image/source.h"

#include <sys/stat.h>

struct fpc_reader;

/* NULL: out of memory. */
struct fpc_reader *fpc_reader_new(void);
/* NULL is accepted. */
void fpc_reader_free(struct fpc_reader *reader);

/* Size, kind and time of a source. */
void fpc_reader_see(struct fpc_source *source, const struct stat *st);
struct fp_commit_meta fpc_reader_meta(const struct stat *st);

/* All of the list is going to be read, in order, what is not in it yet, too.
 * False: out of memory. */
bool fpc_reader_begin(struct fpc_reader *reader,
                      const struct fpc_sources *list);
/* All of a file's content to `take`, whose failure ends it. What was unseen of
 * the source is there before. */
int fpc_reader_read(struct fpc_reader *reader, const struct fpc_sources *list,
                    const struct fpc_source *source, fpc_take_fn take,
                    void *ctx);

#endif
