/* SPDX-License-Identifier: BSD-2-Clause
 * System V objects and POSIX message queues are found and refused by name. */
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/auto.h"
#include "kindtest.h"
#include "kindtest_i.h"
#include "snapst/ipc.h"
#include "snapst/snap_i.h"

void
snap_object_proc(
    struct snap *s, const struct snap_proc *p, const char *fmt, ...)
{
	struct kt *kt = (struct kt *)s;
	char text[512];
	va_list ap;

	(void)p;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(&kt->obj, "%s\n", text);
	kt->nobj++;
}

static int
test_list(void)
{
	struct kt *kt = kt_new();
	auto_buf struct buf b = {0};
	char want[512];
	int shm, sem, msg;
	mqd_t q;

	KT_ASSERT(snap_ipc_list(KT_SNAP(kt), &b) == 0 && b.len == 0);
	shm = shmget(0x1234, 4096, IPC_CREAT | 0600);
	sem = semget(0x55, 2, IPC_CREAT | 0600);
	msg = msgget(IPC_PRIVATE, 0600);
	q = mq_open("/vps-test", O_RDWR | O_CREAT, 0600, NULL);
	KT_ASSERT(shm >= 0 && sem >= 0 && msg >= 0 && q >= 0);
	(void)snprintf(want, sizeof(want),
	    "System V shared memory segment %d (key 0x1234)\n"
	    "System V semaphore set %d (key 0x55)\n"
	    "System V message queue %d (key 0x0)\n"
	    "POSIX message queue /vps-test\n",
	    shm, sem, msg);
	KT_ASSERT(snap_ipc_list(KT_SNAP(kt), &b) == 0);
	fprintf(stderr, "%s", buf_str(&b));
	KT_ASSERT(strcmp(buf_str(&b), want) == 0);
	KT_ASSERT(snap_ipc_check(KT_SNAP(kt)) == 0 && kt->nobj == 4);
	KT_ASSERT(strstr(buf_str(&kt->obj),
		      "(key 0x55) can't be carried; end its") != NULL);
	KT_ASSERT(snap_ipc_dump(KT_SNAP(kt), NULL) == -EOPNOTSUPP);
	KT_ASSERT(mq_close(q) == 0 && mq_unlink("/vps-test") == 0);
	kt_free(kt);
	return 0;
}

static int
mq_setup(void *sh)
{
	(void)sh;
	return mq_open("/vps-fd", O_RDWR | O_CREAT, 0600, NULL) < 0 ? -1 : 0;
}

static int
test_open(void)
{
	return kt_refused(mq_setup, "POSIX message queue /vps-fd");
}

int
main(int argc, char **argv)
{
	static const struct kt_test tests[] = {
	    {"list", test_list},
	    {"open", test_open},
	};

	if (unshare(CLONE_NEWIPC) < 0) {
		perror("unshare");
		return 1;
	}
	return kt_main(tests, ARRAY_LEN(tests), argc > 1 ? argv[1] : NULL);
}
