/* SPDX-License-Identifier: MIT
 *
 * What FunctionFS is told through ep0: our interface at full and high speed,
 * and what makes Windows bind WinUSB.
 *
 * That is Microsoft's OS descriptors 1.0, the string 0xee and what it leads to:
 * the kernel answers requests for them by itself. MS OS 2.0 begins in the BOS,
 * which the kernel writes alone and has no place in for it.
 *
 * Source  linux/usb/functionfs.h; Microsoft OS 1.0 Descriptors Specification
 */
#ifndef FP_DEVICE_AGENT_PORTS_GADGET_DESCRIPTORS_H
#define FP_DEVICE_AGENT_PORTS_GADGET_DESCRIPTORS_H

/* To an ep0 that was just opened. 0, or -1 with errno. */
int fp_port_ffs_describe(int ep0);

#endif
