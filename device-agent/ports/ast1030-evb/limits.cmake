# SPDX-License-Identifier: MIT
# What the core and the agent are held to on an AST1030, which has room.
# docs/firmware-ports.md says what it costs.
target_compile_definitions(fp_flags INTERFACE
    FP_ADDR32=1)
