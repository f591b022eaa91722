# SPDX-License-Identifier: MIT
# What Zephyr's build gives a module, as little of it as ours uses: it writes
# down what it is told. Source: Zephyr's cmake/modules/extensions.cmake
function(zephyr_library)
    set_property(GLOBAL PROPERTY in_library TRUE)
endfunction()

function(zephyr_library_sources)
    get_property(in_library GLOBAL PROPERTY in_library)
    if(NOT in_library)
        message(FATAL_ERROR "zephyr_library_sources() before zephyr_library()")
    endif()
    foreach(source ${ARGN})
        file(APPEND ${CMAKE_BINARY_DIR}/sources "${source}\n")
    endforeach()
endfunction()

function(zephyr_include_directories)
    foreach(folder ${ARGN})
        file(APPEND ${CMAKE_BINARY_DIR}/includes "${folder}\n")
    endforeach()
endfunction()
