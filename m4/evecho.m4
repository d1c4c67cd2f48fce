# SPDX-License-Identifier: BSD-2-Clause
#
# Asking the compiler and the linker what they know. Each macro tries one flag
# alone, with warnings as errors (clang only warns of a flag it does not know),
# and adds it to a variable of ours; CFLAGS and LDFLAGS stay the user's.

# EVECHO_CC_FLAG(VARIABLE, FLAG)
# ------------------------------
AC_DEFUN([EVECHO_CC_FLAG], [
    AS_VAR_PUSHDEF([known], [evecho_cv_cc_flag_$2])
    AC_CACHE_CHECK([whether $CC knows $2], [known], [
        evecho_saved_CFLAGS=$CFLAGS
        CFLAGS="$CFLAGS -Werror $2"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
            [AS_VAR_SET([known], [yes])], [AS_VAR_SET([known], [no])])
        CFLAGS=$evecho_saved_CFLAGS
    ])
    AS_VAR_IF([known], [yes], [$1="$$1 $2"])
    AS_VAR_POPDEF([known])
])

# EVECHO_CC_FLAGS(VARIABLE, FLAGS)
# --------------------------------
AC_DEFUN([EVECHO_CC_FLAGS], [
    m4_foreach_w([evecho_flag], [$2], [EVECHO_CC_FLAG([$1], evecho_flag)])
])

# EVECHO_LD_FLAG(VARIABLE, FLAG, [COMPILER-FLAGS])
# ------------------------------------------------
# COMPILER-FLAGS: what the objects need for the link to be a fair question.
AC_DEFUN([EVECHO_LD_FLAG], [
    AS_VAR_PUSHDEF([known], [evecho_cv_ld_flag_$2])
    AC_CACHE_CHECK([whether the linker knows $2], [known], [
        evecho_saved_CFLAGS=$CFLAGS
        evecho_saved_LDFLAGS=$LDFLAGS
        CFLAGS="$CFLAGS $3"
        LDFLAGS="$LDFLAGS -Werror $2"
        AC_LINK_IFELSE([AC_LANG_PROGRAM()],
            [AS_VAR_SET([known], [yes])], [AS_VAR_SET([known], [no])])
        CFLAGS=$evecho_saved_CFLAGS
        LDFLAGS=$evecho_saved_LDFLAGS
    ])
    AS_VAR_IF([known], [yes], [$1="$$1 $2"])
    AS_VAR_POPDEF([known])
])

# EVECHO_REQUIRE_FLAG(VARIABLE, FLAGS, WHAT-FOR)
# ----------------------------------------------
# A switch the user gave by name is never dropped in silence.
AC_DEFUN([EVECHO_REQUIRE_FLAG], [
    AC_MSG_CHECKING([whether $CC compiles and links with $2])
    evecho_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$3 needs a compiler that links with $2; $CC does not])])
    CFLAGS=$evecho_saved_CFLAGS
    $1="$$1 $2"
])

# EVECHO_IF_MACROS(CONDITION, IF-TRUE, IF-FALSE)
# ----------------------------------------------
# What the compiler says of its target, by the macros that it defines: right for
# a cross compiler, and for one that -m32 or the like turns to another machine.
AC_DEFUN([EVECHO_IF_MACROS], [
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if !($1)
#error "it is not"
#endif
]])], [$2], [$3])
])

# EVECHO_REQUIRE_MACROS(CONDITION, MESSAGE)
# -----------------------------------------
AC_DEFUN([EVECHO_REQUIRE_MACROS], [
    AC_MSG_CHECKING([whether $CC has $1])
    EVECHO_IF_MACROS([$1], [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$2])])
])

# EVECHO_ATOMIC
# -------------
# Adds to LIBS what 64-bit atomics need: nothing on 64-bit machines, a library of
# the compiler's on some of 32 bits.
AC_DEFUN([EVECHO_ATOMIC], [
    AC_CACHE_CHECK([what 64-bit atomics need], [evecho_cv_atomic], [
        evecho_saved_LIBS=$LIBS
        evecho_cv_atomic=unknown
        for evecho_library in '' -latomic; do
            LIBS="$evecho_saved_LIBS $evecho_library"
            AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <stdatomic.h>
#include <stdint.h>
_Atomic uint64_t counter;
]], [[return (int)atomic_fetch_add(&counter, 1) + (int)atomic_exchange(&counter, 0)]])],
                [evecho_cv_atomic=${evecho_library:-nothing}
                 break])
        done
        LIBS=$evecho_saved_LIBS
    ])
    AS_CASE([$evecho_cv_atomic],
        [nothing], [],
        [unknown], [AC_MSG_ERROR([64-bit atomics are needed; $CC links none, nor with -latomic])],
        [LIBS="$LIBS $evecho_cv_atomic"])
])
