/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler is told about our functions. MUST_CHECK marks every prototype that can fail:
 * a failure that nobody looks at does not build. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

#endif
