// SPDX-License-Identifier: Apache-2.0
#include "base/cpus.h"

#include <sched.h>

unsigned cpus_usable(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < 1 ? 1 : count > 64 ? 64 : (unsigned)count;
}
