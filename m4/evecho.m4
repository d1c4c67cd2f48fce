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
