#!/usr/bin/python3
"""A store in two folders, as on two disks, of which one answers nothing for a while: the other goes on.  HANG_LIB as in ssd_hang_test.py."""
import os
from collections import Counter

import harness
from harness import Rend, wait_for
from ssd_hang_test import DOWN, TIMED_OUT, Hanging, get, known, put
from ssd_paths_test import KEYS, MISSED, conf, fill, folders, right
from ssd_test import written


class HalfHanging(Hanging):
    def hang_at(self, folder):
        with open(self.file + ".new", "w") as f:
            f.write(folder)
        os.rename(self.file + ".new", self.file)


def test_while_one_hangs_the_other_goes_on():
    for which in range(2):
        paths = folders()
        patient = conf(paths, 'engine = "threads";')
        text = patient.replace('timeout = "20s"', 'timeout = "200ms"')
        with Rend(patient) as rend:
            fill(rend, 1)
        with HalfHanging(text) as rend, rend.client() as c:
            rend.hang_at(paths[which])

            def down():
                for key in range(KEYS):
                    get(c, key)
                return rend.stats("node disk")["disk.disk_down"] == "1"

            wait_for("the disk to be taken for down", down)

            def halves():
                answers = [get(c, key) for key in range(KEYS)]
                assert set(answers) <= {True, None, DOWN, TIMED_OUT}, set(answers)
                return answers.count(True) > KEYS / 4 and answers.count(DOWN) > KEYS / 4

            # The other one may be late, too, if it is only slow.
            wait_for("the values of one, and that the other is down", halves)
            wait_for("it not to be written to", lambda: rend.stats("node disk")["disk.disk_out"] == "1")

            # More than there is RAM for goes to the other one, and can be read there.
            def taken(n):
                return [put(c, key, n) for key in range(KEYS)].count(b"STORED") == KEYS

            for _ in range(20):
                wait_for("what is stored to be taken", lambda: taken(2))
            answers = [known(c, key, 2) for key in range(KEYS)]
            assert answers.count(None) <= MISSED, Counter(answers)
            written(rend)
            rend.go_on()
            wait_for("the disk to be well", lambda: {rend.stats("node disk")["disk." + name] for name in ("disk_down", "disk_out")} == {"0"})
            wait_for("it to be said", lambda: rend.said(f"the disk of {paths[which]} is well again"))
            fill(rend, 3)
            right(rend, 3)
            # Again, and it ends so: the next start has both.
            rend.hang_at(paths[which])
            wait_for("it not to be written to", lambda: [put(c, key, 4) for key in range(KEYS)] and rend.stats("node disk")["disk.disk_out"] == "1")
            wait_for("what is stored to be taken", lambda: taken(4))
            written(rend)
            rend.kill()
        with Rend(patient) as rend:
            right(rend, 4)


if __name__ == "__main__":
    harness.main()
