# SPDX-License-Identifier: MIT
# What the core and the agent are held to on a micro:bit, so that they fit
# 16 KB of RAM. docs/firmware-ports.md says what each costs.
target_compile_definitions(fp_flags INTERFACE
    FP_ADDR32=1
    FP_CRC32_SMALL=1
    FP_LFS_SMALL=1
    FP_NAME_MAX=64
    FP_PATH_MAX=160
    FP_MESSAGE_PATH_MAX=160
    FP_MESSAGE_NAME_MAX=64
    FP_AGENT_REQUESTS=2
    FP_AGENT_UPLOADS=1
    FP_AGENT_PARTITIONS=1
    FP_MESSAGE_DIGESTS=8
    FP_MESSAGE_SMALL=1
    FP_AGENT_LZ4_IN=0
    FP_AGENT_LZ4_OUT=0
    FP_LINK_STAGE=128)
