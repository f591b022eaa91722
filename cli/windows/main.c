/* SPDX-License-Identifier: MIT
 *
 * How a program starts on Windows: with its command line in UTF-16, with
 * streams that change line ends, and with a console in some code page. The
 * command line knows none of these.
 */
#include "core/host/wide.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int fpc_posix_main(int argc, char **argv);

static UINT code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(code_page);
}

/* What is printed is UTF-8, and moves the cursor as on other terminals. */
static void set_up_console(void)
{
    HANDLE console = GetStdHandle(STD_ERROR_HANDLE);
    DWORD mode;

    code_page = GetConsoleOutputCP();
    if (code_page && SetConsoleOutputCP(CP_UTF8))
        atexit(restore_console);
    if (GetConsoleMode(console, &mode))
        SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

int wmain(int argc, wchar_t **wide)
{
    char **argv = calloc((size_t)argc + 1, sizeof *argv);

    for (int i = 0; argv && i < argc; i++) {
        argv[i] = fp_host_narrow(wide[i]);
        if (!argv[i])
            return 1;
    }
    if (!argv)
        return 1;
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
    set_up_console();
    return fpc_posix_main(argc, argv);
}
