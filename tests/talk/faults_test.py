#!/usr/bin/python3
"""Do the conversations over two tiers find what they are for?  Each variant in tests/faults has one thing wrong, and is found out."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import PLUGINS, REND

HERE = os.path.dirname(os.path.abspath(__file__))
FAULTS = os.path.join(os.path.dirname(REND), "tests", "faults")

# Number: the conversation that finds it, and what it says.
FOUND = {
    1: ("test_a_promotion_does_not_bring_back_what_was_replaced", r"expected b'VALUE k 0 1\\r\\n2.*heard b'VALUE k 0 1\\r\\n1"),
    2: ("test_a_delete_reaches_a_copy_of_what_l2_has_lost", r"expected b'NOT_FOUND\\r\\nEND\\r\\n', heard b'NOT_FOUND\\r\\nVALU"),
    3: ("test_of_two_writes_at_once_neither_is_published", r"expected b'VALUE k 0 1\\r\\n2.*heard b'VALUE k 0 1\\r\\n0"),
    4: ("test_a_copy_lives_as_long_as_what_it_is_of", r"a (touch|gat) over \d+ with \d+: the copy has -?\d+( s)?, l2 -?\d+"),
    5: ("test_nobody_joins_a_read_from_before_a_write", r"expected b'VALUE k 0 1\\r\\n2.*heard b'VALUE k 0 1\\r\\n1"),
    6: ("test_a_write_that_is_late_keeps_copies_out_until_it_is_answered", r"expected b'VALUE k 0 1\\r\\n2.*heard b'VALUE k 0 1\\r\\n1"),
}


def converse(test, plugins, program):
    env = dict(os.environ, REND_PLUGINS=plugins, REND=program)
    return subprocess.run([sys.executable, os.path.join(HERE, "tiers_test.py"), test], env=env, capture_output=True, text=True, timeout=500)


def test_each_fault_is_found():
    assert glob.glob(os.path.join(FAULTS, "[0-9]")), FAULTS
    for number, (test, says) in FOUND.items():
        planted = os.path.join(FAULTS, str(number))
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
            os.chmod(folder, 0o755)
            for so in glob.glob(os.path.join(PLUGINS, "*.so")) + glob.glob(os.path.join(planted, "*.so")):
                shutil.copy(so, folder)
            program = os.path.join(planted, "rend")
            got = converse(test, folder, program if os.path.exists(program) else REND)
        assert got.returncode == 1, f"fault {number} is not found: {got.stdout}{got.stderr}"
        found = re.search(rf"^FAIL {test}: (.*)$", got.stdout, re.M)
        assert found, f"fault {number}: {got.stdout}{got.stderr}"
        assert re.search(says, found.group(1)), f"fault {number} is found, but not in this: {found.group(1)}"
        print(f"fault {number}: {found.group(1)[:160]}", flush=True)


if __name__ == "__main__":
    harness.main(1200)
