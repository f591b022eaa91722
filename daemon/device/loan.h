/* SPDX-License-Identifier: MIT
 *
 * The loan of a link's port to another program, as its worker sees it. What
 * others do about it is in device.h.
 */
#ifndef FPD_DEVICE_LOAN_H
#define FPD_DEVICE_LOAN_H

#include "daemon/device/worker.h"

/* Until when (fpd_now_ms()) the port is another program's; 0: it is ours. A
 * loan whose time is over ends here. Takes devices->lock; from the worker's own
 * thread. */
int64_t fpd_loan_until(struct fpd_worker *worker);
/* The port is closed and its lock gone: whoever waits for that goes on. */
void fpd_loan_closed(struct fpd_worker *worker);

#endif
