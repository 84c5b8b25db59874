#!/bin/bash
# Everything of the tree is in the archive: what a test, a document or a build reads there it finds there.
#
# usage: archive.sh ARCHIVE [ROOT]
set -u
archive=${1:?which archive?}
root=${2:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$(dirname "$0")/count.sh"

there=$(tar -tf "$archive" | sed -n 's,^[^/]*/\(.*[^/]\)$,\1,p' | LC_ALL=C sort)
# What a build or an editor leaves in the tree is not of it.
needed=$(cd "$root" && find core plugins tests tools bench etc docs m4 \( -name '.*' -o -name __pycache__ \) -prune -o -type f \
    ! -name '*~' ! -name '*.[oa]' ! -name '*.l[oa]' ! -name '*.trs' ! -name '*.log' ! -name 'l*.m4' -print 2>/dev/null | LC_ALL=C sort)
[ -n "$needed" ] || bad "nothing was found below $root"
for file in $needed README.md HACKING.md LICENSE dev autogen.sh configure.ac configure Makefile.am Makefile.in; do
    if grep -qxF -- "$file" <<<"$there"; then
        good
    else
        bad "$file: is in the tree, and not in the archive"
    fi
done
finish
