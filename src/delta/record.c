// SPDX-License-Identifier: Apache-2.0
#include "delta/record.h"
