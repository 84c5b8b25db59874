# What a test's output says that it did, as "PASSED FAILED".  A test that was begun and did not pass has failed, also if it was skipped or
# died; and who says nothing, or fails without saying where, has failed once.
#
# usage: awk -v code=EXIT-STATUS -f tally.awk OUTPUT

# cmocka; newer ones name the group: "[==========] group: Running 3 test(s)."
/^\[==========\] (.*: )?Running [0-9]+ test/ {
	begun += $(NF - 1)
	cmocka = 1
}
/^\[  PASSED  \] [0-9]+ test/ {
	ok += $4
}

# our own: the last such line counts
/^[0-9]+ passed, [0-9]+ failed/ {
	said = 1
	passed = $1
	failed = $3 + $5
}

END {
	if (cmocka) {
		passed = ok
		failed = begun - ok
	} else if (!said) {
		passed = failed = 0
	}
	if (passed + failed == 0 || (code != 0 && failed == 0))
		failed++
	print passed + 0, failed + 0
}
