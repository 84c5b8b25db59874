#!/bin/bash
# What is visible across the border between the program and its plugins: a plugin shows rend_plugin and nothing else; the program shows
# every function that its headers promise, and of ours nothing else.
#
# usage: symbols.sh BUILD FOLDER [SOURCE TREE]
set -u
build=$1
root=${2:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"

# shown FILE: the symbols that others see, without those of the C start-up files and of the C library (optarg: copied into the program).
shown() {
    nm -D --defined-only "$1" | awk '$NF !~ /@/ { print $NF }' | grep -vE '^(_.*|data_start)$' | LC_ALL=C sort
}

plugins=0
for so in "$build"/.libs/*.so; do
    [ -f "$so" ] || continue
    plugins=$((plugins + 1))
    if [ "$(shown "$so")" = rend_plugin ]; then
        good
    else
        bad "$so: shows $(shown "$so" | tr '\n' ' ')instead of rend_plugin alone"
    fi
done
[ $plugins -gt 0 ] || bad "no plugins in $build/.libs"

if [ ! -x "$build/rend" ]; then
    bad "no program $build/rend"
    finish
fi
# A declaration may go over several lines: what counts is the name before the first parenthesis.
promised=$(cd "$root" && cat core/rend/*.h | tr '\n\t' '  ' | grep -oE 'REND_API [^(;{#]*\(' |
    sed -E 's/ *\($//; s/.*[ *]//' | grep -E '^rend_' | grep -vx rend_plugin | LC_ALL=C sort -u)
while read -r name; do
    if shown "$build/rend" | grep -qx "$name"; then
        good
    else
        bad "$build/rend: does not show $name, which a header promises"
    fi
done <<<"$promised"
while read -r name; do
    grep -qx "$name" <<<"$promised" || bad "$build/rend: shows $name, which no header promises"
done < <(shown "$build/rend")
finish
