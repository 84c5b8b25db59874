#!/usr/bin/python3
"""Meta commands as the newest memcached's document has them: what 1.6.18 does not know, so that no comparison with it shows it."""
import harness
from harness import Rend


def talk(*pairs):
    """Questions and their answers, on one connection to a rend that keeps values in memory."""
    with Rend() as rend, rend.client() as c:
        for question, answer in pairs:
            c.ask(question, answer)


def test_a_version_may_be_given():
    """E: of ms in all its modes, mg, md and ma."""
    talk((b"ms k 1 E1000 c\r\n1\r\n", b"HD c1000\r\n"),
         (b"mg k c v\r\n", b"VA 1 c1000\r\n1\r\n"),
         (b"ms k 1 C1000 E2000 c\r\n2\r\n", b"HD c2000\r\n"),
         (b"ms k 1 C1000 E3000 c\r\n3\r\n", b"EX c0\r\n"),
         (b"ms k 1 MA E2500 c\r\n3\r\n", b"HD c2500\r\n"),
         (b"ms k 1 MP E2600 c\r\n1\r\n", b"HD c2600\r\n"),
         (b"ms k 1 MR E2700 c\r\n9\r\n", b"HD c2700\r\n"),
         (b"ms k 1 ME E2800 c\r\n8\r\n", b"NS c0\r\n"),
         (b"ms new 1 ME E2900 c\r\n8\r\n", b"HD c2900\r\n"),
         (b"ma k E3000 c v\r\n", b"VA 2 c3000\r\n10\r\n"),
         (b"ma count N0 J7 E3100 c v\r\n", b"VA 1 c3100\r\n7\r\n"),
         (b"mg made N30 E3200 c\r\n", b"HD c3200 W\r\n"),
         (b"mg made E3300 c\r\n", b"HD c3200 Z\r\n"),
         (b"md k I E4000\r\n", b"HD\r\n"),
         (b"mg k c v\r\n", b"VA 2 c4000 X W\r\n10\r\n"))


def test_versions_given_and_our_own_do_not_collide():
    with Rend() as rend, rend.client() as c:
        c.ask(b"ms k 1 E1000000 c\r\n1\r\n", b"HD c1000000\r\n")
        c.say(b"ms k 1 c\r\n2\r\n")
        line = c.line()
        assert line.startswith(b"HD c") and int(line[4:]) > 1000000, line


def test_what_one_has_is_not_sent():
    """C of mg."""
    talk((b"ms k 5 E77 F9\r\nhello\r\n", b"HD\r\n"),
         (b"mg k v C77\r\n", b"HD\r\n"),
         (b"mg k v c f s C77 Oab\r\n", b"HD c77 f9 s5 Oab\r\n"),
         (b"mg k v c C78\r\n", b"VA 5 c77\r\nhello\r\n"),
         (b"mg k C78\r\n", b"HD\r\n"),
         (b"mg none v C77\r\n", b"EN\r\n"),
         # All else is as without it.
         (b"mg k v C77 T1000\r\n", b"HD\r\n"),
         (b"mg k v C1 T0 t\r\n", b"VA 5 t-1\r\nhello\r\n"))


def test_ms_tells_size_and_key():
    talk((b"ms k 5 s\r\nhello\r\n", b"HD s5\r\n"),
         (b"ms k 3 MA s k Oq\r\nabc\r\n", b"HD s8 kk Oq\r\n"),
         (b"ms k 2 MP k s\r\nxy\r\n", b"HD kk s10\r\n"),
         (b"ms k 4 ME s k\r\nwxyz\r\n", b"NS s4 kk\r\n"),
         (b"ms YQ== 1 b k s\r\n1\r\n", b"HD kYQ== b s1\r\n"))


def test_append_and_prepend_may_make_the_item():
    """N of ms: with its own time, not that of T."""
    talk((b"ms a 2 MA\r\nab\r\n", b"NS\r\n"),
         (b"ms a 2 MA N0 T-1 F5\r\nab\r\n", b"HD\r\n"),
         (b"mg a v t f\r\n", b"VA 2 t-1 f5\r\nab\r\n"),
         (b"ms a 2 MA N1000\r\ncd\r\n", b"HD\r\n"),
         (b"mg a v t\r\n", b"VA 4 t-1\r\nabcd\r\n"),
         (b"ms p 2 MP N0\r\nab\r\n", b"HD\r\n"),
         (b"ms p 2 MP N0\r\ncd\r\n", b"HD\r\n"),
         (b"mg p v\r\n", b"VA 4\r\ncdab\r\n"),
         (b"ms gone 1 MA N-1\r\n1\r\n", b"HD\r\n"),
         (b"mg gone v\r\n", b"EN\r\n"))


def test_md_may_leave_the_item_without_its_value():
    talk((b"ms k 5 F9 T0\r\nhello\r\n", b"HD\r\n"),
         (b"md k x\r\n", b"HD\r\n"),
         (b"mg k v f\r\n", b"VA 0 f0\r\n\r\n"),
         (b"ms k 5 E50 F9\r\nhello\r\n", b"HD\r\n"),
         (b"md k x C49\r\n", b"EX\r\n"),
         (b"md k x I C50 E60\r\n", b"HD\r\n"),
         (b"mg k v c\r\n", b"VA 0 c60 X W\r\n\r\n"),
         (b"mg k v c\r\n", b"VA 0 c60 Z X\r\n\r\n"),
         (b"md none x\r\n", b"NF\r\n"))


def test_md_has_sentences_of_its_own():
    talk((b"md k c c\r\n", b"CLIENT_ERROR duplicate flag\r\n"),
         (b"md k !\r\n", b"CLIENT_ERROR invalid flag\r\n"),
         (b"md k Tx\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
         (b"ma k Tx\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n"))


def test_a_quiet_ma_says_nothing_of_what_it_made():
    talk((b"ma k q N0 J5\r\nmn\r\n", b"MN\r\n"), (b"ma k q\r\nmn\r\n", b"MN\r\n"), (b"mg k v\r\n", b"VA 1\r\n6\r\n"))


def test_a_stale_item_is_won_by_one_who_can_see_it():
    """A get, a gat, an me and a binary get cannot, and leave it."""
    with Rend() as rend, rend.client() as c, rend.client() as binary:
        c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        c.ask(b"md k I\r\n", b"HD\r\n")
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
        c.ask(b"gat 0 k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
        c.ask(b"touch k 0\r\n", b"TOUCHED\r\n")
        assert c.say(b"me k\r\n").line().startswith(b"ME k exp=-1 ")
        binary.say(b"\x80\x00\x00\x01" + bytes(7) + b"\x01" + bytes(12) + b"k").until(b"\x00\x00\x00\x001")
        c.ask(b"mg k v\r\n", b"VA 1 X W\r\n1\r\n")
        c.ask(b"mg k v\r\n", b"VA 1 Z X\r\n1\r\n")


def test_a_late_set_may_be_kept_as_stale():
    """I of ms, with a version that is lower than the item's."""
    talk((b"ms k 3 E100 T0\r\nold\r\n", b"HD\r\n"),
         (b"md k I E200\r\n", b"HD\r\n"),
         (b"ms k 4 C100 I E150 T500\r\nlate\r\n", b"HD\r\n"),
         (b"mg k v c t\r\n", b"VA 4 c150 t-1 X W\r\nlate\r\n"),
         (b"ms k 5 C151 I\r\nnewer\r\n", b"EX\r\n"),
         (b"ms k 5 C150\r\nfresh\r\n", b"HD\r\n"),
         (b"mg k v\r\n", b"VA 5\r\nfresh\r\n"))


if __name__ == "__main__":
    harness.main()
