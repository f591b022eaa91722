/* SPDX-License-Identifier: MIT
 *
 * flock() is in cli/windows/posix.h.
 */
