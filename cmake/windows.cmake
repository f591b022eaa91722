# SPDX-License-Identifier: MIT
# Programs for Windows on x86-64, made by Debian's mingw-w64. The libraries that
# Debian has no Windows build of come from cmake/windows-libs.sh, which puts
# them into FP_WINDOWS_LIBS.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

if(NOT FP_WINDOWS_LIBS)
    set(FP_WINDOWS_LIBS ${CMAKE_CURRENT_LIST_DIR}/../build/windows-libs)
endif()
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32 ${FP_WINDOWS_LIBS})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# pkg-config is the host's and must not find the host's libraries.
set(ENV{PKG_CONFIG_LIBDIR} ${FP_WINDOWS_LIBS}/lib/pkgconfig)
