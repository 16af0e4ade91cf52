/* SPDX-License-Identifier: BSD-2-Clause */
#include "suspend/eintr.h"

#include <asm/unistd.h>
#include <errno.h>
#include <stddef.h>

bool
susp_undo_eintr(struct user_regs_struct *regs)
{
	static const long calls[] = {__NR_epoll_wait, __NR_epoll_pwait,
	    441 /* epoll_pwait2 */, __NR_semop, __NR_semtimedop,
	    __NR_rt_sigtimedwait, __NR_io_getevents, 333 /* io_pgetevents */,
	    __NR_recvfrom, __NR_recvmsg, __NR_recvmmsg, __NR_accept,
	    __NR_accept4, __NR_connect, __NR_sendto, __NR_sendmsg,
	    __NR_sendmmsg};

	if ((long)regs->rax != -EINTR)
		return false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i] == (long)regs->orig_rax) {
			regs->rax = (unsigned long)-SUSP_ERESTARTNOHAND;
			return true;
		}
	}
	return false;
}
