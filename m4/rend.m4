# REND_PLUGIN(NAME, PKG-CONFIG-MODULES, HELP)
# --enable-NAME/--disable-NAME; by default a plugin is built when its libraries are found.  Asking for one whose libraries are missing
# is an error.
AC_DEFUN([REND_PLUGIN], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$3])],
    [rend_want=$enableval], [rend_want=auto])
  m4_ifval([$2],
    [AS_IF([test "x$rend_want" != xno],
      [PKG_CHECK_MODULES(m4_toupper([$1]), [$2], [rend_have=yes],
        [AS_IF([test "x$rend_want" = xyes], [AC_MSG_ERROR([--enable-$1 needs $2])])
         rend_have=no])],
      [rend_have=no])],
    [AS_IF([test "x$rend_want" = xno], [rend_have=no], [rend_have=yes])])
  AM_CONDITIONAL([PLUGIN_]m4_toupper([$1]), [test "x$rend_have" = xyes])
  AS_IF([test "x$rend_have" = xyes], [rend_plugins="$rend_plugins $1"])
])

# --enable-sanitize=address,undefined | thread
AC_DEFUN([REND_SANITIZE], [
  AC_ARG_ENABLE([sanitize], [AS_HELP_STRING([--enable-sanitize=LIST], [build under these sanitizers, as in -fsanitize=LIST])],
    [AS_IF([test "x$enableval" != xno], [
      AS_IF([test "x$enableval" = xyes], [enableval=address,undefined])
      # An error that is found ends the program: else a test could pass over it.
      CFLAGS="$CFLAGS -fsanitize=$enableval -fno-sanitize-recover=all -fno-omit-frame-pointer"
      LDFLAGS="$LDFLAGS -fsanitize=$enableval"
      AS_CASE([$enableval], [*thread*], [rend_sanitized_threads=yes])
      rend_sanitized=yes])])
  AM_CONDITIONAL([SANITIZED], [test "x$rend_sanitized" = xyes])
  AM_CONDITIONAL([SANITIZED_THREADS], [test "x$rend_sanitized_threads" = xyes])
])

# --enable-werror
AC_DEFUN([REND_WERROR], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [a warning ends the build])],
    [AS_IF([test "x$enableval" = xyes], [AC_SUBST([REND_WERROR_CFLAGS], [-Werror])])])
])

# --enable-debug
AC_DEFUN([REND_DEBUG], [
  AC_ARG_ENABLE([debug], [AS_HELP_STRING([--enable-debug], [costly checks, and freed memory overwritten])],
    [AS_IF([test "x$enableval" = xyes], [AC_SUBST([REND_DEBUG_CPPFLAGS], [-DREND_DEBUG])])])
])

# --with-liburing
# What the parts of ssd do by io_uring; without it, threads do it.
AC_DEFUN([REND_LIBURING], [
  AC_ARG_WITH([liburing], [AS_HELP_STRING([--with-liburing], [requests to disks by io_uring (default: if liburing is found)])],
    [rend_want=$withval], [rend_want=auto])
  AS_IF([test "x$rend_want" != xno],
    [PKG_CHECK_MODULES([URING], [liburing >= 2.2], [AC_SUBST([URING_CPPFLAGS], [-DSSD_URING=])],
      [AS_IF([test "x$rend_want" != xauto], [AC_MSG_ERROR([--with-liburing needs liburing (Debian: liburing-dev)])])])])
])
