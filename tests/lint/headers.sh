#!/bin/bash
# Each public header compiles alone, as C and as C++.
#
# usage: headers.sh [SOURCE TREE]
set -u
root=${1:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"

# alone LANGUAGE COMPILER... HEADER
alone() {
    local language=$1 header=${!#} said
    if said=$("${@:2:$#-2}" -x "$language" -fsyntax-only -Wall -Wextra -Werror -I"$root/core" - <<<"#include \"$header\"" 2>&1); then
        good
    else
        bad "core/$header: not as $language:"
        echo "$said"
    fi
}

while read -r file; do
    alone c gcc -std=gnu11 "${file#core/}"
    alone c clang -std=gnu11 "${file#core/}"
    alone c++ g++ -std=c++11 "${file#core/}"
done < <(sources core/rend)
finish
