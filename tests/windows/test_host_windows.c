/* SPDX-License-Identifier: MIT
 *
 * Disks on Windows, against a Windows of the test's own: os_windows.c is
 * compiled here with the calls that concern disks and volumes replaced. There
 * is disk 2 with a volume E: and one without a letter on it, and disk 0 with
 * C:. What is tested is what core/host asks of Windows, in which order, and
 * what it says when that is refused; not Windows. Runs under wine.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winioctl.h>

#define SECTOR    512
#define DISK_SIZE 8192

#define check(condition) \
    ((condition)         \
         ? (void)0       \
         : (printf("%s:%d: %s\n", __FILE__, __LINE__, #condition), exit(1)))

enum {
    DISK2 = 0x1000,
    VOLUME_E,
    VOLUME_PLAIN,
    VOLUME_C,
    SEARCH
};

static struct {
    uint8_t bytes[DISK_SIZE];
    HANDLE in_use; /* the volume that is not given up */
    int locked, dismounted, open, updated;
    bool is_admin, ragged; /* a transfer that is no whole sector */
} windows;

static HANDLE test_CreateFileW(const wchar_t *name, DWORD access, DWORD share,
                               void *security, DWORD how, DWORD flags,
                               HANDLE like)
{
    static const struct {
        const wchar_t *name;
        intptr_t handle;
    } names[] = {
        { L"\\\\.\\PhysicalDrive2", DISK2 },
        { L"\\\\.\\E:", VOLUME_E },
        { L"\\\\?\\Volume{e}", VOLUME_E },
        { L"\\\\?\\Volume{p}", VOLUME_PLAIN },
        { L"\\\\?\\Volume{c}", VOLUME_C },
    };

    (void)access, (void)share, (void)security, (void)how, (void)flags;
    (void)like;
    if (!windows.is_admin) {
        SetLastError(ERROR_ACCESS_DENIED);
        return INVALID_HANDLE_VALUE;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (wcscmp(names[i].name, name) == 0) {
            windows.open++;
            return (HANDLE)names[i].handle;
        }
    SetLastError(ERROR_FILE_NOT_FOUND);
    return INVALID_HANDLE_VALUE;
}

static BOOL test_CloseHandle(HANDLE handle)
{
    (void)handle;
    windows.open--;
    return TRUE;
}

static DWORD disk_of(HANDLE volume)
{
    return volume == (HANDLE)VOLUME_C ? 0 : 2;
}

static BOOL test_DeviceIoControl(HANDLE handle, DWORD code, void *in,
                                 DWORD in_size, void *out, DWORD size, DWORD *n,
                                 OVERLAPPED *overlapped)
{
    (void)in, (void)in_size, (void)size, (void)n, (void)overlapped;
    switch (code) {
    case FSCTL_LOCK_VOLUME:
        check(handle != (HANDLE)DISK2);
        if (handle == windows.in_use) {
            SetLastError(ERROR_ACCESS_DENIED);
            return FALSE;
        }
        windows.locked++;
        return TRUE;
    case FSCTL_DISMOUNT_VOLUME:
        check(windows.locked > windows.dismounted);
        windows.dismounted++;
        return TRUE;
    case IOCTL_DISK_GET_LENGTH_INFO:
        ((GET_LENGTH_INFORMATION *)out)->Length.QuadPart = DISK_SIZE;
        return TRUE;
    case IOCTL_DISK_GET_DRIVE_GEOMETRY:
        ((DISK_GEOMETRY *)out)->BytesPerSector = SECTOR;
        return TRUE;
    case IOCTL_STORAGE_GET_DEVICE_NUMBER:
        ((STORAGE_DEVICE_NUMBER *)out)->DeviceNumber = 2;
        return handle == (HANDLE)DISK2;
    case IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS:
        ((VOLUME_DISK_EXTENTS *)out)->NumberOfDiskExtents = 1;
        ((VOLUME_DISK_EXTENTS *)out)->Extents[0].DiskNumber = disk_of(handle);
        return TRUE;
    case IOCTL_DISK_UPDATE_PROPERTIES:
        windows.updated++;
        return TRUE;
    default:
        return FALSE;
    }
}

static int next_volume;

static BOOL test_FindNextVolumeW(HANDLE search, wchar_t *name, DWORD size)
{
    static const wchar_t *const volumes[] = { L"\\\\?\\Volume{c}\\",
                                              L"\\\\?\\Volume{e}\\",
                                              L"\\\\?\\Volume{p}\\" };

    (void)search, (void)size;
    if (next_volume == 3)
        return FALSE;
    wcscpy(name, volumes[next_volume++]);
    return TRUE;
}

static HANDLE test_FindFirstVolumeW(wchar_t *name, DWORD size)
{
    next_volume = 0;
    return test_FindNextVolumeW(NULL, name, size) ? (HANDLE)SEARCH : NULL;
}

static BOOL test_FindVolumeClose(HANDLE search)
{
    return search == (HANDLE)SEARCH;
}

static BOOL test_GetVolumePathNamesForVolumeNameW(const wchar_t *volume,
                                                  wchar_t *places, DWORD size,
                                                  DWORD *n)
{
    (void)size, (void)n;
    if (!wcsstr(volume, L"{e}"))
        return FALSE;
    wcscpy(places, L"E:\\");
    return TRUE;
}

static bool is_whole(DWORD size, const OVERLAPPED *at)
{
    windows.ragged |= size % SECTOR != 0 || at->Offset % SECTOR != 0;
    return at->Offset + size <= DISK_SIZE;
}

static BOOL test_ReadFile(HANDLE handle, void *buf, DWORD size, DWORD *n,
                          OVERLAPPED *at)
{
    (void)handle;
    if (!is_whole(size, at))
        return FALSE;
    memcpy(buf, windows.bytes + at->Offset, size);
    *n = size;
    return TRUE;
}

static BOOL test_WriteFile(HANDLE handle, const void *buf, DWORD size, DWORD *n,
                           OVERLAPPED *at)
{
    (void)handle;
    if (!is_whole(size, at))
        return FALSE;
    memcpy(windows.bytes + at->Offset, buf, size);
    *n = size;
    return TRUE;
}

/* A card reader without a cache. */
static BOOL test_FlushFileBuffers(HANDLE handle)
{
    (void)handle;
    SetLastError(ERROR_INVALID_FUNCTION);
    return FALSE;
}

static void test_Sleep(DWORD ms)
{
    (void)ms;
}

#define CreateFileW                      test_CreateFileW
#define CloseHandle                      test_CloseHandle
#define DeviceIoControl                  test_DeviceIoControl
#define FindFirstVolumeW                 test_FindFirstVolumeW
#define FindNextVolumeW                  test_FindNextVolumeW
#define FindVolumeClose                  test_FindVolumeClose
#define ReadFile                         test_ReadFile
#define WriteFile                        test_WriteFile
#define FlushFileBuffers                 test_FlushFileBuffers
#define Sleep                            test_Sleep
#define GetVolumePathNamesForVolumeNameW test_GetVolumePathNamesForVolumeNameW
#include "core/host/os_windows.c"

static struct fp_host_file file;

static int open_as(const char *path, uint32_t flags)
{
    const struct fp_host_file_config cfg = { .flags = flags };

    memset(&windows, 0, sizeof windows);
    for (int i = 0; i < DISK_SIZE; i++)
        windows.bytes[i] = (uint8_t)(i / SECTOR);
    windows.is_admin = true;
    return fp_host_file_open(&file, path, &cfg);
}

static void a_disk_takes_its_volumes_and_no_others(void)
{
    check(open_as("\\\\.\\PhysicalDrive2", FP_HOST_FILE_WRITE) == FP_OK);
    check(file.kind == FP_HOST_DISK && file.size == DISK_SIZE);
    check(windows.locked == 2 && windows.dismounted == 2);
    check(windows.open == 3);
    fp_host_file_close(&file);
    check(windows.open == 0 && windows.updated == 1);
}

static void who_reads_dismounts_nothing(void)
{
    check(open_as("//./PhysicalDrive2", 0) == FP_OK);
    check(windows.locked == 2 && windows.dismounted == 0);
    fp_host_file_close(&file);
    check(open_as("\\\\.\\E:", 0) == FP_OK);
    check(windows.locked == 1 && windows.dismounted == 0);
    fp_host_file_close(&file);
    check(windows.open == 0 && windows.updated == 0);
}

static void refused(const char *path, HANDLE in_use, const char *why)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE };

    check(open_as(path, FP_HOST_FILE_NOLOCK) == FP_OK);
    fp_host_file_close(&file);
    windows.in_use = in_use;
    check(fp_host_file_open(&file, path, &cfg) == FP_ERR_BUSY);
    if (strcmp(fp_host_file_why(&file, FP_ERR_BUSY), why) != 0)
        printf("said: %s\n", fp_host_file_why(&file, FP_ERR_BUSY));
    check(strcmp(fp_host_file_why(&file, FP_ERR_BUSY), why) == 0);
    check(windows.open == 0 && windows.dismounted == 0);
}

static void what_is_in_use_is_refused_by_its_letter(void)
{
    refused("\\\\.\\E:", (HANDLE)VOLUME_E,
            "Windows does not give up E: (error 5): close the programs and "
            "windows that have something open there");
    refused("\\\\.\\PhysicalDrive2", (HANDLE)VOLUME_E,
            "Windows does not give up E:\\ (error 5): close the programs and "
            "windows that have something open there");
}

static void who_is_no_administrator_is_told_so(void)
{
    open_as("\\\\.\\E:", 0);
    fp_host_file_close(&file);
    windows.is_admin = false;
    check(fp_host_file_open(&file, "\\\\.\\E:", NULL) == FP_ERR_ACCES);
    check(strstr(fp_host_file_why(&file, FP_ERR_ACCES), "administrator"));
}

static void transfers_are_whole_sectors(void)
{
    uint8_t buf[3 * SECTOR], expect[3 * SECTOR];

    check(open_as("\\\\.\\E:", FP_HOST_FILE_WRITE) == FP_OK);
    for (int i = 0; i < 3 * SECTOR; i++)
        expect[i] = (uint8_t)((100 + i) / SECTOR);
    for (uint32_t n = 1; n <= 3 * SECTOR; n += 101) {
        check(fp_bdev_read(&file.bdev, 100, buf, n) == FP_OK);
        check(memcmp(buf, expect, n) == 0);
    }
    memset(buf, 0xee, sizeof buf);
    check(fp_bdev_prog(&file.bdev, SECTOR - 2, buf, SECTOR + 5) == FP_OK);
    for (int i = 0; i < 4 * SECTOR; i++)
        check(windows.bytes[i] ==
              (i >= SECTOR - 2 && i < 2 * SECTOR + 3 ? 0xee : i / SECTOR));
    check(fp_bdev_erase(&file.bdev, 1, 1) == FP_OK);
    check(windows.bytes[4095] == 7 && windows.bytes[4096] == 0xff);
    check(windows.bytes[DISK_SIZE - 1] == 0xff);
    check(fp_bdev_sync(&file.bdev) == FP_OK);
    check(!windows.ragged);
    fp_host_file_close(&file);
}

int main(void)
{
    a_disk_takes_its_volumes_and_no_others();
    who_reads_dismounts_nothing();
    what_is_in_use_is_refused_by_its_letter();
    who_is_no_administrator_is_told_so();
    transfers_are_whole_sectors();
    puts("5 tests passed");
    return 0;
}
