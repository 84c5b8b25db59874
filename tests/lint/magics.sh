#!/bin/bash
# A magic tells structs apart only if no two have the same.
#
# usage: magics.sh [SOURCE TREE]
set -u
root=${1:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"

declare -A whose=()
while IFS=: read -r file line text; do
    [[ $text =~ define[[:space:]]+([A-Za-z0-9_]*MAGIC)[[:space:]]+(0[xX][0-9a-fA-F]+) ]] || continue
    name=${BASH_REMATCH[1]}
    value=$((BASH_REMATCH[2]))
    if [ -n "${whose[$value]:-}" ]; then
        bad "$file:$line: $name is ${BASH_REMATCH[2]}, and so is ${whose[$value]}"
    else
        whose[$value]="$name ($file:$line)"
        good
    fi
done < <(cd "$root" && grep -rnE --include='*.[ch]' '#[ \t]*define[ \t]+[A-Za-z0-9_]*MAGIC[ \t]' core plugins)
finish
