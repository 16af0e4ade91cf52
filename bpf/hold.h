/* SPDX-License-Identifier: BSD-2-Clause
 * What hold.bpf.c and its loader share. */
#pragma once

#define HOLD_PASS 0 /* nothing is held */
#define HOLD_NEW  1 /* SYNs to the instance are dropped */
#define HOLD_ALL  2 /* everything is dropped, both ways */

/* Packets over lo with this mark pass whatever the verdict: those that a
 * restore sends to the sockets it makes. Root inside can set it too, and only
 * spoil its own suspend: the mark doesn't survive the way to the host's end. */
#define HOLD_LO_MARK    0x76707321
#define HOLD_LO_IFINDEX 1

struct hold_state {
	unsigned verdict; /* HOLD_* */
	unsigned reserved;
	unsigned long long dropped; /* packets so far */
};

/* Stands in the code where the address of the state belongs: the loader looks
 * for the one instruction that has it. */
#define HOLD_STATE_MARK 0x7670735f686f6c64ULL
