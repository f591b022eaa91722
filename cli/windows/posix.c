/* SPDX-License-Identifier: MIT
 *
 * Files. Everything goes through a Windows handle, which shares all that can be
 * shared, so that an open file can be renamed and replaced as elsewhere.
 */
#include "core/host/wide.h"

#include <stdarg.h>
#include <windows.h>

#define EPOCH_TICKS   116444736000000000ll /* from 1601 to 1970, in 100 ns */
#define LOCK_POS_HIGH 0x7fffffffu          /* as core/host/os_windows.c */
/* FileRenameInfoEx, which mingw-w64's headers hide. */
#define RENAME_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)22)
#define SHARE_ALL      (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* The edge where foreign numbers enter. */
static int failed(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
        errno = ENOENT;
        break;
    case ERROR_ACCESS_DENIED:
        errno = EACCES;
        break;
    case ERROR_SHARING_VIOLATION:
    case ERROR_BUSY:
        errno = EBUSY;
        break;
    case ERROR_LOCK_VIOLATION:
        errno = EWOULDBLOCK;
        break;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
        errno = EEXIST;
        break;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
        errno = ENOSPC;
        break;
    case ERROR_DIR_NOT_EMPTY:
        errno = ENOTEMPTY;
        break;
    case ERROR_DIRECTORY:
        errno = ENOTDIR;
        break;
    case ERROR_FILENAME_EXCED_RANGE:
        errno = ENAMETOOLONG;
        break;
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_PARAMETER:
        errno = EINVAL;
        break;
    case ERROR_WRITE_PROTECT:
        errno = EROFS;
        break;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        errno = ENOMEM;
        break;
    default:
        errno = EIO;
    }
    return -1;
}

static wchar_t *wide_of(const char *path)
{
    wchar_t *wide = fp_host_wide(path);

    if (!wide)
        errno = EILSEQ;
    return wide;
}

static HANDLE handle_of(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

static bool is_link(HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION info;

    return GetFileInformationByHandle(handle, &info) &&
           info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
}

/* --- opening -------------------------------------------------------------- */

static HANDLE open_handle(const wchar_t *wide, int flags)
{
    int access = flags & (O_RDONLY | O_WRONLY | O_RDWR);
    DWORD how = flags & O_CREAT ? (flags & O_EXCL ? CREATE_NEW : OPEN_ALWAYS)
                                : OPEN_EXISTING;

    return CreateFileW(
        wide,
        access == O_RDONLY   ? GENERIC_READ
        : access == O_WRONLY ? GENERIC_WRITE
                             : GENERIC_READ | GENERIC_WRITE,
        SHARE_ALL, NULL, how,
        FILE_ATTRIBUTE_NORMAL |
            (flags & O_NOFOLLOW ? FILE_FLAG_OPEN_REPARSE_POINT : 0u),
        NULL);
}

/* Emptied only when it is known to be the file itself. */
static int settle(HANDLE handle, int flags)
{
    if (flags & O_NOFOLLOW && is_link(handle)) {
        errno = ELOOP;
        return -1;
    }
    if (flags & O_TRUNC && !SetEndOfFile(handle))
        return failed(GetLastError());
    return _open_osfhandle((intptr_t)handle,
                           O_BINARY | O_NOINHERIT | (flags & O_APPEND));
}

int open(const char *path, int flags, ...)
{
    wchar_t *wide = wide_of(path);
    HANDLE handle;
    int fd;

    if (!wide)
        return -1;
    handle = open_handle(wide, flags);
    free(wide);
    if (handle == INVALID_HANDLE_VALUE)
        return failed(GetLastError());
    fd = settle(handle, flags);
    if (fd < 0)
        CloseHandle(handle);
    return fd;
}

FILE *fopen(const char *path, const char *mode)
{
    bool both = strchr(mode, '+') != NULL;
    int flags = mode[0] == 'r' ? 0 : O_CREAT;
    FILE *file = NULL;
    int fd;

    flags |= both ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    flags |= mode[0] == 'w' ? O_TRUNC : mode[0] == 'a' ? O_APPEND : 0;
    fd = open(path, flags, 0666);
    if (fd >= 0)
        file = fdopen(fd, both ? (mode[0] == 'r' ? "r+b" : "w+b")
                               : (char[]){ mode[0], 'b', 0 });
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

/* The six X at the end become letters that no file there has. */
int mkstemp(char *template)
{
    char *end = template + strlen(template) - 6;

    for (int tries = 0; tries < 100; tries++) {
        unsigned number;
        int fd;

        if (rand_s(&number) != 0)
            return -1;
        for (int i = 0; i < 6; i++, number /= 26)
            end[i] = (char)('a' + number % 26);
        fd = open(template, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Where Windows wants such files, and gone when it is closed. */
FILE *tmpfile(void)
{
    wchar_t dir[MAX_PATH + 1], name[MAX_PATH + 1];
    HANDLE handle;
    int fd;

    if (!GetTempPathW(MAX_PATH, dir) || !GetTempFileNameW(dir, L"fp", 0, name))
        return failed(GetLastError()), NULL;
    handle = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, SHARE_ALL, NULL,
                         CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (handle == INVALID_HANDLE_VALUE)
        return failed(GetLastError()), NULL;
    fd = _open_osfhandle((intptr_t)handle, O_BINARY | O_NOINHERIT);
    return fd < 0 ? NULL : fdopen(fd, "w+b");
}

/* --- bytes ---------------------------------------------------------------- */

#undef read
#undef write
ssize_t fpc_posix_read(int fd, void *buf, size_t size)
{
    return _read(fd, buf, size < INT_MAX ? (unsigned)size : INT_MAX);
}

ssize_t fpc_posix_write(int fd, const void *buf, size_t size)
{
    return _write(fd, buf, size < INT_MAX ? (unsigned)size : INT_MAX);
}

/* Where the file stood does not matter to those who use these. */
ssize_t pread(int fd, void *buf, size_t size, int64_t off)
{
    OVERLAPPED at = { .Offset = (DWORD)off, .OffsetHigh = (DWORD)(off >> 32) };
    DWORD n = 0;

    if (ReadFile(handle_of(fd), buf, size < INT_MAX ? (DWORD)size : INT_MAX, &n,
                 &at) ||
        GetLastError() == ERROR_HANDLE_EOF)
        return (ssize_t)n;
    return failed(GetLastError());
}

ssize_t pwrite(int fd, const void *buf, size_t size, int64_t off)
{
    OVERLAPPED at = { .Offset = (DWORD)off, .OffsetHigh = (DWORD)(off >> 32) };
    DWORD n = 0;

    if (WriteFile(handle_of(fd), buf, size < INT_MAX ? (DWORD)size : INT_MAX,
                  &n, &at))
        return (ssize_t)n;
    return failed(GetLastError());
}

int fsync(int fd)
{
    return _commit(fd);
}

int ftruncate(int fd, int64_t size)
{
    int err = _chsize_s(fd, size);

    errno = err ? err : errno;
    return err ? -1 : 0;
}

int flock(int fd, int operation)
{
    OVERLAPPED at = { .OffsetHigh = LOCK_POS_HIGH };
    DWORD how = (operation & LOCK_NB ? LOCKFILE_FAIL_IMMEDIATELY : 0u) |
                (operation & LOCK_EX ? LOCKFILE_EXCLUSIVE_LOCK : 0u);
    bool done = operation & LOCK_UN
                    ? UnlockFileEx(handle_of(fd), 0, 1, 0, &at)
                    : LockFileEx(handle_of(fd), how, 0, 1, 0, &at);

    return done ? 0 : failed(GetLastError());
}

/* --- what a file is ------------------------------------------------------- */

static struct timespec time_of(FILETIME at)
{
    int64_t ticks =
        ((int64_t)at.dwHighDateTime << 32 | at.dwLowDateTime) - EPOCH_TICKS;

    if (ticks < 0)
        return (struct timespec){ 0 };
    return (struct timespec){ .tv_sec = ticks / 10000000,
                              .tv_nsec = (long)(ticks % 10000000 * 100) };
}

static int stat_handle(HANDLE handle, bool follow, struct stat *st)
{
    BY_HANDLE_FILE_INFORMATION info;
    DWORD attributes;

    *st = (struct stat){ .st_mode = S_IFCHR | 0666, .st_nlink = 1 };
    if (GetFileType(handle) != FILE_TYPE_DISK)
        return 0; /* a console, a pipe */
    if (!GetFileInformationByHandle(handle, &info))
        return failed(GetLastError());
    attributes = info.dwFileAttributes;
    st->st_mode = attributes & FILE_ATTRIBUTE_REPARSE_POINT && !follow
                      ? S_IFLNK | 0777u
                  : attributes & FILE_ATTRIBUTE_DIRECTORY ? S_IFDIR | 0777u
                  : attributes & FILE_ATTRIBUTE_READONLY  ? S_IFREG | 0444u
                                                          : S_IFREG | 0666u;
    st->st_dev = info.dwVolumeSerialNumber;
    st->st_ino = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    st->st_nlink = info.nNumberOfLinks;
    st->st_size =
        (int64_t)((uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow);
    st->st_mtim = time_of(info.ftLastWriteTime);
    return 0;
}

static int stat_path(const char *path, bool follow, struct stat *st)
{
    wchar_t *wide = wide_of(path);
    HANDLE handle;
    int err;

    if (!wide)
        return -1;
    handle =
        CreateFileW(wide, FILE_READ_ATTRIBUTES, SHARE_ALL, NULL, OPEN_EXISTING,
                    FILE_FLAG_BACKUP_SEMANTICS |
                        (follow ? 0u : FILE_FLAG_OPEN_REPARSE_POINT),
                    NULL);
    free(wide);
    if (handle == INVALID_HANDLE_VALUE)
        return failed(GetLastError());
    err = stat_handle(handle, follow, st);
    CloseHandle(handle);
    return err;
}

int fpc_posix_stat(const char *path, struct stat *st)
{
    return stat_path(path, true, st);
}

int lstat(const char *path, struct stat *st)
{
    return stat_path(path, false, st);
}

int fstat(int fd, struct stat *st)
{
    return stat_handle(handle_of(fd), true, st);
}

/* Only the time of the last change, times[1]. */
int futimens(int fd, const struct timespec times[2])
{
    int64_t ticks = (int64_t)times[1].tv_sec * 10000000 +
                    times[1].tv_nsec / 100 + EPOCH_TICKS;
    FILETIME at = { .dwLowDateTime = (DWORD)ticks,
                    .dwHighDateTime = (DWORD)(ticks >> 32) };

    return SetFileTime(handle_of(fd), NULL, NULL, &at) ? 0
                                                       : failed(GetLastError());
}

int fchmod(int fd, unsigned mode)
{
    (void)fd, (void)mode; /* a new file has the rights of its directory */
    return 0;
}

int fchown(int fd, int user, int group)
{
    (void)fd, (void)user, (void)group; /* nor its owner */
    return 0;
}

/* --- names ---------------------------------------------------------------- */

static int told(BOOL done)
{
    return done ? 0 : failed(GetLastError());
}

int mkdir(const char *path, unsigned mode)
{
    wchar_t *wide = wide_of(path);
    int err = wide ? told(CreateDirectoryW(wide, NULL)) : -1;

    (void)mode;
    free(wide);
    return err;
}

int unlink(const char *path)
{
    wchar_t *wide = wide_of(path);
    int err = wide ? told(DeleteFileW(wide)) : -1;

    free(wide);
    return err;
}

int rmdir(const char *path)
{
    wchar_t *wide = wide_of(path);
    int err = wide ? told(RemoveDirectoryW(wide)) : -1;

    free(wide);
    return err;
}

/* As POSIX does it, which NTFS can since Windows 10: the name changes its file
 * even while others have the old one open. */
static bool rename_posix(const wchar_t *from, const wchar_t *to)
{
    wchar_t full[PATH_MAX];
    DWORD n = GetFullPathNameW(to, PATH_MAX, full, NULL);
    size_t size = sizeof(FILE_RENAME_INFO) + n * sizeof *full;
    FILE_RENAME_INFO *info = n > 0 && n < PATH_MAX ? calloc(1, size) : NULL;
    HANDLE handle =
        CreateFileW(from, DELETE | SYNCHRONIZE, SHARE_ALL, NULL, OPEN_EXISTING,
                    FILE_FLAG_BACKUP_SEMANTICS, NULL);
    bool done = false;

    if (info && handle != INVALID_HANDLE_VALUE) {
        info->Flags = FILE_RENAME_FLAG_REPLACE_IF_EXISTS |
                      FILE_RENAME_FLAG_POSIX_SEMANTICS;
        info->FileNameLength = n * (DWORD)sizeof *full;
        memcpy(info->FileName, full, info->FileNameLength);
        done = SetFileInformationByHandle(handle, RENAME_INFO_EX, info,
                                          (DWORD)size);
    }
    if (handle != INVALID_HANDLE_VALUE)
        CloseHandle(handle);
    free(info);
    return done;
}

/* Other filesystems, older systems: in one step too, unless it is open. */
int rename(const char *from, const char *to)
{
    wchar_t *a = wide_of(from), *b = wide_of(to);
    int err = -1;

    if (a && b)
        err = rename_posix(a, b)
                  ? 0
                  : told(MoveFileExW(a, b,
                                     MOVEFILE_REPLACE_EXISTING |
                                         MOVEFILE_WRITE_THROUGH));
    free(a);
    free(b);
    return err;
}

char *realpath(const char *path, char *out)
{
    wchar_t *wide = wide_of(path), full[PATH_MAX];
    DWORD n = wide ? GetFullPathNameW(wide, PATH_MAX, full, NULL) : 0;
    char *text = n > 0 && n < PATH_MAX ? fp_host_narrow(full) : NULL;
    struct stat st;

    free(wide);
    if (text && strlen(text) >= PATH_MAX)
        errno = ENAMETOOLONG;
    if (!text || strlen(text) >= PATH_MAX || stat(path, &st) != 0) {
        free(text);
        return NULL;
    }
    for (char *p = text; *p; p++)
        if (*p == '\\')
            *p = '/';
    if (!out)
        return text;
    strcpy(out, text);
    free(text);
    return out;
}

int alphasort(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int by_name(const void *a, const void *b)
{
    struct dirent *const *x = a, *const *y = b;

    return strcmp((*x)->d_name, (*y)->d_name);
}

static void free_names(struct dirent **names, int count)
{
    while (count > 0)
        free(names[--count]);
    free(names);
}

static int add_name(struct dirent ***names, int count, const wchar_t *wide)
{
    struct dirent **longer =
        realloc(*names, ((size_t)count + 1) * sizeof **names);
    char *name = fp_host_narrow(wide);
    struct dirent *entry = malloc(sizeof *entry);

    if (longer)
        *names = longer;
    if (longer && name && entry) {
        snprintf(entry->d_name, sizeof entry->d_name, "%s", name);
        longer[count] = entry;
    } else {
        free(entry);
        errno = ENOMEM;
    }
    free(name);
    return longer && name && entry ? 0 : -1;
}

static HANDLE find_first(const char *path, WIN32_FIND_DATAW *found)
{
    char *pattern = malloc(strlen(path) + 3);
    wchar_t *wide = NULL;
    HANDLE search = INVALID_HANDLE_VALUE;

    if (pattern) {
        sprintf(pattern, "%s/*", path);
        wide = wide_of(pattern);
    }
    if (wide) {
        search = FindFirstFileW(wide, found);
        if (search == INVALID_HANDLE_VALUE)
            failed(GetLastError());
    }
    free(wide);
    free(pattern);
    return search;
}

int scandir(const char *path, struct dirent ***names,
            int (*filter)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **))
{
    WIN32_FIND_DATAW found;
    HANDLE search = find_first(path, &found);
    int count = 0, err = 0;

    (void)filter, (void)compare; /* see posix.h */
    *names = NULL;
    if (search == INVALID_HANDLE_VALUE)
        return -1;
    do {
        err = add_name(names, count, found.cFileName);
        count += err == 0;
    } while (!err && FindNextFileW(search, &found));
    FindClose(search);
    if (err) {
        free_names(*names, count);
        return -1;
    }
    qsort(*names, (size_t)count, sizeof **names, by_name);
    return count;
}
