/* SPDX-License-Identifier: MIT
 *
 * A pipe: the two bulk endpoints of an open USB device as a stream of bytes
 * each way. Some transfers each way are always under way or ready to be:
 *
 *   in   all of them wait for the device from the start. What has come stays in
 *        its buffer until it was taken; then that transfer goes off again. A
 *        reader that is slow holds the device up and costs no memory
 *   out  each takes what it is given and goes off. With all of them under way
 *        nothing is taken
 *
 * Memory  the buffers are the pipe's, 128 KiB in all, from new to free
 * Errors  a pipe breaks once and for all; the sentence tells why
 * Thread  the owner's, but for completions, which come on the bus's thread
 */
#ifndef FPD_LINK_USB_PIPE_H
#define FPD_LINK_USB_PIPE_H

#include "daemon/link/usb_bus.h"

struct fpd_usb_pipe;

/* Over an open handle whose interface is claimed: both become the pipe's, not
 * so on an error. FP_ERR_NOMEM, FP_ERR_NFILE. */
int fpd_usb_pipe_new(libusb_device_handle *handle,
                     const struct fpd_usb_port *port,
                     struct fpd_usb_pipe **out);
/* Calls the transfers back, waits until they are, and closes the handle. */
void fpd_usb_pipe_free(struct fpd_usb_pipe *pipe);
/* Readable when something may have changed since fpd_usb_pipe_take() began. */
int fpd_usb_pipe_fd(const struct fpd_usb_pipe *pipe);
/* How many bytes were taken of, or put into, buf[0..size); perhaps 0. */
size_t fpd_usb_pipe_put(struct fpd_usb_pipe *pipe, const uint8_t *buf,
                        size_t size);
size_t fpd_usb_pipe_take(struct fpd_usb_pipe *pipe, uint8_t *buf, size_t size);
/* Why it is broken, or NULL. */
const char *fpd_usb_pipe_broken(struct fpd_usb_pipe *pipe);

#endif
