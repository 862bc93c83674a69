/* SPDX-License-Identifier: Apache-2.0 */
/* What the shared library exports: everything is hidden except declarations marked TRANSHIP_API. */
#ifndef TRANSHIP_EXPORT_H
#define TRANSHIP_EXPORT_H

#if defined(__GNUC__)
#define TRANSHIP_API __attribute__((visibility("default")))
#else
#define TRANSHIP_API
#endif

#endif
