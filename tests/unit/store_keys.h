/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_STORE_KEYS_H
#define TESTS_UNIT_STORE_KEYS_H

#include "emit/seal.h"

/* The same ones every time. */
struct store_keys store_keys_of(bool encrypted);

#endif
