/* SPDX-License-Identifier: MIT
 *
 * Windows: image files, \\.\PhysicalDriveN and \\.\X:.
 *
 * A file is locked by a range of it that lies behind all that a file can hold:
 * readers share it, a writer has it alone, and programs that know nothing of
 * it read the file as ever.
 *
 * Whatever has a letter is mounted, so a disk is taken from Windows first: every
 * volume on it is locked, which Windows refuses as long as something is open
 * there, and to write also dismounted. It stays so until the disk is closed,
 * when Windows mounts what it finds then. A disk is read and written in whole
 * sectors only; what begins or ends within one goes through `edge`.
 *
 * Source: FSCTL_LOCK_VOLUME, FSCTL_DISMOUNT_VOLUME, IOCTL_DISK_GET_LENGTH_INFO
 * and CreateFile, "Physical Disks and Volumes", in Microsoft's documentation.
 */
#include "core/host/os.h"

#include "core/host/wide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winioctl.h>

#define LOCK_POS_HIGH 0x7fffffffu
/* Explorer and virus scanners look at a volume for a moment. */
#define LOCK_TRIES    20
#define LOCK_PAUSE_MS 50

/* --- errors --------------------------------------------------------------- */

/* The edge where foreign numbers enter. */
static int error_of(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
        return FP_ERR_NOENT;
    case ERROR_ACCESS_DENIED:
        return FP_ERR_ACCES;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_BUSY:
        return FP_ERR_BUSY;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
        return FP_ERR_NOSPC;
    case ERROR_NOT_READY:
    case ERROR_NO_MEDIA_IN_DRIVE:
    case ERROR_MEDIA_CHANGED:
    case ERROR_DEVICE_NOT_CONNECTED:
    case ERROR_BAD_UNIT:
        return FP_ERR_NODEV;
    case ERROR_WRITE_PROTECT:
        return FP_ERR_ROFS;
    case ERROR_TOO_MANY_OPEN_FILES:
        return FP_ERR_NFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        return FP_ERR_NOMEM;
    case ERROR_FILENAME_EXCED_RANGE:
        return FP_ERR_NAMETOOLONG;
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_PARAMETER:
        return FP_ERR_INVAL;
    default:
        return FP_ERR_IO;
    }
}

static void say(struct fp_host_file *file, const char *why)
{
    snprintf(file->why, sizeof file->why, "%s", why);
}

/* --- bytes ---------------------------------------------------------------- */

static HANDLE handle_of(const struct fp_host_file *file)
{
    return (HANDLE)file->handle;
}

static int read_at(struct fp_host_file *file, uint64_t pos, void *buf,
                   uint32_t size)
{
    uint8_t *dst = buf;

    while (size > 0) {
        OVERLAPPED at = { .Offset = (DWORD)pos,
                          .OffsetHigh = (DWORD)(pos >> 32) };
        DWORD n = 0;

        if (!ReadFile(handle_of(file), dst, size, &n, &at))
            return GetLastError() == ERROR_HANDLE_EOF
                       ? FP_ERR_IO
                       : error_of(GetLastError());
        if (n == 0)
            return FP_ERR_IO; /* somebody cut the file */
        dst += n;
        pos += n;
        size -= n;
    }
    return FP_OK;
}

static int write_at(struct fp_host_file *file, uint64_t pos, const void *buf,
                    uint32_t size)
{
    const uint8_t *src = buf;

    while (size > 0) {
        OVERLAPPED at = { .Offset = (DWORD)pos,
                          .OffsetHigh = (DWORD)(pos >> 32) };
        DWORD n = 0;

        if (!WriteFile(handle_of(file), src, size, &n, &at))
            return error_of(GetLastError());
        if (n == 0)
            return FP_ERR_IO;
        src += n;
        pos += n;
        size -= n;
    }
    return FP_OK;
}

/* Of pos[0..size), what one transfer can do: whole sectors, or a part of one. */
static uint32_t piece(const struct fp_host_file *file, uint64_t pos,
                      uint32_t size)
{
    uint32_t before = (uint32_t)(pos % file->sector);

    if (before == 0 && size >= file->sector)
        return size - size % file->sector;
    return size < file->sector - before ? size : file->sector - before;
}

static bool is_part(const struct fp_host_file *file, uint32_t n)
{
    return n % file->sector != 0;
}

int fp_host_os_read(struct fp_host_file *file, uint64_t pos, void *buf,
                    uint32_t size)
{
    uint8_t *dst = buf;
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t n = piece(file, pos, size);
        uint64_t before = pos % file->sector;

        if (is_part(file, n)) {
            err = read_at(file, pos - before, file->edge, file->sector);
            memcpy(dst, file->edge + before, n);
        } else {
            err = read_at(file, pos, dst, n);
        }
        dst += n;
        pos += n;
        size -= n;
    }
    return err;
}

int fp_host_os_write(struct fp_host_file *file, uint64_t pos, const void *buf,
                     uint32_t size)
{
    const uint8_t *src = buf;
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t n = piece(file, pos, size);
        uint64_t before = pos % file->sector;

        if (is_part(file, n)) {
            err = read_at(file, pos - before, file->edge, file->sector);
            memcpy(file->edge + before, src, n);
            if (!err)
                err = write_at(file, pos - before, file->edge, file->sector);
        } else {
            err = write_at(file, pos, src, n);
        }
        src += n;
        pos += n;
        size -= n;
    }
    return err;
}

/* Sparse files are rare here: their holes are read. */
uint64_t fp_host_os_next_data(struct fp_host_file *file, uint64_t pos)
{
    (void)file;
    return pos;
}

/* Card readers without a cache don't know the request. */
int fp_host_os_sync(struct fp_host_file *file)
{
    DWORD code = FlushFileBuffers(handle_of(file)) ? 0 : GetLastError();

    if (code == 0 ||
        (file->kind == FP_HOST_DISK &&
         (code == ERROR_INVALID_FUNCTION || code == ERROR_NOT_SUPPORTED)))
        return FP_OK;
    return error_of(code);
}

/* --- volumes -------------------------------------------------------------- */

static bool control(HANDLE handle, DWORD code, void *out, DWORD size)
{
    DWORD n;

    return DeviceIoControl(handle, code, NULL, 0, out, size, &n, NULL);
}

static bool lock_volume(HANDLE volume)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (control(volume, FSCTL_LOCK_VOLUME, NULL, 0))
            return true;
        if (GetLastError() != ERROR_ACCESS_DENIED)
            return false;
        Sleep(LOCK_PAUSE_MS);
    }
    return false;
}

/* Locks it, and to write takes it from its filesystem. `name` is for people.
 * Extended: to the last sector, where a filesystem may keep a copy. */
static int take_volume(struct fp_host_file *file, HANDLE volume,
                       const char *name, uint32_t flags)
{
    if (!lock_volume(volume)) {
        snprintf(file->why, sizeof file->why,
                 "Windows does not give up %s (error %lu): close the programs "
                 "and windows that have something open there",
                 name, GetLastError());
        return FP_ERR_BUSY;
    }
    control(volume, FSCTL_ALLOW_EXTENDED_DASD_IO, NULL, 0);
    if (flags & FP_HOST_FILE_WRITE &&
        !control(volume, FSCTL_DISMOUNT_VOLUME, NULL, 0)) {
        snprintf(file->why, sizeof file->why,
                 "Windows does not dismount %s (error %lu)", name,
                 GetLastError());
        return FP_ERR_BUSY;
    }
    return FP_OK;
}

/* "E:", where the volume has a letter. volume: \\?\Volume{...}\ */
static void letter_of(const wchar_t *volume, char *name, size_t size)
{
    wchar_t places[MAX_PATH] = L"";
    DWORD n;
    char *text = NULL;

    if (GetVolumePathNamesForVolumeNameW(volume, places, MAX_PATH, &n) &&
        places[0])
        text = fp_host_narrow(places);
    snprintf(name, size, "%s", text ? text : "a volume without a letter on it");
    free(text);
}

/* Does a part of the volume lie on this disk? */
static bool is_on(HANDLE volume, DWORD disk)
{
    struct {
        VOLUME_DISK_EXTENTS first;
        DISK_EXTENT more[31];
    } found = { 0 };
    const DISK_EXTENT *extents = found.first.Extents;

    if (!control(volume, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, &found,
                 sizeof found))
        return false;
    for (DWORD i = 0; i < found.first.NumberOfDiskExtents && i < 32; i++)
        if (extents[i].DiskNumber == disk)
            return true;
    return false;
}

/* A volume of this disk is taken, and held. */
static int hold_volume(struct fp_host_file *file, wchar_t *name, DWORD disk,
                       uint32_t flags)
{
    size_t n = wcslen(name);
    char letter[64];
    HANDLE volume;

    name[n - 1] = 0; /* with its backslash it would be the root directory */
    volume = CreateFileW(name, GENERIC_READ | GENERIC_WRITE,
                         FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                         OPEN_EXISTING, 0, NULL);
    name[n - 1] = L'\\';
    if (volume == INVALID_HANDLE_VALUE)
        return FP_OK; /* a drive without a medium, or of the network */
    if (!is_on(volume, disk)) {
        CloseHandle(volume);
        return FP_OK;
    }
    if (file->held_count == FP_HOST_HELD_MAX) {
        CloseHandle(volume);
        say(file, "more volumes are on it than can be locked");
        return FP_ERR_NFILE;
    }
    file->held[file->held_count++] = (intptr_t)volume;
    letter_of(name, letter, sizeof letter);
    return take_volume(file, volume, letter, flags);
}

static int take_disk(struct fp_host_file *file, uint32_t flags)
{
    STORAGE_DEVICE_NUMBER number;
    wchar_t name[MAX_PATH];
    HANDLE search;
    int err = FP_OK;

    if (!control(handle_of(file), IOCTL_STORAGE_GET_DEVICE_NUMBER, &number,
                 sizeof number)) {
        say(file, "Windows does not say which volumes are on this disk, so "
                  "they cannot be locked");
        return FP_ERR_BUSY;
    }
    search = FindFirstVolumeW(name, MAX_PATH);
    if (search == INVALID_HANDLE_VALUE)
        return FP_OK;
    do
        err = hold_volume(file, name, number.DeviceNumber, flags);
    while (!err && FindNextVolumeW(search, name, MAX_PATH));
    FindVolumeClose(search);
    return err;
}

/* --- opening -------------------------------------------------------------- */

static HANDLE open_path(const wchar_t *path, uint32_t flags, bool is_device)
{
    bool makes = flags & FP_HOST_FILE_CREATE && !is_device;
    DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    DWORD access = GENERIC_READ;

    if (flags & FP_HOST_FILE_WRITE)
        access |= GENERIC_WRITE;
    /* Backup semantics: directories open too, and can be called so. */
    return CreateFileW(path, access, share, NULL,
                       makes ? OPEN_ALWAYS : OPEN_EXISTING,
                       is_device ? 0 : FILE_FLAG_BACKUP_SEMANTICS, NULL);
}

static int lock_file(struct fp_host_file *file, uint32_t flags)
{
    OVERLAPPED at = { .OffsetHigh = LOCK_POS_HIGH };
    DWORD how = LOCKFILE_FAIL_IMMEDIATELY;

    if (flags & FP_HOST_FILE_WRITE)
        how |= LOCKFILE_EXCLUSIVE_LOCK;
    if (flags & FP_HOST_FILE_NOLOCK ||
        LockFileEx(handle_of(file), how, 0, 1, 0, &at) ||
        error_of(GetLastError()) != FP_ERR_BUSY)
        return FP_OK;
    say(file, "in use by another program");
    return FP_ERR_BUSY;
}

static int measure_file(struct fp_host_file *file)
{
    BY_HANDLE_FILE_INFORMATION info;

    if (GetFileType(handle_of(file)) != FILE_TYPE_DISK)
        return FP_ERR_NOTSUP;
    if (!GetFileInformationByHandle(handle_of(file), &info))
        return error_of(GetLastError());
    if (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
        return FP_ERR_ISDIR;
    file->all = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    return FP_OK;
}

static int measure_disk(struct fp_host_file *file)
{
    GET_LENGTH_INFORMATION length;
    DISK_GEOMETRY geometry;

    file->kind = FP_HOST_DISK;
    if (!control(handle_of(file), IOCTL_DISK_GET_LENGTH_INFO, &length,
                 sizeof length) ||
        !control(handle_of(file), IOCTL_DISK_GET_DRIVE_GEOMETRY, &geometry,
                 sizeof geometry)) {
        say(file, "Windows does not say how large it is: no disk, or nothing "
                  "is in it");
        return FP_ERR_NOTSUP;
    }
    file->all = (uint64_t)length.Length.QuadPart;
    file->sector = geometry.BytesPerSector;
    return file->sector > 0 && file->sector <= sizeof file->edge &&
                   file->all % file->sector == 0
               ? FP_OK
               : FP_ERR_NOTSUP;
}

/* A volume is locked by its own handle, a disk by those of its volumes. */
static int take(struct fp_host_file *file, const char *path, uint32_t flags)
{
    const char *name = path + 4;

    if (flags & FP_HOST_FILE_NOLOCK && !(flags & FP_HOST_FILE_WRITE))
        return FP_OK;
    return name[0] && name[1] == ':' && !name[2]
               ? take_volume(file, handle_of(file), name, flags)
               : take_disk(file, flags);
}

static int open_disk(struct fp_host_file *file, const char *path,
                     uint32_t flags)
{
    int err = take(file, path, flags);

    return err ? err : measure_disk(file);
}

static void say_refusal(struct fp_host_file *file, bool is_device, int err)
{
    if (err == FP_ERR_BUSY)
        say(file, "in use by another program");
    else if (err == FP_ERR_ACCES)
        say(file, is_device ? "permission denied: raw disks are for "
                              "administrators (Run as administrator)"
                            : "permission denied");
}

int fp_host_os_open(struct fp_host_file *file, const char *path, uint32_t flags)
{
    bool is_device = fp_host_is_device(path);
    wchar_t *wide = fp_host_wide(path);
    HANDLE handle;
    int err;

    if (!wide)
        return FP_ERR_INVAL;
    handle = open_path(wide, flags, is_device);
    free(wide);
    if (handle == INVALID_HANDLE_VALUE) {
        err = error_of(GetLastError());
        say_refusal(file, is_device, err);
        return err;
    }
    file->handle = (intptr_t)handle;
    err = is_device ? open_disk(file, path, flags) : lock_file(file, flags);
    if (!err && !is_device)
        err = measure_file(file);
    if (err)
        fp_host_file_close(file);
    return err;
}

/* Locks end with their handles. */
void fp_host_os_close(struct fp_host_file *file)
{
    if (file->kind == FP_HOST_DISK && !(file->bdev.flags & FP_BDEV_RDONLY))
        control(handle_of(file), IOCTL_DISK_UPDATE_PROPERTIES, NULL, 0);
    CloseHandle(handle_of(file));
    while (file->held_count > 0)
        CloseHandle((HANDLE)file->held[--file->held_count]);
}
