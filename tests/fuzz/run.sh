#!/bin/bash
# Builds the fuzz targets and runs each for some seconds over its corpus: what was found before must not come back, and something new may
# turn up.  An input that ends a target is left in build/fuzz/finds; what belongs into the corpus is in build/fuzz/corpus, until the next
# run of less than a minute.
#
# usage: tests/fuzz/run.sh [SECONDS [TARGET...]]
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-${REND_TEST_LONG:+60}}
seconds=${seconds:-4}
[ $# -gt 0 ] && shift
dir=build/fuzz

# Fewer edges than these: it is not instrumented, or its corpus is gone.
declare -A edges=([text]=700 [bin]=300 [answer]=250 [conf]=500 [letter]=500)
targets=("$@")
[ ${#targets[@]} = 0 ] && targets=(text bin answer conf letter)

make_targets() {
    if ! [ $dir/config.status -nt configure ]; then
        mkdir -p $dir && (cd $dir && ../../configure --quiet CC=clang --enable-werror \
            --enable-sanitize=address,undefined,fuzzer-no-link CFLAGS='-O1 -g1') || return
    fi
    make -C $dir --no-print-directory -j"$(nproc)" "${targets[@]/#/tests/fuzz/fuzz_}"
}

# fuzz TARGET LOG: its exit status.
fuzz() {
    local target=$1 log=$2 leaks=1 longest=800
    # libconfig 1.5 itself loses a few bytes after some mistakes in a file.
    [ "$target" = conf ] && leaks=0
    # A whole takeover.
    [ "$target" = letter ] && longest=1500
    [ "$seconds" -lt 60 ] && rm -rf "$dir/corpus/$target"
    mkdir -p "$dir/corpus/$target" $dir/finds
    ASAN_OPTIONS=detect_leaks=$leaks:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1 timeout --kill-after=10 $((seconds + 120)) \
        "$dir/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=$longest -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -dict="tests/fuzz/$target.dict" -artifact_prefix="$dir/finds/$target-" "$dir/corpus/$target" "tests/fuzz/corpus/$target" \
        >"$log" 2>&1 </dev/null
}

make_targets >&2 || exit 1
passed=0 failed=0
for target in "${targets[@]}"; do
    log=$dir/fuzz_$target.log
    fuzz "$target" "$log"
    code=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(grep -ao ' cov: [0-9]*' "$log" | tail -n 1 | tr -dc 0-9)
    printf '%-8s %9s executions  cov: %s\n' "$target" "${executions:-0}" "${covered:-none}"
    if [ $code != 0 ]; then
        echo "FAIL $target: ended with $code"
        tail -n 40 "$log" | tr -cd '\t\n -~'
        failed=$((failed + 1))
    elif [ "${covered:-0}" -lt "${edges[$target]}" ]; then
        echo "FAIL $target: less than ${edges[$target]} edges"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
