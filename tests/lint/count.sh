# Sourced by the lints: what is found wrong is said at once, and counted.  Ends in "N passed, N failed".
passed=0
failed=0

# good: one more thing was looked at, and it is as it should be.
good() {
    passed=$((passed + 1))
}

# bad SENTENCE: it is not.
bad() {
    echo "$1"
    failed=$((failed + 1))
}

finish() {
    if [ $((passed + failed)) = 0 ]; then
        bad "nothing was looked at: is $root the source tree?"
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

# sources FOLDER...: the .c and .h files below, one a line.
sources() {
    (cd "$root" && find "$@" \( -name '*.c' -o -name '*.h' \) 2>/dev/null | LC_ALL=C sort)
}
