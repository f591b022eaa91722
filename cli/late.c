/* SPDX-License-Identifier: MIT */
#include "cli/late.h"

#include <dlfcn.h>
#include <string.h>

typedef void (*call_fn)(void);
_Static_assert(sizeof(call_fn) == sizeof(void *), "dlsym() answers with data");

static int refuse(const struct fpc_late *library)
{
    fpc_error("%s is needed for this, and cannot be loaded; Debian has it in "
              "%s: %s",
              library->file, library->package, dlerror());
    return FPC_EXIT_FAILED;
}

static char *place_of(const struct fpc_late *library, size_t i)
{
    return (char *)library->calls + i * sizeof(call_fn);
}

/* The last is set when all are. */
static bool is_loaded(const struct fpc_late *library)
{
    call_fn last;

    memcpy(&last, place_of(library, library->count - 1), sizeof last);
    return last != NULL;
}

int fpc_late_load(const struct fpc_late *library)
{
    void *lib, *call;

    if (is_loaded(library))
        return FPC_EXIT_OK;
    lib = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return refuse(library);
    for (size_t i = 0; i < library->count; i++) {
        call = dlsym(lib, library->names[i]);
        if (!call)
            return refuse(library);
        memcpy(place_of(library, i), &call, sizeof call);
    }
    return FPC_EXIT_OK;
}
