#!/bin/bash
# The handler kit over `chunked` over inmem, which has versions, and over a handler that has none.  At once, with answers that come later above it and
# below it, and with pieces so small, and so few of them at a time, that most values have several.
set -u
tool=$(dirname "$REND")/rend-plugin-test
least=75 # behaviours; a list that has shrunk proves less
passed=0
failed=0
# What it has no need of, and a set that is late, which it refuses.
apart='it claims nothing|it does not know what memory it holds|there is nothing to drain|it has no memory to offer|its versions are good over any connection|not supported'

# way LEAST ODD PLUGIN ARGUMENT...		ODD: what else is skipped
way() {
    local said p f odd few=$1 more=$2 over=$3
    shift 3
    said=$("$tool" --seconds 300 -o "over=$over" "$@" "$REND_PLUGINS/chunked.so" 2>&1)
    read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' <<<"$said")
    odd=$(grep '^skip' <<<"$said" | grep -vcE "$apart|$more")
    grep -vE "^ok|$apart|$more" <<<"$said" | sed "s|^|$over $*: |"
    if [ "${p:-0}" -lt "$few" ] || [ "$odd" != 0 ]; then
        echo "$over $*: too few behaviours"
        f=$((${f:-0} + 1))
    fi
    passed=$((passed + ${p:-0}))
    failed=$((failed + ${f:-0}))
}

nothing='nothing else'
# Under ThreadSanitizer the way with the most that waits for others, and larger pieces: one behaviour has a value of 80 MiB.
small=512
if grep -q __tsan_init "$tool"; then
    small=16KiB
fi
if ! grep -qE '__(tsan|asan)_init' "$tool"; then
    way $least "$nothing" "$REND_PLUGINS/inmem.so"
fi
if ! grep -q __tsan_init "$tool"; then
    way $least "$nothing" "$REND_PLUGINS/inmem.so" -o chunk_size=512 -o window=1
fi
way $least "$nothing" "$REND_PLUGINS/inmem.so" --later -o chunk_size=$small -o window=2
sound=${REND_BROKEN:-tests/kit/broken}/sound.so
# It keeps its items in one list, which takes its time with many.
way 30 'it has no |it does not ' "$sound" -o chunk_size=16KiB
echo "$passed passed, $failed failed"
[ $failed = 0 ]
