#!/bin/bash
# The handler kit over `locked` over inmem: a policy that is no walk has to answer as what is below it does; only what a descriptor promises
# (REND_CAN_...) it cannot promise for another, and it keeps nothing itself.  At once, and with answers that come later above it and below it; with locks that are hardly met, and with one for all.
set -u
tool=$(dirname "$REND")/rend-plugin-test
least=70 # behaviours; a list that has shrunk proves less
passed=0
failed=0
apart='does not say REND_CAN_|it claims nothing|it does not know what memory it holds|there is nothing to drain|it has no memory to offer'

# way ARGUMENT...
way() {
    local said p f odd
    said=$("$tool" --seconds 300 -o "over=$REND_PLUGINS/inmem.so" "$@" "$REND_PLUGINS/locked.so" 2>&1)
    read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' <<<"$said")
    odd=$(grep '^skip' <<<"$said" | grep -vcE "$apart")
    grep -vE "^ok|$apart" <<<"$said" | sed "s/^/$*: /"
    if [ "${p:-0}" -lt $least ] || [ "$odd" != 0 ]; then
        echo "$*: too few behaviours"
        f=$((${f:-0} + 1))
    fi
    passed=$((passed + ${p:-0}))
    failed=$((failed + ${f:-0}))
}

# Under ThreadSanitizer the way with the most that waits for others: the three besides have no more threads.
if ! grep -qE '__(tsan|asan)_init' "$tool"; then
    way --later
    way -o stripes=1 -o readers=single
fi
if ! grep -q __tsan_init "$tool"; then
    way
fi
way --later -o stripes=1 -o readers=single
echo "$passed passed, $failed failed"
[ $failed = 0 ]
