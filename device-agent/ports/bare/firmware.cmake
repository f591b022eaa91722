# SPDX-License-Identifier: MIT
# Firmware of a board that has no OS: PORT.elf for debuggers and emulators,
# PORT.bin and PORT.hex for what writes it, and PORT-echo, for benches. The
# board's folder has main.c, limits.cmake and the linker script PORT.ld beside
# the sources that are named. Linking prints what it takes.
#
#     fp_bare_firmware(PORT STACK bytes WIRE_IN bytes WIRE_OUT bytes
#                      SOURCES file...)
set(FP_BARE ${CMAKE_CURRENT_LIST_DIR})

function(fp_bare_firmware port)
    cmake_parse_arguments(board "" "STACK;WIRE_IN;WIRE_OUT" SOURCES ${ARGN})
    set(script ${CMAKE_CURRENT_SOURCE_DIR}/${port}.ld)

    add_library(${port}-board OBJECT
        ${board_SOURCES} ${FP_BARE}/startup.c ${FP_BARE}/wire.c)
    target_link_libraries(${port}-board PUBLIC fp_core)
    target_compile_definitions(${port}-board PUBLIC
        FP_BARE_WIRE_IN=${board_WIRE_IN} FP_BARE_WIRE_OUT=${board_WIRE_OUT})

    add_executable(${port} main.c ${FP_BARE}/bare.c)
    target_link_libraries(${port} PRIVATE fp_agent)
    target_compile_definitions(${port} PRIVATE FP_PORT_VERSION="${PROJECT_VERSION}")
    target_link_options(${port} PRIVATE -Wl,--print-memory-usage)

    add_executable(${port}-echo ${FP_BARE}/echo.c)
    foreach(program ${port} ${port}-echo)
        target_link_libraries(${program} PRIVATE ${port}-board)
        target_link_options(${program} PRIVATE
            -T ${script} -L ${FP_BARE} -nostartfiles
            -Wl,--defsym=STACK_SIZE=${board_STACK})
        set_target_properties(${program} PROPERTIES SUFFIX .elf
            LINK_DEPENDS "${script};${FP_BARE}/sections.ld")
        add_custom_command(TARGET ${program} POST_BUILD
            COMMAND ${CMAKE_OBJCOPY} -O binary ${program}.elf ${program}.bin
            COMMAND ${CMAKE_OBJCOPY} -O ihex ${program}.elf ${program}.hex
            WORKING_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} VERBATIM)
    endforeach()
endfunction()
