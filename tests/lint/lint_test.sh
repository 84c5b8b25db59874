#!/bin/bash
# Do the lints find what they are for?  Each kind of mistake is planted into a copy of the tree, and its lint must name it.
#
# usage: lint_test.sh [SOURCE TREE]
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "${1:-$here/../..}" && pwd)
. "$here/count.sh"
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy" "$copy.promised" "$copy.sound" "$copy.build"' EXIT

# A small tree in which everything is right.
fresh() {
    rm -rf "${copy:?}"/*
    [ -d "$copy.sound" ] || sound
    cp -a "$copy.sound/." "$copy/"
}

# Makes it, once.
sound() {
    cp "$root/.clang-format" "$copy/"
    mkdir -p "$copy"/core/{base,engine,proto,net,conf} "$copy/plugins/own" "$copy/tools/load" "$copy/bench" "$copy/tests/kit"
    cp -r "$root/core/rend" "$copy/core/rend"
    (cd "$copy" && clang-format -i --style=file core/rend/*.h)
    for layer in base engine proto net conf; do
        printf '/* A header of %s. */\n#include "rend/op.h"\n' $layer >"$copy/core/$layer/$layer.h"
    done
    printf '/* A plugin. */\n#include <event2/event.h>\n#include "rend/plugin.h"\n#include "own.h"\n' >"$copy/plugins/own/own.c"
    printf '/* Its header. */\n#define OWN_MAGIC 0x123U\n' >"$copy/plugins/own/own.h"
    printf '/* The top. */\n#include "conf/conf.h"\n#include "args.h"\n' >"$copy/core/main.c"
    printf '/* What main includes. */\n' >"$copy/core/args.h"
    printf '/* A kit. */\n' >"$copy/tests/kit/kit.h"
    printf '/* A tool of one file. */\n#include "../tests/kit/kit.h"\n#include "base/base.h"\n' >"$copy/tools/tool.c"
    printf '/* One of several. */\n#include "proto/proto.h"\n#include "part.h"\n' >"$copy/tools/load/load.c"
    printf '/* A part. */\n' >"$copy/tools/load/part.h"
    printf '/* What measures. */\n#include "floor.h"\n' >"$copy/bench/floor.c"
    printf '/* Its header. */\n' >"$copy/bench/floor.h"
    cp -a "$copy" "$copy.sound"
}

# found LINT SENTENCE [ARGUMENT...]: the lint fails and says this.
found() {
    local lint=$1 sentence=$2 said
    shift 2
    if said=$("$here/$lint.sh" "$@" "$copy" 2>&1); then
        bad "$lint.sh passes, and should say: $sentence"
    elif ! grep -qF -- "$sentence" <<<"$said"; then
        bad "$lint.sh does not say: $sentence"
        echo "$said"
    else
        good
    fi
}

# clean LINT [ARGUMENT...]: it has nothing to say.
clean() {
    local lint=$1 said
    shift
    if said=$("$here/$lint.sh" "$@" "$copy" 2>&1); then
        good
    else
        bad "$lint.sh fails on a tree in which everything is right:"
        echo "$said"
    fi
}

# planted FILE TEXT: a line more.
planted() {
    printf '%s\n' "$2" >>"$copy/$1"
}

fresh
clean layers
clean magics
clean headers
clean format

# layer, what it must not include
while read -r file what says; do
    fresh
    planted "$file" "#include $what"
    found layers "$file:$(wc -l <"$copy/$file"): $says $what"
done <<'PLANTS'
core/rend/op.h "base/list.h" rend may not include
core/base/base.h "engine/engine.h" base may not include
core/base/base.h "proto/proto.h" base may not include
core/base/base.h <event2/event.h> base may not use
core/base/base.h <libconfig.h> base may not use
core/engine/engine.h "proto/proto.h" engine may not include
core/engine/engine.h "net/net.h" engine may not include
core/engine/engine.h <event2/event.h> engine may not use
core/proto/proto.h "engine/engine.h" proto may not include
core/proto/proto.h "../engine/engine.h" proto may not include
core/net/net.h "conf/conf.h" net may not include
core/net/net.h <libconfig.h> net may not use
core/conf/conf.h <event2/event.h> conf may not use
core/conf/conf.h "conf.h" conf may not include
core/main.c <libconfig.h> main may not use
plugins/own/own.c "base/list.h" plugin may not include
plugins/own/own.c "../other/other.h" plugin may not include
plugins/own/own.c <libconfig.h> plugin may not use
tools/load/load.c "engine/engine.h" tool may not include
tools/load/load.c "net/net.h" tool may not include
tools/load/load.c "conf/conf.h" tool may not include
tools/load/load.c "../tool.c" tool may not include
tools/load/load.c "../../plugins/own/own.h" tool may not include
tools/load/load.c "../../tests/kit/kit.h" tool may not include
tools/load/load.c <event2/event.h> tool may not use
tools/tool.c <libconfig.h> tool may not use
bench/floor.c "base/base.h" bench may not include
bench/floor.c <event2/event.h> bench may not use
PLANTS
fresh
planted core/base/base.h '#include <engine/engine.h>'
found layers 'core/base/base.h:3: <engine/engine.h> is ours'
fresh
mkdir "$copy/core/stray" && echo '/* Of no layer. */' >"$copy/core/stray/stray.h"
found layers 'core/stray/stray.h:1: stray is no layer'

fresh
planted core/net/net.h '#define NET_MAGIC 0x6f70A11eU'
found magics 'REND_OP_MAGIC is 0x6f70a11e, and so is NET_MAGIC'

fresh
planted core/rend/status.h 'size_t rend_forgot_an_include(void);'
found headers 'core/rend/status.h: not as c:'
fresh
planted core/rend/status.h 'static inline char *rend_c_only(void *p) { return p; }'
found headers 'core/rend/status.h: not as c++:'

fresh
planted core/main.c 'int   main( void ) {return 0;}'
found format 'core/main.c: not as clang-format leaves it'
fresh
sed -i 1d "$copy/core/main.c"
found format 'core/main.c:1: does not open with a comment'
fresh
yes 'extern int one;' | head -700 >>"$copy/core/main.c"
found format 'core/main.c:703: longer than 600 lines'

# A program and a plugin, as small as they can be.
built() {
    fresh
    find "$copy/core/rend" -type f ! -name api.h -delete
    printf '/* One function. */\n#include "rend/api.h"\nREND_API int\nrend_one(\n    int x);\n' >"$copy/core/rend/one.h"
    mkdir -p "$copy/.libs"
    gcc -fPIC -shared -fvisibility=hidden -I"$copy/core" -o "$copy/.libs/own.so" -x c - <<<"#include \"rend/api.h\"
REND_API int rend_plugin(void); int rend_plugin(void) { return 1; } $1" &&
        gcc -fvisibility=hidden -rdynamic -I"$copy/core" -o "$copy/rend" -x c - <<<"#include \"rend/one.h\"
$2 int main(void) { return 0; }"
}
one='int rend_one(int x) { return x; }'
built '' "$one" || bad "the compiler does not work"
clean symbols "$copy"
built 'REND_API int leaked; int leaked;' "$one"
found symbols 'shows leaked rend_plugin instead of rend_plugin alone' "$copy"
built '' ''
found symbols 'does not show rend_one, which a header promises' "$copy"
built '' "$one REND_API int rend_two(void); int rend_two(void) { return 2; }"
found symbols 'shows rend_two, which no header promises' "$copy"
built '' "$one"
rm "$copy/.libs/own.so"
found symbols 'no plugins in' "$copy"

# The plugin interface: as it is now, but as if it were promised.
promised_abi() {
    if [ -d "$copy.promised" ]; then
        rm -rf "${copy:?}"/* && cp -r "$copy.promised"/* "$copy"
        return
    fi
    fresh
    mkdir -p "$copy/tests/abi" && cp \
        "$root/tests/abi/grows.suppr" "$root/tests/abi/libc.suppr" "$copy/tests/abi/"
    sed -i -E 's/^#define REND_ABI_MAJOR .*/#define REND_ABI_MAJOR 1/' "$copy/core/rend/plugin.h"
    "$here/abi.sh" --store "$copy" >/dev/null || bad "abi.sh --store does not work"
    cp -r "$copy" "$copy.promised"
}

# edited FILE EXPRESSION...: the file is another after sed.
edited() {
    local file=$copy/$1
    shift
    cp "$file" "$copy/before"
    sed -i -E "$@" "$file"
    cmp -s "$file" "$copy/before" && bad "nothing was planted with $*"
    rm "$copy/before"
}

# ends STRUCT TEXT: planted at the end of this struct, wherever it is.
ends() {
    local file
    file=$(cd "$copy" && grep -lE "^struct $1 \{" core/rend/*.h)
    edited "$file" "/^struct $1 \{/,/^\};/ s/^\};/$2\n};/"
}

next_minor() {
    edited core/rend/plugin.h 's/^(#define REND_ABI_MINOR) .*/\1 1000/'
}

changed='plugins that were compiled before would not find what they expect'
promised_abi
clean abi
# Even with a new minor: in the middle, at the end of what cannot grow, of another type, gone.
edited core/rend/plugin.h 's/^\tint \(\*check\)\(/\tvoid (*early)(void);\n&/'
next_minor
found abi "$changed"
for name in item value buf option step command; do
    promised_abi
    ends rend_$name 'int more[8];'
    next_minor
    found abi "$changed"
done
promised_abi
edited core/rend/op.h 's/^\tchar scratch/\tint more[8];\n&/'
next_minor
found abi "$changed"
promised_abi
edited core/rend/op.h 's/uint32_t flags;/uint64_t flags;/'
next_minor
found abi "$changed"
promised_abi
edited core/rend/worker.h 's/rend_item_size_max\(void\)/rend_item_size_max(int unit)/'
next_minor
found abi "$changed"
promised_abi
edited core/rend/worker.h 's/^REND_API uint64_t rend_item_size_max\(void\);//'
next_minor
found abi "$changed"
promised_abi
edited core/rend/status.h 's/X\(BUSY, FAIL\)/X(NEW, FAIL) X(BUSY, FAIL)/'
next_minor
found abi "$changed"
promised_abi
edited core/rend/op.h 's/(REND_WANT_CAS =) 1 << 2/\1 1 << 9/'
next_minor
found abi 'REND_WANT_CAS was 4, and is 512'
promised_abi
edited core/rend/op.h 's/^(#define REND_KEY_MAX\s+)250/\1251/'
next_minor
found abi 'REND_KEY_MAX was 250, and is 251'
# What may be added, with a new minor, and not without.
for name in handler policy plugin limits; do
    promised_abi
    ends rend_$name 'int more[8];'
    found abi 'something was added: that is a new minor'
    next_minor
    clean abi
done
promised_abi
edited core/rend/op.h 's/^\tREND_VERB_COUNT/\tREND_RENAME,\n&/'
found abi 'something was added: that is a new minor'
next_minor
clean abi
promised_abi
planted core/rend/api.h 'REND_API int rend_later(int x);'
found abi 'something was added: that is a new minor'
next_minor
clean abi
promised_abi
edited core/rend/plugin.h 's/^(#define REND_ABI_MAJOR) .*/\1 2/'
found abi 'is another major than what is in tests/abi'
promised_abi
rm "$copy/tests/abi/baseline.xml"
found abi 'there is no'
edited core/rend/plugin.h 's/^(#define REND_ABI_MAJOR) .*/\1 0/'
clean abi

# What gcc lets pass, and clang does not; and a build whose flags nobody knows.
fresh
mkdir "$copy.build"
printf 'list-flags:\n\t@echo -I%s/core -I%s/core/conf -Wall\n' "$copy" "$copy" >"$copy.build/Makefile"
clean clang "$copy.build"
echo 'static inline int unused(int x) { x = x; return x; }' >>"$copy/core/main.c"
found clang 'core/main.c: clang has something against it' "$copy.build"
printf 'list-logs:\n' >"$copy.build/Makefile"
found clang 'list-flags' "$copy.build"

# An archive, and a file that is not in it.
fresh
mkdir -p "$copy/docs"
touch "$copy"/{README.md,HACKING.md,LICENSE,dev,autogen.sh,configure.ac,configure,Makefile.am,Makefile.in}
archive=$(mktemp) || exit 1
trap 'rm -rf "$copy" "$copy.promised" "$copy.sound" "$copy.build" "$archive"' EXIT
tar -czf "$archive" -C "$(dirname "$copy")" "$(basename "$copy")"
clean archive "$archive"
touch "$copy/docs/new.md" "$copy/core/main.o"
found archive 'docs/new.md: is in the tree, and not in the archive' "$archive"

# Looking at nothing is no success.
rm -rf "${copy:?}"/*
for lint in layers magics headers abi; do
    found $lint 'nothing was looked at'
done
finish
