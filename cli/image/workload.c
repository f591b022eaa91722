/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/workload.h"

#include "core/host/options.h"

#include "cli/command.h"
#include "cli/image/image.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SIZE 8192
#define WORDS_MAX     4
#define STEPS_MAX     10000000u
#define PIECE         4096u

/* What follows the name: P a path, N a number; p and n may be left out. */
static const struct syntax {
    const char *name, *args, *shown;
} syntaxes[FPC_STEP_KINDS] = {
    [FPC_STEP_WRITE] = { "write", "PN", "PATH SIZE" },
    [FPC_STEP_APPEND] = { "append", "PN", "PATH SIZE" },
    [FPC_STEP_READ] = { "read", "Pnn", "PATH [OFFSET SIZE]" },
    [FPC_STEP_RM] = { "rm", "P", "PATH" },
    [FPC_STEP_MV] = { "mv", "PP", "FROM TO" },
    [FPC_STEP_MKDIR] = { "mkdir", "P", "PATH" },
    [FPC_STEP_LS] = { "ls", "p", "[PATH]" },
    [FPC_STEP_STAT] = { "stat", "P", "PATH" },
    [FPC_STEP_SYNC] = { "sync", "", "" },
    [FPC_STEP_MOUNT] = { "mount", NULL, NULL },
    [FPC_STEP_UNMOUNT] = { "unmount", NULL, NULL },
};

const char *fpc_step_name(enum fpc_step_kind kind)
{
    return syntaxes[kind].name;
}

/* --- reading -------------------------------------------------------------- */

struct reader {
    struct fpc_workload *workload;
    const char *name;
    unsigned line;
};

static int wrong(const struct reader *r, const char *what, const char *word)
{
    fpc_error("%s: line %u: %s%s%s", r->name, r->line, what, word ? ": " : "",
              word ? word : "");
    return FPC_EXIT_USAGE;
}

/* Takes a quoted word apart where it is; the end of it, NULL: no end. */
static char *unquote(char *p, char **word)
{
    char *to = *word = p + 1;

    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        *to++ = *p;
    }
    if (!*p || (p[1] && !strchr(" \t", p[1])))
        return NULL;
    *to = 0;
    return p + 1;
}

/* How many words the line has, up to WORDS_MAX + 1; -1: a quote is open. */
static int split(char *line, char *words[WORDS_MAX + 1])
{
    int count = 0;

    for (char *p = line + strspn(line, " \t"); *p && count <= WORDS_MAX;
         p += strspn(p, " \t"), count++) {
        words[count] = p;
        if (*p == '"')
            p = unquote(p, &words[count]);
        else
            p += strcspn(p, " \t");
        if (!p)
            return -1;
        if (*p)
            *p++ = 0;
    }
    return count;
}

static char *rooted(const char *path)
{
    const size_t n = strlen(path);
    char *out = malloc(n + 2);

    if (!out)
        return NULL;
    snprintf(out, n + 2, "%s%s", path[0] == '/' ? "" : "/", path);
    for (size_t end = strlen(out); end > 1 && out[end - 1] == '/';)
        out[--end] = 0;
    return out;
}

static int take_path(const struct reader *r, struct fpc_step *step,
                     const char *word)
{
    char **path = step->path ? &step->to : &step->path;

    if (!word[0])
        return wrong(r, "a path is empty", NULL);
    *path = rooted(word);
    return *path ? FPC_EXIT_OK : (fpc_error("out of memory"), FPC_EXIT_FAILED);
}

static int take_number(const struct reader *r, struct fpc_step *step, int at,
                       const char *word)
{
    uint64_t *number =
        step->kind == FPC_STEP_READ && at == 1 ? &step->offset : &step->size;

    step->is_whole = false;
    return fp_host_number(word, INT64_MAX, number)
               ? FPC_EXIT_OK
               : wrong(r, "no number of bytes", word);
}

/* How many of the arguments must be there: the capitals. */
static int least_of(const char *args)
{
    return (int)strspn(args, "PN");
}

static int take_args(const struct reader *r, struct fpc_step *step,
                     char **words, int count)
{
    const struct syntax *syntax = &syntaxes[step->kind];
    int status = FPC_EXIT_OK;

    if (count < least_of(syntax->args) || count > (int)strlen(syntax->args) ||
        (step->kind == FPC_STEP_READ && count == 2)) {
        fpc_error("%s: line %u: it is: %s %s", r->name, r->line, syntax->name,
                  syntax->shown);
        return FPC_EXIT_USAGE;
    }
    step->is_whole = true;
    for (int i = 0; i < count && status == FPC_EXIT_OK; i++)
        status = strchr("Pp", syntax->args[i])
                     ? take_path(r, step, words[i])
                     : take_number(r, step, i, words[i]);
    if (status == FPC_EXIT_OK && step->kind == FPC_STEP_LS && !step->path)
        status = take_path(r, step, "/");
    return status;
}

static struct fpc_step *new_step(struct fpc_workload *workload)
{
    if (workload->count == workload->room) {
        const size_t room = workload->room ? 2 * workload->room : 64;
        struct fpc_step *steps = realloc(workload->steps, room * sizeof *steps);

        if (!steps)
            return NULL;
        workload->steps = steps;
        workload->room = room;
    }
    return &workload->steps[workload->count++];
}

static int take_words(const struct reader *r, char **words, int count)
{
    struct fpc_step *step;

    for (int kind = 0; kind < FPC_STEP_MOUNT; kind++) {
        if (strcmp(words[0], syntaxes[kind].name) != 0)
            continue;
        step = r->workload->count < STEPS_MAX ? new_step(r->workload) : NULL;
        if (!step)
            return wrong(r, "there is no memory for more lines", NULL);
        *step = (struct fpc_step){ .kind = (enum fpc_step_kind)kind,
                                   .line = r->line };
        return take_args(r, step, words + 1, count - 1);
    }
    return wrong(r,
                 "not one of write, append, read, rm, mv, mkdir, ls, stat, "
                 "sync",
                 words[0]);
}

static int take_line(const struct reader *r, char *line)
{
    char *words[WORDS_MAX + 1];
    int count;

    line[strcspn(line, "\r\n")] = 0;
    if (line[strspn(line, " \t")] == '#')
        return FPC_EXIT_OK;
    count = split(line, words);
    if (count < 0)
        return wrong(r, "a quote is not closed, or is inside a word", NULL);
    if (count > WORDS_MAX)
        return wrong(r, "too many words", NULL);
    return count ? take_words(r, words, count) : FPC_EXIT_OK;
}

int fpc_workload_read(struct fpc_workload *workload, FILE *in, const char *name)
{
    struct reader r = { .workload = workload, .name = name };
    char *line = malloc(LINE_MAX_SIZE);
    int status = FPC_EXIT_OK;

    *workload = (struct fpc_workload){ 0 };
    if (!line)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    while (status == FPC_EXIT_OK && fgets(line, LINE_MAX_SIZE, in)) {
        r.line++;
        if (!strchr(line, '\n') && !feof(in))
            status = wrong(&r, "too long, or not text", NULL);
        else
            status = take_line(&r, line);
    }
    if (status == FPC_EXIT_OK && ferror(in))
        status = fpc_failed(name);
    free(line);
    return status;
}

void fpc_workload_free(struct fpc_workload *workload)
{
    for (size_t i = 0; i < workload->count; i++) {
        free(workload->steps[i].path);
        free(workload->steps[i].to);
    }
    free(workload->steps);
    *workload = (struct fpc_workload){ 0 };
}

/* --- doing ---------------------------------------------------------------- */

/* Bytes that each line has others of, so that nothing is written over itself
 * and no driver can do less than a device would have to. */
static void make_content(uint8_t *buf, uint64_t at, const struct fpc_step *step)
{
    uint32_t x = (uint32_t)at ^ step->line * 2654435761u;

    for (uint32_t i = 0; i < PIECE; i++) {
        x = x * 1664525u + 1013904223u;
        buf[i] = (uint8_t)(x >> 24);
    }
}

static int do_write(const struct fpc_step *step, struct fp_mount *mnt,
                    uint64_t *bytes)
{
    const uint32_t flags = FP_O_WRITE | FP_O_CREATE;
    static uint8_t buf[PIECE];
    struct fp_file file;
    int err = fp_fs_open(
        mnt, &file, step->path,
        flags | (step->kind == FPC_STEP_APPEND ? FP_O_APPEND : FP_O_TRUNC));
    int close_err;

    if (err)
        return err;
    for (uint64_t done = 0; err >= 0 && done < step->size;) {
        const uint64_t left = step->size - done;

        make_content(buf, done, step);
        err = fp_fs_write(&file, buf, left < PIECE ? (uint32_t)left : PIECE);
        if (err > 0)
            done += (uint64_t)err;
        *bytes = done;
    }
    close_err = fp_fs_close(&file);
    return err < 0 ? err : close_err;
}

static int do_read(const struct fpc_step *step, struct fp_mount *mnt,
                   uint64_t *bytes)
{
    static uint8_t buf[PIECE];
    struct fp_file file;
    uint64_t left = step->is_whole ? INT64_MAX : step->size;
    int64_t at;
    int32_t n = 1;
    int err = fp_fs_open(mnt, &file, step->path, FP_O_READ);

    if (err)
        return err;
    at = fp_fs_seek(&file, (int64_t)step->offset, FP_SEEK_SET);
    while (at >= 0 && left > 0 && n > 0) {
        n = fp_fs_read(&file, buf, left < PIECE ? (uint32_t)left : PIECE);
        if (n > 0) {
            left -= (uint64_t)n;
            *bytes += (uint64_t)n;
        }
    }
    err = fp_fs_close(&file);
    return at < 0 ? (int)at : n < 0 ? n : err;
}

static int do_ls(const struct fpc_step *step, struct fp_mount *mnt)
{
    /* No format spends less than four bytes on an entry: more is a loop. */
    uint64_t left = fp_bdev_size(mnt->dev) / 4 + 1;
    struct fp_dirent entry;
    struct fp_dir dir;
    int n, err = fp_fs_opendir(mnt, &dir, step->path);

    if (err)
        return err;
    while ((n = fp_fs_readdir(&dir, &entry)) > 0)
        if (left-- == 0)
            break;
    err = fp_fs_closedir(&dir);
    return n > 0 ? FP_ERR_CORRUPT : n < 0 ? n : err;
}

int fpc_step_do(const struct fpc_step *step, struct fp_mount *mnt,
                uint64_t *bytes)
{
    struct fp_stat st;

    *bytes = 0;
    switch (step->kind) {
    case FPC_STEP_WRITE:
    case FPC_STEP_APPEND:
        return do_write(step, mnt, bytes);
    case FPC_STEP_READ:
        return do_read(step, mnt, bytes);
    case FPC_STEP_RM:
        return fp_fs_remove(mnt, step->path);
    case FPC_STEP_MV:
        return fp_fs_rename(mnt, step->path, step->to, 0);
    case FPC_STEP_MKDIR:
        return fp_fs_mkdir(mnt, step->path);
    case FPC_STEP_LS:
        return do_ls(step, mnt);
    case FPC_STEP_STAT:
        return fp_fs_stat(mnt, step->path, &st);
    case FPC_STEP_SYNC:
        return fp_fs_sync(mnt);
    default:
        return FP_ERR_INVAL;
    }
}
