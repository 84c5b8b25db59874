#!/bin/bash
# Every source is as clang-format leaves it, opens by saying what it is, and is short enough to be one thing.
#
# usage: format.sh [SOURCE TREE]
set -u
root=${1:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"
lines_max=600

if ! command -v clang-format >/dev/null; then
    bad "clang-format is not installed"
    finish
fi
while read -r file; do
    before=$failed
    lines=$(wc -l <"$root/$file")
    [ "$lines" -le $lines_max ] || bad "$file:$lines: longer than $lines_max lines: which nouns are in it?"
    head -c 2 "$root/$file" | grep -q '^/\*' || bad "$file:1: does not open with a comment that says what it is"
    said=$(cd "$root" && clang-format --style=file --dry-run -Werror "$file" 2>&1) || bad "$file: not as clang-format leaves it:
$(grep -m 3 'error:' <<<"$said")"
    [ "$failed" = "$before" ] && good
done < <(sources core plugins tools bench tests)
finish
