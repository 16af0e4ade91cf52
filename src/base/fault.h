/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fault injection for tests: named places where a step can be made to fail or
 * its process to die. VPS_FAULT selects one: "NAME", "kill:NAME" (SIGKILL to
 * this process) or "stop:NAME" (it hangs, until it is killed).
 */
#pragma once

/* 0, or -EIO where the test wants the step to fail. */
int fault_hit(const char *name);
