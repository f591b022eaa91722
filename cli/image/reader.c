/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE     700
#define _FILE_OFFSET_BITS 64
#include "cli/image/reader.h"

#include "cli/belt.h"
#include "cli/command.h"
#include "cli/image/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define TRAYS 128
#define PIECE 65536u

struct tray {
    size_t index; /* of the source */
    const char *path;
    struct stat st;
    int error;   /* an errno */
    size_t size; /* PIECE: it is larger than that, and read in its turn */
    uint8_t buf[PIECE];
};

struct fpc_reader {
    struct fpc_belt *belt; /* made when it is needed */
    size_t next;           /* source to be read ahead */
    unsigned ahead;        /* how many may be on the belt */
    unsigned on_belt;
};

/* --- reading -------------------------------------------------------------- */

/* As much as there is and fits; -1 and errno. The end is where nothing comes
 * any more, or less than was asked for, and just what is known to be there:
 * that spares a call a file. */
static ssize_t fill(int fd, uint8_t *buf, size_t size, uint64_t expected)
{
    size_t got = 0;
    ssize_t n = 1;

    while (n != 0 && got < size) {
        n = read(fd, buf + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        got += (size_t)n;
        if (got == expected && got < size)
            break;
    }
    return (ssize_t)got;
}

/* An errno, or 0. */
static int read_small(struct tray *t, int fd)
{
    ssize_t n = PIECE;

    if (fstat(fd, &t->st) != 0)
        return errno;
    if (t->st.st_size < PIECE)
        n = fill(fd, t->buf, PIECE, (uint64_t)t->st.st_size);
    t->size = n < 0 ? 0 : (size_t)n;
    return n < 0 ? errno : 0;
}

static void read_tray(void *tray, void *folder)
{
    struct tray *t = tray;
    const int fd = fpc_folder_open(folder, t->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        t->error = errno;
        return;
    }
    t->error = read_small(t, fd);
    close(fd);
}

/* Any file, in its turn. */
static int read_large(const char *path, fpc_take_fn take, void *ctx)
{
    static uint8_t buf[PIECE];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = FPC_EXIT_OK;
    ssize_t n = PIECE;

    if (fd < 0)
        return fpc_failed(path);
    while (n == PIECE && status == FPC_EXIT_OK) {
        n = fill(fd, buf, PIECE, UINT64_MAX);
        if (n < 0)
            status = fpc_failed(path);
        else if (n > 0)
            status = take(ctx, buf, (size_t)n);
    }
    close(fd);
    return status;
}

/* --- ahead ---------------------------------------------------------------- */

/* The next ones, as many as may be, on their way. */
static void send(struct fpc_reader *reader, const struct fpc_sources *list)
{
    for (; reader->next < list->count && reader->on_belt < reader->ahead;
         reader->next++) {
        const struct fpc_source *source = &list->items[reader->next];
        struct tray *t;

        if (source->is_dir)
            continue;
        t = fpc_belt_empty(reader->belt);
        t->index = reader->next;
        t->path = source->path;
        fpc_belt_give(reader->belt);
        reader->on_belt++;
    }
}

/* The tray with a source, a file. Those that nobody asked for are passed over;
 * where it is none of them, the belt starts anew with it. */
static struct tray *fetch(struct fpc_reader *reader,
                          const struct fpc_sources *list, size_t index)
{
    struct tray *t;

    send(reader, list);
    for (;;) {
        t = fpc_belt_take(reader->belt);
        if (!t) {
            reader->next = index;
            reader->ahead = 1;
            reader->on_belt = 0;
            send(reader, list);
            continue;
        }
        reader->on_belt--;
        if (t->index == index)
            return t;
        if (t->index > index)
            fpc_belt_stop(reader->belt);
    }
}

static bool make_belt(struct fpc_reader *reader)
{
    const struct fpc_belt_kind kind = {
        .work = read_tray,
        .tray_size = sizeof(struct tray),
        .count = TRAYS,
        .hand_size = sizeof(struct fpc_folder),
        .leave = fpc_folder_close,
    };

    if (!reader->belt)
        reader->belt = fpc_belt_new(&kind);
    return reader->belt;
}

bool fpc_reader_begin(struct fpc_reader *reader, const struct fpc_sources *list)
{
    if (!make_belt(reader))
        return false;
    reader->ahead = TRAYS;
    send(reader, list);
    return true;
}

int fpc_reader_read(struct fpc_reader *reader, const struct fpc_sources *list,
                    const struct fpc_source *source, fpc_take_fn take,
                    void *ctx)
{
    const size_t index = (size_t)(source - list->items);
    struct tray *t;

    if (!make_belt(reader))
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    t = fetch(reader, list, index);
    reader->ahead = reader->ahead < TRAYS ? 2 * reader->ahead : TRAYS;
    if (t->error) {
        errno = t->error;
        return fpc_failed(source->path);
    }
    fpc_reader_see(&list->items[index], &t->st);
    if (t->size == PIECE)
        return read_large(source->path, take, ctx);
    return t->size > 0 ? take(ctx, t->buf, t->size) : FPC_EXIT_OK;
}

/* --- what is known of a file ---------------------------------------------- */

struct fp_commit_meta fpc_reader_meta(const struct stat *st)
{
    return (struct fp_commit_meta){
        .has_mtime = true,
        .mtime_ns =
            (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
    };
}

void fpc_reader_see(struct fpc_source *source, const struct stat *st)
{
    source->unseen = false;
    source->is_dir = S_ISDIR(st->st_mode);
    source->size = source->is_dir ? 0 : (uint64_t)st->st_size;
    source->meta = fpc_reader_meta(st);
}

struct fpc_reader *fpc_reader_new(void)
{
    return calloc(1, sizeof(struct fpc_reader));
}

void fpc_reader_free(struct fpc_reader *reader)
{
    if (!reader)
        return;
    fpc_belt_free(reader->belt);
    free(reader);
}
