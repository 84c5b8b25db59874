#!/bin/bash
# Who may include whom.  Arrows only downwards:
#
#       main ─► conf ─► net ─► engine ─► base ─► rend (the public headers)
#                         └──► proto ──►
#
# A plugin includes rend/ and its own files, and a variant of a plugin that one's.  A tool includes rend/, base/ and proto/, and its own; one that
# tests plugins also tests/kit.  The bench includes its own, and tests/kit.  libevent: net and plugins only.  libconfig: conf only.  Tests may include anything.
#
# usage: layers.sh [SOURCE TREE]
set -u
root=${1:-$(dirname "$0")/../..}
. "$(dirname "$0")/count.sh"

declare -A below=(
    [rend]="rend"
    [base]="rend base"
    [engine]="rend base engine"
    [proto]="rend base proto"
    [net]="rend base engine proto net"
    [conf]="rend base engine proto net conf"
    [main]="rend base engine proto net conf"
    [plugin]="rend"
    [tool]="rend base proto"
    [bench]=" "
)
declare -A library=([event2]="net plugin" [event.h]="net plugin" [evutil.h]="net plugin" [libconfig.h]="conf" [libconfig.h++]="")

# Plugins that are variants of another: whose files they may include, too.
declare -A variant_of=([plugins/l1l2batch]=plugins/l1l2)

# No process is started for a file or an include: there are thousands of them.

# find_layer FILE: which is then in $layer.
find_layer() {
    case $1 in
    *_test.c | */*_test.h) layer=test ;;
    core/*/*)
        layer=${1#core/}
        layer=${layer%%/*}
        ;;
    core/*) layer=main ;;
    plugins/*) layer=plugin ;;
    tools/*) layer=tool ;;
    bench/*) layer=bench ;;
    esac
}

# may LAYER FILE WHAT: may this file include "WHAT"?
may() {
    local folder=${3%%/*}
    case " ${below[$1]:-} " in
    *" $folder "*) return 0 ;;
    esac
    local dir=${2%/*} other
    other=${variant_of[$dir]:-}
    [[ -n $other && $3 == ../${other#plugins/}/* && $3 != ../*/*/* ]] && [ -f "$root/$dir/$3" ] && return 0
    [[ ($1 == tool || $1 == bench) && $3 == ../tests/kit/* && $3 != ../*/*/*/* ]] && [ -f "$root/$dir/$3" ] && return 0
    # A file of the same folder: a plugin's, a tool's, or main's.  Inside the core, names say the layer.
    [[ $1 == plugin || $1 == tool || $1 == bench || $1 == main ]] && [[ $3 != ../* && $3 != */../* ]] && [ -f "$root/$dir/$3" ]
}

# may_use LAYER WHAT: may it include <WHAT>?
may_use() {
    local allowed=${library[${2%%/*}]-any}
    [ "$allowed" = any ] && return 0
    case " $allowed " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

is_include='^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]*)'

# looks FILE LINE TEXT: of an include.
looks() {
    local what
    if ! [[ $3 =~ $is_include ]]; then
        bad "$1:$2: cannot read this include: $3"
        return
    fi
    what=${BASH_REMATCH[2]}
    if [ "${BASH_REMATCH[1]}" = '"' ]; then
        may "$layer" "$1" "$what" || bad "$1:$2: $layer may not include \"$what\""
        return
    fi
    may_use "$layer" "$what" || bad "$1:$2: $layer may not use <$what>"
    [ -f "$root/core/$what" ] && bad "$1:$2: <$what> is ours: it stands in quotes"
}

mapfile -t files < <(sources core plugins tools bench)
declare -A includes=()
while IFS=: read -r file line text; do
    includes[$file]+="$line:$text"$'\n'
done < <(cd "$root" && printf '%s\n' "${files[@]}" | xargs -r grep -HnE '^[ \t]*#[ \t]*include')
for file in "${files[@]}"; do
    find_layer "$file"
    [ "$layer" = test ] && continue
    before=$failed
    if [ -z "${below[$layer]:-}" ]; then
        bad "$file:1: $layer is no layer"
        continue
    fi
    while IFS=: read -r line text; do
        [ -n "$line" ] && looks "$file" "$line" "$text"
    done <<<"${includes[$file]:-}"
    [ "$failed" = "$before" ] && good
done
finish
