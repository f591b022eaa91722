/* SPDX-License-Identifier: MIT
 *
 * What a device says about itself, checked and copied into plain structs.
 * Every function answers FP_OK, or FP_ERR_PROTO with a sentence in *why (a
 * static string).
 */
#ifndef FPD_DEVICE_INFO_H
#define FPD_DEVICE_INFO_H

#include "daemon/device/device.h"
#include "proto/flashport.pb.h"

int fpd_info_hello(const fp_HelloReply *reply, struct fpd_device_info *info,
                   const char **why);
/* What both ends use, as bits and as words. */
void fpd_info_features(struct fpd_device_info *info, uint32_t features);
/* Adds it to list[0..*count), where there is none of its path yet. */
int fpd_info_volume(const fp_VolumeReply *reply, struct fpd_volume_info *list,
                    uint32_t *count, const char **why);
/* Which volume is the default, by those that are mounted. Hello tells it once,
 * cards come and go later. */
void fpd_info_default(struct fpd_device_info *info);
int fpd_info_storage(const fp_StorageReply *reply,
                     struct fpd_storage_info *list, uint32_t *count,
                     const char **why);
/* A directory entry: its name is one a directory can have. */
int fpd_info_entry(const fp_Entry *entry, struct fpd_entry *out,
                   const char **why);
int fpd_info_stat(const fp_Entry *entry, struct fpd_stat *out,
                  const char **why);
/* "[A-Za-z0-9._-]{1,max}" */
bool fpd_info_is_word(const uint8_t *bytes, size_t size, size_t max);
/* Absolute, components without "", "." and "..", no trailing '/' but in "/":
 * FP_OK, FP_ERR_INVAL, FP_ERR_NAMETOOLONG. */
int fpd_info_path(const char *path);
/* The enum fp_error of a Failure; a number that is none of ours: PROTO. */
int fpd_info_error(fp_Error error);

#endif
