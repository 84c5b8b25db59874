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
# All files at once: to start clang-format takes longer than what it does to a file.
mapfile -t files < <(sources core plugins tools bench tests)
said=$(cd "$root" && printf '%s\n' "${files[@]}" | xargs -r clang-format --style=file --dry-run -Werror 2>&1)
ended=$?
declare -A crooked=()
while read -r line; do
    crooked[${line%%:*}]+=$'\n'$line
done < <(grep 'error:' <<<"$said")
[ $ended = 0 ] || [ ${#crooked[@]} -gt 0 ] || bad "clang-format ended with $ended: $said"
# How long each is, and how it begins.
declare -A length=() opens=()
while IFS=$'\t' read -r file lines begin; do
    length[$file]=$lines
    opens[$file]=$begin
done < <(cd "$root" && printf '%s\n' "${files[@]}" | xargs -r awk '
    function tell() { if (name != "") print name "\t" lines "\t" begin }
    FNR == 1 { tell(); name = FILENAME; begin = substr($0, 1, 2) }
    { lines = FNR }
    END { tell() }')
for file in "${files[@]}"; do
    before=$failed
    [ "${length[$file]:-0}" -le $lines_max ] || bad "$file:${length[$file]}: longer than $lines_max lines: which nouns are in it?"
    [ "${opens[$file]:-}" = '/*' ] || bad "$file:1: does not open with a comment that says what it is"
    [ -z "${crooked[$file]:-}" ] || bad "$file: not as clang-format leaves it:$(head -n 4 <<<"${crooked[$file]}")"
    [ "$failed" = "$before" ] && good
done
finish
