#!/bin/bash
# Is what plugins were compiled against still what they find?  The public headers are compared with what tests/abi has of them: layouts and
# functions (libabigail), and constants, which leave nothing behind in a binary.
#
#	core/rend/*.h ─► a C file that names everything ─► gcc -g ─► abidw ─► abidiff with tests/abi/baseline.xml, but for *.suppr
#	             └─► a C program that prints every constant ───────────► compared with tests/abi/baseline.constants
#
# What is gone or has changed needs a new major; what was added, a new minor.  While major is 0, nothing is promised.
#
# usage: abi.sh [--store] [SOURCE TREE]		--store: what there is now becomes what is compared with
set -u
store=false
[ "${1:-}" = --store ] && store=true && shift
root=${1:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
baseline=$root/tests/abi/baseline

headers() {
    (cd "$root" && ls core/rend/*.h 2>/dev/null)
}

# code: the headers in one line, without comments and preprocessor.
code() {
    (cd "$root" && cat core/rend/*.h) | sed 's/\\$/\\\\/' | gcc -fpreprocessed -dD -E -P - 2>/dev/null | grep -v '^#' | tr '\n\t' '  '
}

# functions: their names.
functions() {
    code | grep -oE 'REND_API [^(;{#]*\(' | sed -E 's/ *\($//; s/.*[ *]//' | grep -E '^rend_' | grep -vx rend_plugin | LC_ALL=C sort -u
}

# kinds WORD: the structs, or enums, that have a body.
kinds() {
    code | grep -oE "\b$1 rend_[a-z0-9_]+ \{" | sed -E 's/ \{$//' | LC_ALL=C sort -u
}

typedefs() {
    code | grep -oE 'typedef [^;{}]*;' | grep -oE '\brend_[a-z0-9_]+(\)? ?\(|;)' | sed -E 's/[(); ]//g' | grep -E '_f$' | LC_ALL=C sort -u
}

# constants: enumerators, and macros that are a number or made of such.
constants() {
    (cd "$root" && cat core/rend/*.h) | gcc -fpreprocessed -dD -E -P - 2>/dev/null | {
        tee "$work/text" | sed -nE 's/^#define (REND_[A-Z0-9_]+) +(\(|[0-9]).*/\1/p'
        sed -E 's/^#.*//' "$work/text" | tr '\n\t' '  ' | grep -oE 'enum( rend_[a-z_]+)? \{[^}]*\}' | grep -oE '\bREND_[A-Z0-9_]+\b' | grep -vx REND_STATUSES
    } | LC_ALL=C sort -u
}

includes() {
    headers | sed 's/^core\//#include "/; s/$/"/'
}

# library: everything that has a layout, in one that can be looked at.
library() {
    {
        includes
        functions | sed 's/.*/extern __typeof__(\&&) function_&; __typeof__(\&&) function_&;/'
        { kinds struct; kinds enum; } | while read -r kind name; do echo "$kind $name *${kind}_$name;"; done
        typedefs | sed 's/.*/& *typedef_&;/'
    } >"$work/all.c"
    gcc -std=gnu11 -g -O0 -shared -fPIC -I"$root/core" -o "$work/all.so" "$work/all.c" &&
        abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-parameter-names --headers-dir "$root/core/rend" --drop-private-types --out-file "$work/now.xml" "$work/all.so"
}

numbers() {
    {
        includes
        echo '#include <stdio.h>'
        echo 'int main(void) {'
        constants | sed 's/.*/printf("& %lld\\n", (long long)(&));/'
        echo 'return 0; }'
    } >"$work/numbers.c"
    gcc -std=gnu11 -w -I"$root/core" -o "$work/numbers" "$work/numbers.c" && "$work/numbers" >"$work/now.constants"
}

# number NAME FILE
number() {
    sed -n "s/^$1 //p" "$2"
}

if [ -z "$(headers)" ]; then
    finish
fi
if ! command -v abidw >/dev/null || ! command -v abidiff >/dev/null; then
    bad "abidw and abidiff are not installed (Debian: abigail-tools)"
    finish
fi
if ! said=$( (library && numbers) 2>&1); then
    bad "the public headers cannot be looked at:"
    echo "$said"
    finish
fi
if $store; then
    mkdir -p "$root/tests/abi" && cp "$work/now.xml" "$baseline.xml" && cp "$work/now.constants" "$baseline.constants" && good
    finish
fi
major=$(number REND_ABI_MAJOR "$work/now.constants")
minor=$(number REND_ABI_MINOR "$work/now.constants")
if [ "$major" = 0 ]; then
    echo "ABI 0.$minor: nothing is promised yet"
    good
    finish
fi
if [ ! -f "$baseline.xml" ] || [ ! -f "$baseline.constants" ]; then
    bad "there is no $baseline.xml: ./dev abi --store makes it"
    finish
fi
if [ "$major" != "$(number REND_ABI_MAJOR "$baseline.constants")" ]; then
    bad "ABI $major.$minor is another major than what is in tests/abi: ./dev abi --store"
    finish
fi

# What was there, and is not as it was.
abidiff --no-added-syms --suppressions "$root/tests/abi/libc.suppr" --suppressions "$root/tests/abi/grows.suppr" "$baseline.xml" "$work/now.xml" >"$work/said" 2>&1
code=$?
if [ $code = 0 ]; then
    good
else
    bad "plugins that were compiled before would not find what they expect (abidiff ends with $code):"
    cat "$work/said"
fi
changed=0
while read -r name was; do
    is=$(number "$name" "$work/now.constants")
    case $name in
    REND_ABI_MINOR | REND_VERB_COUNT | REND_STATUS_COUNT) continue ;;
    esac
    [ "$is" = "$was" ] && good && continue
    bad "$name was $was, and is ${is:-gone}"
    changed=$((changed + 1))
done <"$baseline.constants"

# What is new.
abidiff --suppressions "$root/tests/abi/libc.suppr" "$baseline.xml" "$work/now.xml" >"$work/said" 2>&1
if [ $? != 0 ] || [ "$(grep -v '^REND_ABI_MINOR ' "$work/now.constants")" != "$(grep -v '^REND_ABI_MINOR ' "$baseline.constants")" ]; then
    if [ "$failed" = 0 ] && [ "$minor" -le "$(number REND_ABI_MINOR "$baseline.constants")" ]; then
        bad "something was added: that is a new minor, not $major.$minor"
        cat "$work/said"
        diff "$baseline.constants" "$work/now.constants"
    fi
fi
finish
