/* SPDX-License-Identifier: MIT
 *
 * Sources that are the entries of a tar archive, plain or compressed.
 *
 *     spool    one pass over the archive: contents go to a file without a
 *              name, since a pipe is read once and an image may take several
 *              tries
 *     sort     by path, a directory before what it holds; of an entry that is
 *              there twice the later one counts, as tar has it; directories
 *              that only the paths of files tell are added
 *     link     a hard link is one more file with the same content
 *
 * The archive may be an attacker's. Its paths are cut to what lies below the
 * root, it has a million entries at most, and what it unpacks to takes disk
 * space and no memory.
 */
#define _XOPEN_SOURCE     700
#define _FILE_OFFSET_BITS 64
#include "cli/command.h"
#include "cli/image/archive.h"
#include "cli/image/source.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 1000000

static const struct fpc_image_archive *const lib = &fpc_image_archive;

/* Known of an entry until all are there. */
struct entry {
    struct fpc_source source;
    char *link; /* the path that it is a hard link to, or NULL */
    size_t order;
};

struct reading {
    struct fpc_sources *list;
    const char *path; /* of the archive */
    struct archive *archive;
    FILE *spool;
    uint64_t spooled;
    struct entry *entries;
    size_t count, room;
};

/* --- the list's contents -------------------------------------------------- */

static int spool_read(const struct fpc_sources *list,
                      const struct fpc_source *source, fpc_take_fn take,
                      void *ctx)
{
    static uint8_t buf[65536];
    uint64_t left = source->size;
    FILE *spool = list->from;
    int status = FPC_EXIT_OK;

    if (fseeko(spool, (off_t)source->at, SEEK_SET) != 0)
        return fpc_failed(source->path);
    while (left > 0 && status == FPC_EXIT_OK) {
        size_t n = left < sizeof buf ? (size_t)left : sizeof buf;

        if (fread(buf, 1, n, spool) != n)
            return fpc_failed(source->path);
        status = take(ctx, buf, n);
        left -= n;
    }
    return status;
}

static void spool_free(struct fpc_sources *list)
{
    fclose(list->from);
}

static const struct fpc_source_ops spool_ops = {
    .read = spool_read,
    .free = spool_free,
};

/* --- spool ---------------------------------------------------------------- */

static void leave_out(struct reading *r, const char *name, const char *why)
{
    r->list->left_out++;
    fpc_error("%s: %s: an image can't hold it: %s", r->path, name, why);
}

static int not_an_archive(const struct reading *r)
{
    const char *why = lib->archive_error_string(r->archive);

    fpc_error("%s: not a tar archive that can be read: %s", r->path,
              why ? why : "damaged");
    return FPC_EXIT_FAILED;
}

/* Appends "/part" for each part of `path`; false if it climbs or is too long
 * for any volume. */
static bool clean(const char *path, char out[FP_PATH_MAX + 1])
{
    size_t end = 0;

    out[0] = 0;
    for (size_t n; *path; path += n) {
        n = strcspn(path, "/");
        if (n == 0) {
            n = 1;
            continue;
        }
        if (n == 1 && path[0] == '.')
            continue;
        if ((n == 2 && memcmp(path, "..", 2) == 0) || end + 1 + n > FP_PATH_MAX)
            return false;
        out[end++] = '/';
        memcpy(out + end, path, n);
        end += n;
        out[end] = 0;
    }
    return true;
}

static struct entry *new_entry(struct reading *r, const char *path, size_t n)
{
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 64;
        struct entry *entries =
            r->count < ENTRIES_MAX
                ? realloc(r->entries, room * sizeof *r->entries)
                : NULL;

        if (!entries) {
            fpc_error("%s: too many entries", r->path);
            return NULL;
        }
        r->entries = entries;
        r->room = room;
    }
    r->entries[r->count] =
        (struct entry){ .source.path = strndup(path, n), .order = r->count };
    if (r->entries[r->count].source.path)
        return &r->entries[r->count++];
    fpc_error("out of memory");
    return NULL;
}

/* The directories above `path`, but for those above the entry before it too,
 * which are there. They come before any that the archive has itself. */
static int add_parents(struct reading *r, const char *path, const char *before)
{
    for (const char *p = path; (p = strchr(p + 1, '/')) != NULL;) {
        size_t n = (size_t)(p - path);
        struct entry *e;

        if (strncmp(path, before, n + 1) == 0)
            continue;
        e = new_entry(r, path, n);
        if (!e)
            return FPC_EXIT_FAILED;
        e->source.is_dir = true;
        e->order = 0;
    }
    return FPC_EXIT_OK;
}

static int spool(struct reading *r, struct fpc_source *source)
{
    static uint8_t buf[65536];
    la_ssize_t n;

    source->at = r->spooled;
    while ((n = lib->archive_read_data(r->archive, buf, sizeof buf)) > 0) {
        if (fwrite(buf, 1, (size_t)n, r->spool) != (size_t)n)
            return fpc_failed("a temporary file");
        r->spooled += (uint64_t)n;
    }
    source->size = r->spooled - source->at;
    return n < 0 ? not_an_archive(r) : FPC_EXIT_OK;
}

static int add(struct reading *r, const char *path, struct archive_entry *from,
               const char *link)
{
    const char *before = r->count ? r->entries[r->count - 1].source.path : "";
    int status = add_parents(r, path, before);
    struct entry *e = status ? NULL : new_entry(r, path, strlen(path));

    if (!e)
        return FPC_EXIT_FAILED;
    e->order = r->count;
    e->source.is_dir = !link && lib->archive_entry_filetype(from) == AE_IFDIR;
    /* The start of 1970 stands for none, also where we write archives. */
    e->source.meta.has_mtime = lib->archive_entry_mtime(from) != 0 ||
                               lib->archive_entry_mtime_nsec(from) != 0;
    e->source.meta.mtime_ns =
        (int64_t)lib->archive_entry_mtime(from) * 1000000000 +
        lib->archive_entry_mtime_nsec(from);
    if (link) {
        e->link = strdup(link);
        return e->link ? FPC_EXIT_OK : FPC_EXIT_FAILED;
    }
    return e->source.is_dir ? FPC_EXIT_OK : spool(r, &e->source);
}

static int take_entry(struct reading *r, struct archive_entry *from)
{
    const char *name = lib->archive_entry_pathname(from);
    const char *link = lib->archive_entry_hardlink(from);
    char path[FP_PATH_MAX + 1], target[FP_PATH_MAX + 1];

    name = name ? name : lib->archive_entry_pathname_utf8(from);
    name = name ? name : "";
    if (!clean(name, path))
        leave_out(r, name, "its path has a '..' in it, or is too long");
    else if (path[0] == 0)
        return FPC_EXIT_OK; /* the root itself */
    else if (link && clean(link, target))
        return add(r, path, from, target);
    else if (lib->archive_entry_filetype(from) == AE_IFREG ||
             lib->archive_entry_filetype(from) == AE_IFDIR)
        return add(r, path, from, NULL);
    else
        leave_out(r, name,
                  lib->archive_entry_filetype(from) == AE_IFLNK
                      ? "a symbolic link"
                      : "neither file nor directory");
    return FPC_EXIT_OK;
}

static int spool_all(struct reading *r)
{
    struct archive_entry *from;
    int status = FPC_EXIT_OK, err = ARCHIVE_OK;

    while (status == FPC_EXIT_OK) {
        err = lib->archive_read_next_header(r->archive, &from);
        if (err != ARCHIVE_OK && err != ARCHIVE_WARN)
            break;
        status = take_entry(r, from);
    }
    if (status)
        return status;
    if (err != ARCHIVE_EOF)
        return not_an_archive(r);
    return fflush(r->spool) == 0 ? FPC_EXIT_OK : fpc_failed("a temporary file");
}

/* --- sort and link -------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->source.path, y->source.path);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Of those with one path the last stays. */
static void sort(struct reading *r)
{
    size_t kept = 0;

    if (r->count)
        qsort(r->entries, r->count, sizeof *r->entries, by_path);
    for (size_t i = 0; i < r->count; i++) {
        struct entry *e = &r->entries[i];

        if (i + 1 < r->count && strcmp(e->source.path, e[1].source.path) == 0) {
            free(e->source.path);
            free(e->link);
        } else {
            r->entries[kept++] = *e;
        }
    }
    r->count = kept;
}

static int by_path_only(const void *a, const void *b)
{
    return strcmp(a, ((const struct entry *)b)->source.path);
}

/* A link gets what it leads to, unless that is a link too: tar writes those to
 * the file itself. */
static bool link_up(const struct reading *r, struct entry *e)
{
    const struct entry *to = bsearch(e->link, r->entries, r->count,
                                     sizeof *r->entries, by_path_only);

    if (!to || to->link || to->source.is_dir)
        return false;
    e->source.at = to->source.at;
    e->source.size = to->source.size;
    return true;
}

static int hand_over(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct entry *e = &r->entries[i];
        struct fpc_source *item;
        char *path;

        if (e->link && !link_up(r, e)) {
            leave_out(r, e->source.path, "a link to what is not there");
            continue;
        }
        item = fpc_sources_add(r->list, e->source.path);
        if (!item)
            return FPC_EXIT_FAILED;
        path = item->path;
        *item = e->source;
        item->path = path;
    }
    return FPC_EXIT_OK;
}

/* --- the whole ------------------------------------------------------------ */

static int read_archive(struct reading *r)
{
    const char *name = strcmp(r->path, "-") == 0 ? NULL : r->path;
    int status;

    lib->archive_read_support_format_tar(r->archive);
    lib->archive_read_support_filter_gzip(r->archive);
    lib->archive_read_support_filter_zstd(r->archive);
    lib->archive_read_support_filter_xz(r->archive);
    lib->archive_read_support_filter_bzip2(r->archive);
    if (lib->archive_read_open_filename(r->archive, name, 65536) != ARCHIVE_OK)
        return not_an_archive(r);
    status = spool_all(r);
    if (status)
        return status;
    sort(r);
    return hand_over(r);
}

static void free_entries(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->entries[i].source.path);
        free(r->entries[i].link);
    }
    free(r->entries);
}

int fpc_sources_tar(struct fpc_sources *list, const char *path)
{
    struct reading r = { .list = list, .path = path };
    FILE *there;
    int status = fpc_image_archive_load();

    *list = (struct fpc_sources){ .of_dir = true };
    if (status)
        return status;
    there = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!there)
        return fpc_failed(path);
    if (there != stdin)
        fclose(there);
    r.spool = tmpfile();
    if (!r.spool)
        return fpc_failed("a temporary file");
    list->from = r.spool;
    list->ops = &spool_ops;
    r.archive = lib->archive_read_new();
    /* Names are UTF-8, or bytes: whatever the user's locale is. */
    setlocale(LC_CTYPE, "C.UTF-8");
    status = r.archive ? read_archive(&r) : FPC_EXIT_FAILED;
    lib->archive_read_free(r.archive);
    free_entries(&r);
    return status;
}
