#!/bin/bash
# Every source file is clean under clang, too, with the warnings and definitions that the build has.  Nothing is generated or linked: what clang has to
# say it says when it has read a file (and the fuzz targets are built and linked by it).
#
# usage: clang.sh BUILD [SOURCE TREE]     a build folder that is configured
set -u
build=$(cd "${1:?a build folder}" && pwd) || exit 1
root=$(cd "${2:-$(dirname "$0")/../..}" && pwd)
. "$(dirname "$0")/count.sh"

# As a string of shell words: definitions have quotes in them.
flags=$(make -s -C "$build" --no-print-directory list-flags) || exit 1
eval "flags=($flags)"

# Several at once, each file's name behind what was said of it.
looked_at() {
    local said first=()
    case $1 in
    # Against headers of a later version, and as one of the many plugins that it can be.
    tests/fixtures/next_minor_test.c) first=(-Itests/fixtures/next) ;;
    tests/fixtures/fixtures.c) first=(-DFIXTURE=good) ;;
    esac
    if said=$(cd "$build" && clang -fsyntax-only -Werror "${first[@]}" "${flags[@]}" "$root/$1" 2>&1); then
        echo "ok $1"
    else
        printf '%s\nFAIL %s\n' "$said" "$1"
    fi
}

sources=$(sources core plugins tools bench tests | grep '\.c$')
at_once=$(nproc)
while read -r line; do
    case $line in
    "ok "*) good ;;
    "FAIL "*) bad "${line#FAIL }: clang has something against it" ;;
    *) echo "$line" ;;
    esac
done < <(for ((n = 0; n < at_once; n++)); do
    awk -v n=$n -v of="$at_once" 'NR % of == n' <<<"$sources" | while read -r file; do looked_at "$file"; done &
done
wait)
finish
