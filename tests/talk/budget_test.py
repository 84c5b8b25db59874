#!/usr/bin/python3
"""What a request may cost when everything is warm: counted, not timed.  METER_LIB is the counting library."""
import mmap
import os
import struct

import harness
from harness import Rend

NAMES = ("allocations", "receives", "sends", "waits", "controls")


class Metered(Rend):
    def __enter__(self):
        self.path = os.path.join(self.folder, "meter")
        with open(self.path, "wb") as f:
            f.write(bytes(8 * len(NAMES)))
        self.kw["env"] = dict(os.environ, LD_PRELOAD=os.environ["METER_LIB"], METER=self.path)
        super().__enter__()
        with open(self.path, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 8 * len(NAMES), prot=mmap.PROT_READ)
        return self

    def counts(self):
        return dict(zip(NAMES, struct.unpack("5Q", self.map[:])))


def cost(rend, run):
    before = rend.counts()
    run()
    after = rend.counts()
    return {name: after[name] - before[name] for name in NAMES}


def test_the_meter_counts():
    with Metered(workers=1) as rend:
        counts = rend.counts()
        assert counts["allocations"] > 100 and counts["controls"] > 1, counts


def test_a_hit_makes_no_allocation_and_one_read_and_one_write():
    with Metered(workers=1) as rend, rend.client() as c:
        for size in (100, 5000):
            value = b"v" * size
            reply = b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (size, value)
            c.ask(b"set k 0 0 %d\r\n%s\r\n" % (size, value), b"STORED\r\n")

            def gets():
                for _ in range(1000):
                    c.ask(b"get k\r\n", reply)
            gets()
            spent = cost(rend, gets)
            assert spent["allocations"] == 0, (size, spent)
            assert spent["receives"] == 1000 and spent["sends"] == 1000 and spent["controls"] == 0, (size, spent)


def test_a_miss_makes_no_allocation():
    with Metered(workers=1) as rend, rend.client() as c:
        def gets():
            for _ in range(1000):
                c.ask(b"get none\r\n", b"END\r\n")
        gets()
        assert cost(rend, gets)["allocations"] == 0


def test_what_arrives_together_shares_its_system_calls():
    with Metered(workers=1) as rend, rend.client() as c:
        c.ask(b"set k 0 0 3\r\nabc\r\n", b"STORED\r\n")

        def batches():
            for _ in range(100):
                c.ask(b"get k\r\n" * 16, b"VALUE k 0 3\r\nabc\r\nEND\r\n" * 16)
        batches()
        spent = cost(rend, batches)
        assert spent["allocations"] == 0, spent
        assert spent["receives"] == 100 and spent["sends"] == 100, spent
        assert spent["waits"] <= 110, spent


def test_a_set_makes_one_allocation():
    with Metered(workers=1) as rend, rend.client() as c:
        def sets():
            for i in range(1000):
                c.ask(b"set key%d 0 0 100\r\n%s\r\n" % (i, b"v" * 100), b"STORED\r\n")
        sets()
        assert cost(rend, sets)["allocations"] <= 1000


if __name__ == "__main__":
    harness.main()
