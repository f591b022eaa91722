/* SPDX-License-Identifier: MIT
 *
 * The POSIX that the command line is written to, for Windows.
 *
 * mingw-w64 has some of it, with paths in a code page, text files that change
 * bytes, and renames that do not replace. So CMake includes this file before
 * every source of the command line, and calls of those names come here: paths
 * are UTF-8 and go to Windows as UTF-16, files are bytes. posix.c does files,
 * posix_time.c times and signals, main.c the start of the program. What is not
 * here is not used; who needs more adds it, with what it does not do.
 *
 * Rights are not kept (modes are read or not, Windows' own rights are
 * inherited), symbolic links are seen and not made.
 *
 * Errors  as in POSIX: -1 or NULL, and errno; EILSEQ for a path that is no
 *         UTF-8
 */
#ifndef FPC_WINDOWS_POSIX_H
#define FPC_WINDOWS_POSIX_H

#define _POSIX_THREAD_SAFE_FUNCTIONS /* localtime_r(), gmtime_r() */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <process.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* --- what has no name there ----------------------------------------------- */

#undef PATH_MAX
#define PATH_MAX 4096

#define O_CLOEXEC  O_NOINHERIT
#define O_NOFOLLOW 0x10000000
#define O_NONBLOCK 0 /* nothing that is opened here blocks */

#define S_IFLNK    0120000
#define S_ISLNK(m) (((m)&S_IFMT) == S_IFLNK)

#define UTIME_OMIT ((1l << 30) - 2l)

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

#define SA_RESETHAND 1u
#define SA_NODEFER   2u
#define SIGHUP       SIGBREAK /* the window was closed */

/* --- files ---------------------------------------------------------------- */

struct fpc_posix_stat {
    uint64_t st_dev, st_ino;
    unsigned st_mode; /* of rights only whether it may be written */
    unsigned st_nlink;
    int st_uid, st_gid; /* 0, as geteuid() */
    int64_t st_size;
    struct timespec st_mtim;
};
#define st_mtime st_mtim.tv_sec

struct fpc_posix_dirent {
    char d_name[1024];
};

int fpc_posix_open(const char *path, int flags, ...);
FILE *fpc_posix_fopen(const char *path, const char *mode);
ssize_t fpc_posix_read(int fd, void *buf, size_t size);
ssize_t fpc_posix_write(int fd, const void *buf, size_t size);
int fpc_posix_stat(const char *path, struct fpc_posix_stat *st);
int fpc_posix_lstat(const char *path, struct fpc_posix_stat *st);
int fpc_posix_fstat(int fd, struct fpc_posix_stat *st);
int fpc_posix_mkdir(const char *path, unsigned mode);
int fpc_posix_unlink(const char *path);
int fpc_posix_rmdir(const char *path);
/* Replaces a file, in one step, even if others have it open. */
int fpc_posix_rename(const char *from, const char *to);
int fpc_posix_mkstemp(char *template);
/* The full path with slashes; links stay as they are. `out` must be NULL or
 * have PATH_MAX bytes. */
char *fpc_posix_realpath(const char *path, char *out);
FILE *fpc_posix_tmpfile(void);
int fpc_posix_futimens(int fd, const struct timespec times[2]);
int fpc_posix_fsync(int fd);
int fpc_posix_ftruncate(int fd, int64_t size);
ssize_t fpc_posix_pread(int fd, void *buf, size_t size, int64_t off);
ssize_t fpc_posix_pwrite(int fd, const void *buf, size_t size, int64_t off);
/* Whole files only; the lock is one with fp_host_file_open()'s. */
int fpc_posix_flock(int fd, int operation);
/* Without `filter` and with the order of the bytes. */
int fpc_posix_scandir(const char *path, struct fpc_posix_dirent ***names,
                      int (*filter)(const struct fpc_posix_dirent *),
                      int (*compare)(const struct fpc_posix_dirent **,
                                     const struct fpc_posix_dirent **));
int fpc_posix_alphasort(const struct fpc_posix_dirent **a,
                        const struct fpc_posix_dirent **b);
int fpc_posix_fchmod(int fd, unsigned mode);
int fpc_posix_fchown(int fd, int user, int group);
static inline unsigned fpc_posix_umask(unsigned mask)
{
    (void)mask;
    return 0;
}

#undef stat
#undef fstat
#undef lseek
#undef ftruncate
#undef st_ino
#define open      fpc_posix_open
#define fopen     fpc_posix_fopen
#define read      fpc_posix_read
#define write     fpc_posix_write
#define stat      fpc_posix_stat /* the structure too */
#define lstat     fpc_posix_lstat
#define fstat     fpc_posix_fstat
#define mkdir     fpc_posix_mkdir
#define unlink    fpc_posix_unlink
#define rmdir     fpc_posix_rmdir
#define rename    fpc_posix_rename
#define mkstemp   fpc_posix_mkstemp
#define tmpfile   fpc_posix_tmpfile
#define realpath  fpc_posix_realpath
#define futimens  fpc_posix_futimens
#define fsync     fpc_posix_fsync
#define fdatasync fpc_posix_fsync
#define ftruncate fpc_posix_ftruncate
#define flock     fpc_posix_flock
#define dirent    fpc_posix_dirent
#define scandir   fpc_posix_scandir
#define alphasort fpc_posix_alphasort
#define pread     fpc_posix_pread
#define pwrite    fpc_posix_pwrite
#define fchmod    fpc_posix_fchmod
#define fchown    fpc_posix_fchown
#define mode_t    unsigned
#define uid_t     int
#define gid_t     int
#define tell      fpc_posix_tell /* io.h has one, POSIX has not */
#define umask     fpc_posix_umask
#define lseek     _lseeki64
#define geteuid() 0

/* --- times and signals ---------------------------------------------------- */

struct fpc_posix_sigaction {
    void (*sa_handler)(int);
    unsigned sa_flags; /* Windows resets a handler when it calls it */
};

int fpc_posix_sigaction(int number, const struct fpc_posix_sigaction *act,
                        struct fpc_posix_sigaction *old);
/* "%Y-%m-%dT%H:%M:%S" and no other format: NULL. */
char *fpc_posix_strptime(const char *text, const char *format, struct tm *tm);

#define sigaction fpc_posix_sigaction
#define strptime  fpc_posix_strptime
#define timegm    _mkgmtime

/* --- the start ------------------------------------------------------------ */

/* Called with a command line in UTF-8. */
int fpc_posix_main(int argc, char **argv);
#define main fpc_posix_main

#endif
