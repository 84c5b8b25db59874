#!/bin/bash
# Runs one test of `make check`, in the build folder: with a temporary folder of its own, the paths it may want, and a limit of time.
#
# usage: run.sh COMMAND...
set -u
umask 022
build=$PWD
TMPDIR=$(mktemp -d /tmp/rend-test.XXXXXX) || exit 1
# A second one, where nobody waits for a disk: a test that wants it makes it.
TMPDIR_IN_MEMORY=/dev/shm/${TMPDIR##*/}
[ -w /dev/shm ] || TMPDIR_IN_MEMORY=$TMPDIR/in-memory
trap 'rm -rf "$TMPDIR" "$TMPDIR_IN_MEMORY"' EXIT
export TMPDIR TMPDIR_IN_MEMORY
export REND=$build/rend
export REND_PLUGINS=$build/.libs
export METER_LIB=$build/tests/talk/meter.so
export JUMP_LIB=$build/tests/talk/jump.so
export HANG_LIB=$build/tests/talk/hang.so
export DIE_LIB=$build/tests/talk/die.so
export TEST_PLUGINS=$build/tests/talk
export REND_PREFIX=$build/tests/prefix
export PYTHONDONTWRITEBYTECODE=1
# Tests that bound a server's memory run here too: freed memory is kept aside up to 16 MiB, not 256.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1:quarantine_size_mb=16}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# A process that ends gives its other threads 50 ms to report what they have found, not a whole second.
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=50:suppressions=$(cd "$(dirname "$0")" && pwd)/tsan.supp}
# A program of ours keeps what it frees, and asks for memory in large pieces: one that makes thousands of stores takes ten times as long when each gets
# its pages from the kernel again.  (Servers under test run as they would anywhere.)
case $1 in
*/python3 | bash) ;;
*) export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_TOP_PAD_=16777216 ;;
esac
# A test that hangs is ended.  What takes ten minutes on a slow machine that has other things to do, too, does not hang.
limit=${REND_TEST_SECONDS:-$([ -n "${REND_TEST_LONG:-}" ] && echo 7200 || echo 1800)}
timeout --kill-after=10 "$limit" "$@"
code=$?
# Seconds on the clock, and what of the processors they took: in the program, in the kernel.
times >"$TMPDIR/times"
echo "# took $SECONDS s; $(tail -n 1 "$TMPDIR/times")"
[ $code = 124 ] && echo "run.sh: ended after $limit s"
exit $code
