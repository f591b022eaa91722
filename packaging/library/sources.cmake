# SPDX-License-Identifier: MIT
# What Zephyr and ESP-IDF compile, by what Kconfig says: FLASHPORT_SOURCES.
set(src ${CMAKE_CURRENT_LIST_DIR}/src)
set(folders core core/bdev core/digest core/fs core/vfs proto device-agent)
foreach(driver littlefs fat spiffs minifs bonsai raw)
    string(TOUPPER ${driver} upper)
    if(CONFIG_FLASHPORT_${upper})
        list(APPEND folders core/fs/${driver})
    endif()
endforeach()

set(FLASHPORT_SOURCES)
foreach(folder ${folders})
    file(GLOB found ${src}/${folder}/*.c)
    list(APPEND FLASHPORT_SOURCES ${found})
endforeach()
