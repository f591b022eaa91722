# SPDX-License-Identifier: MIT
# What Zephyr and ESP-IDF compile: FLASHPORT_SOURCES, all but the drivers that
# Kconfig leaves out.
file(GLOB_RECURSE FLASHPORT_SOURCES ${CMAKE_CURRENT_LIST_DIR}/src/*.c)
foreach(driver littlefs fat spiffs minifs bonsai raw)
    string(TOUPPER ${driver} upper)
    if(NOT CONFIG_FLASHPORT_${upper})
        list(FILTER FLASHPORT_SOURCES EXCLUDE REGEX "/src/core/fs/${driver}/")
    endif()
endforeach()
