#!/bin/bash
# Does ./dev count honestly?  What tests print when they pass, fail, are skipped, die, or say nothing.
#
# usage: tally_test.sh [SOURCE TREE]
set -u
root=${1:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"

# tells EXPECTED CODE: what is read, with this exit status, counts so.
tells() {
    local got
    got=$(awk -v code="$2" -f "$root/tests/tally.awk")
    if [ "$got" = "$1" ]; then
        good
    else
        bad "line ${BASH_LINENO[0]}: counts $got instead of $1"
    fi
}

tells "3 0" 0 <<'OUT'
[==========] Running 3 test(s).
[==========] 3 test(s) run.
[  PASSED  ] 3 test(s).
OUT
tells "5 0" 0 <<'OUT'
[==========] Running 2 test(s).
[  PASSED  ] 2 test(s).
[==========] Running 3 test(s).
[  PASSED  ] 3 test(s).
OUT
# one failed, one skipped
tells "1 2" 1 <<'OUT'
[==========] tests of it: Running 3 test(s).
[  PASSED  ] 1 test(s).
[  SKIPPED ] tests: 1 test(s), listed below:
[  FAILED  ] tests: 1 test(s), listed below:
OUT
# skipped only: the program thinks that all is well
tells "1 1" 0 <<'OUT'
[==========] Running 2 test(s).
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
OUT
# died in the first
tells "0 4" 139 <<'OUT'
[==========] Running 4 test(s).
[ RUN      ] first
OUT
# all passed, then a leak was found
tells "3 1" 1 <<'OUT'
[==========] Running 3 test(s).
[  PASSED  ] 3 test(s).
ERROR: LeakSanitizer: detected memory leaks
OUT
tells "7 0" 0 <<<"7 passed, 0 failed"
tells "7 2" 1 <<<"7 passed, 2 failed"
tells "7 3" 0 <<<"7 passed, 0 failed, 3 skipped"
tells "7 1" 134 <<<"7 passed, 0 failed"
tells "2 1" 1 <<'OUT'
9 passed, 0 failed
2 passed, 1 failed
OUT
tells "0 1" 0 <<<"0 passed, 0 failed"
tells "0 1" 0 <<<"all is well"
tells "0 1" 0 </dev/null
tells "0 1" 1 </dev/null
finish
