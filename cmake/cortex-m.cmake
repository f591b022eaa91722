# SPDX-License-Identifier: MIT
# Firmware for a Cortex-M, the one that FP_CPU says (cortex-m0.cmake), made by
# Debian's gcc-arm-none-eabi with the small newlib. Which board is FP_PORT, a
# folder of device-agent/ports. nanopb's C sources come from
# cmake/debian-source.sh, which puts them into FP_NANOPB_SOURCE.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# Freestanding, so that a failed assertion traps and printf stays out.
set(CMAKE_C_FLAGS_INIT "-mcpu=${FP_CPU} -mthumb -ffreestanding")
string(APPEND CMAKE_C_FLAGS_INIT " -ffunction-sections -fdata-sections")
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=nano.specs -Wl,--gc-sections")

if(NOT FP_NANOPB_SOURCE)
    set(FP_NANOPB_SOURCE ${CMAKE_CURRENT_LIST_DIR}/../build/debian/nanopb)
endif()
