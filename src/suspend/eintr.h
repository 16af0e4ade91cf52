/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Freezing is visible to a few system calls: they fail with EINTR though no
 * signal came. Their registers are changed so that the kernel runs the call
 * once more, or returns EINTR when a handler does run.
 */
#pragma once
#include <stdbool.h>
#include <sys/user.h>

/* Results inside the kernel that user space never sees (linux/errno.h). */
#define SUSP_ERESTARTNOHAND        514
#define SUSP_ERESTART_RESTARTBLOCK 516

/* True when the registers were changed. */
bool susp_undo_eintr(struct user_regs_struct *regs);
