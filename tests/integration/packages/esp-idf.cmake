# SPDX-License-Identifier: MIT
# What ESP-IDF's build gives a component, likewise. Source: ESP-IDF Programming
# Guide, "Build System", "Component CMakeLists Files": paths are relative to the
# component, components that are required by name are told apart from sources.
function(idf_component_register)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" ""
        "SRCS;SRC_DIRS;INCLUDE_DIRS;PRIV_INCLUDE_DIRS;REQUIRES;PRIV_REQUIRES")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "idf_component_register: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    foreach(pair SRCS:sources INCLUDE_DIRS:includes)
        string(REPLACE ":" ";" pair ${pair})
        list(GET pair 0 given)
        list(GET pair 1 file)
        foreach(path ${arg_${given}})
            get_filename_component(path ${path} ABSOLUTE)
            file(APPEND ${CMAKE_BINARY_DIR}/${file} "${path}\n")
        endforeach()
    endforeach()
endfunction()
