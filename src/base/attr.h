/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler attributes for our functions. MUST_CHECK marks every prototype that can fail: the build
 * stops if a caller ignores the result. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

#endif
