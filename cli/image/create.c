/* SPDX-License-Identifier: MIT
 *
 * flashport image create: a directory here becomes an image.
 *
 * The image is written beside its name and renamed when it is whole and on
 * disk: whatever stops the making, the name holds the old image or the new
 * one. Without --block-count the smallest image that fits is sought: a first
 * guess from the sizes, then larger ones until nothing runs short.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/image.h"
#include "cli/image/kinds.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A source tree nested deeper than this is one that contains itself. */
#define DEPTH_MAX 128

struct source {
    char path[PATH_MAX];
    struct stat st;
};

struct making {
    struct fpc_image *image;
    const struct fpc_image_kind *kind;
    struct fp_host_volume vol;
    struct source *files; /* regular files and directories, parents first */
    size_t count, room;
    size_t root_len; /* bytes of each path that the volume's root stands for */
    char failed_at[PATH_MAX];
};

/* --- what there is to put in --------------------------------------------- */

static int add(struct making *m, const char *path)
{
    struct source *s;

    if (m->count == m->room) {
        size_t room = m->room ? 2 * m->room : 64;

        s = realloc(m->files, room * sizeof *s);
        if (!s)
            return fpc_error("out of memory"), FPC_EXIT_FAILED;
        m->files = s;
        m->room = room;
    }
    s = &m->files[m->count];
    if (strlen(path) >= sizeof s->path) {
        errno = ENAMETOOLONG;
        return fpc_failed(path);
    }
    strcpy(s->path, path);
    if (stat(path, &s->st) != 0)
        return fpc_failed(path);
    if (!S_ISREG(s->st.st_mode) && !S_ISDIR(s->st.st_mode)) {
        fpc_error("%s: neither file nor directory: an image can't hold it",
                  path);
        return FPC_EXIT_FAILED;
    }
    m->count++;
    return FPC_EXIT_OK;
}

static int add_entries(struct making *m, const char *dir)
{
    struct dirent **names;
    char path[PATH_MAX];
    int status = FPC_EXIT_OK, count = scandir(dir, &names, NULL, alphasort);

    if (count < 0)
        return fpc_failed(dir);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;

        if (status == FPC_EXIT_OK && strcmp(name, ".") != 0 &&
            strcmp(name, "..") != 0) {
            if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >=
                sizeof path) {
                errno = ENAMETOOLONG;
                status = fpc_failed(dir);
            } else {
                status = add(m, path);
            }
        }
        free(names[i]);
    }
    free(names);
    return status;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    while ((path = strchr(path, '/')) != NULL) {
        depth++;
        path++;
    }
    return depth;
}

static int gather(struct making *m, const char *dir)
{
    struct stat st;
    int status;

    if (stat(dir, &st) != 0)
        return fpc_failed(dir);
    m->root_len = strlen(dir);
    while (m->root_len > 1 && dir[m->root_len - 1] == '/')
        m->root_len--;
    status = add_entries(m, dir);
    for (size_t i = 0; status == FPC_EXIT_OK && i < m->count; i++) {
        char path[PATH_MAX];

        if (!S_ISDIR(m->files[i].st.st_mode))
            continue;
        /* add_entries() may move m->files. */
        strcpy(path, m->files[i].path);
        if (depth_of(path + m->root_len) > DEPTH_MAX) {
            fpc_error("%s: nested deeper than %d", path, DEPTH_MAX);
            return FPC_EXIT_FAILED;
        }
        status = add_entries(m, path);
    }
    return status;
}

/* --- putting it in ------------------------------------------------------- */

/* An fp_error, or 1 when this side failed and has been told. */
static int put_content(struct fp_file *file, FILE *in, const char *path)
{
    static uint8_t buf[65536];
    size_t n;

    while ((n = fread(buf, 1, sizeof buf, in)) > 0) {
        int32_t err = fp_fs_write(file, buf, (uint32_t)n);

        if (err < 0)
            return err;
    }
    if (ferror(in)) {
        fpc_failed(path);
        return 1;
    }
    return FP_OK;
}

static int put_file(struct making *m, const struct source *s, const char *name)
{
    uint32_t flags =
        FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE;
    struct fp_commit_meta meta = {
        .has_mtime = true,
        .mtime_ns =
            (int64_t)s->st.st_mtim.tv_sec * 1000000000 + s->st.st_mtim.tv_nsec,
    };
    struct fp_file file;
    FILE *in = fopen(s->path, "rb");
    int err;

    if (!in) {
        fpc_failed(s->path);
        return 1;
    }
    err = fp_fs_open(&m->vol.mnt, &file, name, flags);
    if (err == FP_OK) {
        err = put_content(&file, in, s->path);
        if (err == FP_OK)
            err = fp_fs_commit(&file, &meta);
        if (fp_fs_close(&file) != FP_OK && err == FP_OK)
            err = FP_ERR_IO;
    }
    fclose(in);
    return err;
}

/* Where directories are there by the names of files, there is nothing to make;
 * one that stays empty is lost, which is no fault of the files. */
static int put_dir(struct making *m, const char *name)
{
    int err = fp_fs_mkdir(&m->vol.mnt, name);

    return err == FP_ERR_NOTSUP ? FP_OK : err;
}

static int put_all(struct making *m)
{
    int err = FP_OK;

    for (size_t i = 0; i < m->count && err == FP_OK; i++) {
        const struct source *s = &m->files[i];
        const char *name = s->path + m->root_len;

        while (name[0] == '/' && name[1] == '/')
            name++;
        err = S_ISDIR(s->st.st_mode) ? put_dir(m, name) : put_file(m, s, name);
        if (err)
            strcpy(m->failed_at, s->path);
    }
    return err;
}

/* One try at `count` blocks. An fp_error, or 1 when it has been told. */
static int make(struct making *m, const char *path, uint32_t count)
{
    const struct fpc_image *image = m->image;
    struct fp_host_file file;
    struct fp_host_file_config file_cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_CREATE |
                 (m->kind->card ? 0u : (uint32_t)FP_HOST_FILE_NOR),
        .prog_size = image->prog_size,
        .block_size = image->cfg.block_size,
        .block_count = count,
    };
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .fs = image->fs,
                                         .cfg = image->cfg };
    int err;

    cfg.cfg.block_count = 0;
    unlink(path);
    err = fp_host_file_open(&file, path, &file_cfg);
    if (err)
        return err;
    /* The image takes its name when it is whole. */
    if (m->kind->card)
        file.bdev.flags |= FP_BDEV_ATOMIC_PROG;
    err = fp_host_volume_format(&file.bdev, &cfg);
    if (err == FP_OK)
        err = fp_host_volume_open(&m->vol, &file.bdev, &cfg);
    if (err == FP_OK) {
        err = put_all(m);
        if (err == FP_OK)
            err = fp_fs_sync(&m->vol.mnt);
        fp_host_volume_close(&m->vol);
    }
    if (err == FP_OK)
        err = fp_bdev_sync(&file.bdev);
    fp_host_file_close(&file);
    return err;
}

/* Blocks that the content takes at the least, with what the format itself
 * takes. */
static uint32_t least_blocks(const struct making *m)
{
    uint64_t blocks = m->kind->least_blocks, size = m->image->cfg.block_size;

    for (size_t i = 0; i < m->count; i++)
        blocks +=
            S_ISDIR(m->files[i].st.st_mode) ? 2
            : (uint64_t)m->files[i].st.st_size > size / 8
                ? ((uint64_t)m->files[i].st.st_size + size - 9) / (size - 8)
                : 0;
    return blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks;
}

/* Spare room lets a filesystem that never overwrites settle its metadata. */
static int make_smallest(struct making *m, const char *path)
{
    uint32_t count = least_blocks(m);
    int err;

    for (;;) {
        err = make(m, path, count);
        if (err != FP_ERR_NOSPC || count > UINT32_MAX / 2)
            return err;
        count += count / 16 + 1;
    }
}

static int told(const struct making *m, int err)
{
    const char *at = m->failed_at[0] ? m->failed_at : m->image->path;

    if (err == FP_OK)
        return FPC_EXIT_OK;
    if (err == 1)
        return FPC_EXIT_FAILED;
    if (err == FP_ERR_NOSPC && m->failed_at[0])
        fpc_error("%s: does not fit into %" PRIu32 " blocks of %" PRIu32
                  " bytes",
                  at, m->image->cfg.block_count, m->image->cfg.block_size);
    else if (err == FP_ERR_INVAL && !m->failed_at[0])
        fpc_error("%s: no %s can be made with blocks of %" PRIu32
                  " and programs of %" PRIu32 " bytes",
                  at, m->image->fs, m->image->cfg.block_size,
                  m->image->prog_size);
    else
        fpc_error("%s: %s", at, fp_strerror(err));
    return (int)fpc_exit_of(err);
}

/* Nobody means to lose a dump by writing another image over it. */
static int check_absent(const struct fpc_image *image)
{
    struct stat st;

    if (image->force || lstat(image->path, &st) != 0)
        return FPC_EXIT_OK;
    fpc_error("%s: exists; --force replaces it", image->path);
    return FPC_EXIT_CONFLICT;
}

static int write_image(struct making *m)
{
    const char *path = m->image->path;
    char temp[PATH_MAX];
    int status;

    if ((size_t)snprintf(temp, sizeof temp, "%s.%ld.part", path,
                         (long)getpid()) >= sizeof temp) {
        errno = ENAMETOOLONG;
        return fpc_failed(path);
    }
    status = told(m, m->image->cfg.block_count
                         ? make(m, temp, m->image->cfg.block_count)
                         : make_smallest(m, temp));
    if (status == FPC_EXIT_OK && rename(temp, path) != 0)
        status = fpc_failed(path);
    if (status != FPC_EXIT_OK)
        unlink(temp);
    return status;
}

int fpc_image_create(struct fpc_image *image)
{
    struct making *m = calloc(1, sizeof *m);
    int status;

    if (!m)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    m->image = image;
    image->fs = image->fs ? image->fs : "littlefs";
    m->kind = fpc_image_kind(image->fs);
    image->cfg.block_size =
        image->cfg.block_size ? image->cfg.block_size : m->kind->block_size;
    image->prog_size = image->prog_size ? image->prog_size : m->kind->prog_size;
    if (!fp_host_volume_driver(fp_host_drivers, image->fs)) {
        fpc_image_kinds_told(image->fs);
        status = FPC_EXIT_USAGE;
    } else {
        status = check_absent(image);
    }
    if (status == FPC_EXIT_OK)
        status = gather(m, image->args[0]);
    if (status == FPC_EXIT_OK)
        status = write_image(m);
    if (status == FPC_EXIT_OK && image->json)
        printf("{\"entries\": %zu}\n", m->count);
    free(m->files);
    free(m);
    return status;
}
