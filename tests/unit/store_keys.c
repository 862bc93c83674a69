// SPDX-License-Identifier: Apache-2.0
#include "store_keys.h"

#include "support.h"

#include <string.h>

struct store_keys store_keys_of(bool encrypted)
{
	struct store_keys keys = { .encrypted = encrypted };
	struct tranship_error err;

	memset(keys.store_id, 0x51, sizeof(keys.store_id));
	if (encrypted)
		memset(keys.data_key, 0xD7, sizeof(keys.data_key));
	assert_ok(store_keys_derive(&keys, &err), &err);
	return keys;
}
