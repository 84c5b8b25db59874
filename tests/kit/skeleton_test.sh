#!/bin/bash
# The plugin to copy, as somebody else builds it: a copy of its folder, an installed rend, pkg-config, make.
# REND_PREFIX: where rend is installed.
set -eu
prefix=${REND_PREFIX:?where is rend installed}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/skeleton.XXXXXX")
trap 'rm -rf "$dir"' EXIT
umask 022

die() {
	echo "skeleton_test.sh: $*" >&2
	exit 1
}

cp "$here"/../../plugins/skeleton/{skeleton.c,Makefile} "$dir"
cd "$dir"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# CFLAGS of the build around us (a sanitizer's) are none of this plugin's.
unset CFLAGS LDFLAGS MAKEFLAGS MFLAGS
make CFLAGS='-O2 -g -Wall -Wextra -Wno-unused-parameter -Werror' || die "it does not build against the installed headers"
[ "$(nm -D --defined-only skeleton.so | awk '$2 != "w" { print $3 }')" = rend_plugin ] || die "it shows more than rend_plugin"

"$prefix"/bin/rend-plugin-test --seconds 300 skeleton.so >out || { cat out; die "it does not do what every handler must"; }
grep -q ' 0 failed' out || die "no summary: $(tail -n 1 out)"
passed=$(sed -n 's/^\([0-9]*\) passed,.*/\1/p' out)
[ "$passed" -ge 37 ] || die "only $passed behaviours were tried"
"$prefix"/bin/rend-plugin-test --seconds 300 -o items_max=3 --only 'a thousand keys' skeleton.so >out && die "three items are enough for a thousand keys"
grep -q '^FAIL  a thousand keys.*NO_MEMORY' out || { cat out; die "a full store is not what failed"; }

# An option that is wrong is refused before anything runs.
if "$prefix"/bin/rend-plugin-test -o items_max=0 skeleton.so 2>err; then
	die "items_max=0 was taken"
fi
grep -q items_max err || { cat err; die "the message does not name the option"; }

# The handler over another one, as docs/plugins.md prints it.
sed -n '/^```c$/,/^```$/{ /^```/d; p }' "$here"/../../docs/plugins.md >pass.c
grep -q 'rend_submit' pass.c || die "docs/plugins.md has no handler over another one"
make NAME=pass CFLAGS='-O2 -g -Wall -Wextra -Wno-unused-parameter -Werror' || die "the handler in docs/plugins.md does not build"
"$prefix"/bin/rend-plugin-test --seconds 300 -o over=skeleton.so pass.so >out || { cat out; die "the handler in docs/plugins.md does not do what it must"; }
echo "$passed passed, 0 failed"
