/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that libtranship offers. Each header can be included alone. */
#ifndef TRANSHIP_TRANSHIP_H
#define TRANSHIP_TRANSHIP_H

#include "tranship/boot.h"
#include "tranship/changes.h"
#include "tranship/copy.h"
#include "tranship/delta.h"
#include "tranship/disk.h"
#include "tranship/error.h"
#include "tranship/file.h"
#include "tranship/fingerprint.h"
#include "tranship/image.h"
#include "tranship/modify.h"
#include "tranship/pipeline.h"
#include "tranship/policy.h"
#include "tranship/probe.h"
#include "tranship/store.h"
#include "tranship/writer.h"

#endif
