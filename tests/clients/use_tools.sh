#!/bin/bash
# libmemcached's own tools.  They have no part for a workload, and bring loads of their own.
#
# usage: use_tools.sh HOST PORT WORKLOAD text|binary
set -u
server=$1:$2
options=(--servers="$server")
[ "$4" = binary ] && options+=(--binary)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

fail() {
    echo "$*"
    exit 1
}

# did TOOL ARGUMENT...: it says that all is well
did() {
    local tool=$1
    shift
    "$tool" "${options[@]}" "$@" >said 2>&1 || fail "$tool $*: exit $?: $(head -c 2000 said)"
}

# did_not TOOL ARGUMENT...
did_not() {
    local tool=$1
    shift
    "$tool" "${options[@]}" "$@" >said 2>&1 && fail "$tool $*: went well"
    return 0
}

# holds KEY FILE
holds() {
    did memccat --file=got "$1"
    cmp -s got "$2" || fail "$1: not what $2 holds"
}

printf 'a line\nand another' >small
head -c 921600 /dev/urandom >large
memcping --servers="$server" || fail "memcping: exit $?"
did memccp --set small large
holds large large
holds small small
did memcexist small
did_not memcexist none
printf 'changed' >small
did memccp --replace small
holds small small
did memctouch --expire=1000 small
did_not memctouch --expire=1000 none
did memcrm small
did_not memcexist small
did_not memccat small
did memcstat
grep -q 'cmd_set' said || fail "memcstat: no cmd_set: $(cat said)"
did memcflush
did_not memcexist large
did memcslap --concurrency=4 --execute-number=500 --test=set --flush
did memcslap --concurrency=4 --execute-number=500 --test=get
did memcslap --concurrency=2 --execute-number=50 --test=mget
aslap=(--servers="$server" --threads=1 --concurrency=8 --execute_number=8000 --verify=1.0)
[ "$4" = binary ] && aslap+=(--binary)
memcaslap "${aslap[@]}" >said 2>&1 || fail "memcaslap: exit $?: $(head -c 2000 said)"
grep -E '^(verify_failed|verify_misses): [1-9]' said && fail "memcaslap: $(cat said)"
echo "all as expected"
