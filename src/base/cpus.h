/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

/* How many CPUs this process may run on, at least 1 and at most 64. */
unsigned cpus_usable(void);

#endif
