#!/usr/bin/python3
"""Classic text as a client sees it: rend with values in memory."""
import harness
from harness import Rend

TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"


def test_each_command_answers_as_memcached_does():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set k 7 0 5\r\nhello\r\n", b"STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n")
        c.ask(b"add k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"replace none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"append k 0 0 1\r\n!\r\n", b"STORED\r\n")
        c.ask(b"prepend k 0 0 1\r\n>\r\n", b"STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 7\r\n>hello!\r\nEND\r\n")
        c.ask(b"set n 0 0 2\r\n10\r\n", b"STORED\r\n")
        c.ask(b"incr n 5\r\n", b"15\r\n")
        c.ask(b"decr n 6\r\n", b"9\r\n")
        c.ask(b"get n\r\n", b"VALUE n 0 2\r\n9 \r\nEND\r\n")
        c.ask(b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        c.ask(b"incr none 1\r\n", b"NOT_FOUND\r\n")
        c.ask(b"touch k 100\r\n", b"TOUCHED\r\n")
        c.ask(b"touch none 100\r\n", b"NOT_FOUND\r\n")
        c.ask(b"gat 100 k none\r\n", b"VALUE k 7 7\r\n>hello!\r\nEND\r\n")
        c.ask(b"delete k\r\n", b"DELETED\r\n")
        c.ask(b"delete k\r\n", b"NOT_FOUND\r\n")
        c.ask(b"verbosity 1\r\n", b"OK\r\n")
        c.ask(b"flush_all\r\n", b"OK\r\n")
        c.ask(b"get n\r\n", b"END\r\n")
        c.ask(b"nonsense\r\n", b"ERROR\r\n")
        assert c.say(b"version\r\n").line().startswith(b"VERSION ")
        c.say(b"quit\r\n").hear_end()


def test_cas_needs_the_version_it_was_given():
    with Rend() as rend, rend.client() as c:
        c.ask(b"cas k 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n")
        c.ask(b"set k 0 0 1\r\na\r\n", b"STORED\r\n")
        version = c.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split(b" ")[4]
        c.ask(b"cas k 0 0 1 %s\r\nb\r\n" % version, b"STORED\r\n")
        c.ask(b"cas k 0 0 1 %s\r\nc\r\n" % version, b"EXISTS\r\n")
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\nb\r\nEND\r\n")
        again = c.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split(b" ")[4]
        assert int(again) > int(version)
        c.ask(b"touch k 0\r\n", b"TOUCHED\r\n")
        c.ask(b"cas k 0 0 1 %s\r\nd\r\n" % again, b"STORED\r\n")


def test_a_packet_of_commands_is_answered_in_order():
    with Rend() as rend, rend.client() as c:
        c.say(b"set k 0 0 1\r\na\r\nget k\r\nset k 0 0 1\r\nb\r\nget k\r\ndelete k\r\nget k\r\nincr k 1\r\nmn0\r\n")
        c.hear(b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\nSTORED\r\nVALUE k 0 1\r\nb\r\nEND\r\nDELETED\r\nEND\r\nNOT_FOUND\r\nERROR\r\n")


def test_noreply_is_silent_and_done():
    with Rend() as rend, rend.client() as c:
        c.say(b"set k 0 0 1 noreply\r\na\r\nappend k 0 0 1 noreply\r\nb\r\nadd k 0 0 1 noreply\r\nz\r\n")
        c.say(b"set n 0 0 1 noreply\r\n1\r\nincr n 4 noreply\r\ntouch n 100 noreply\r\ndelete none noreply\r\n")
        c.ask(b"get k n\r\n", b"VALUE k 0 2\r\nab\r\nVALUE n 0 1\r\n5\r\nEND\r\n")
        c.say(b"flush_all noreply\r\nverbosity 1 noreply\r\n").ask(b"get k n\r\n", b"END\r\n")


REQUESTS = [
    (b"set k 5 0 10\r\n0123456789\r\n", b"STORED\r\n"),
    (b"get k other k\r\n", b"VALUE k 5 10\r\n0123456789\r\nVALUE k 5 10\r\n0123456789\r\nEND\r\n"),
    (b"set z 0 0 0\r\n\r\n", b"STORED\r\n"),
    (b"get z\r\n", b"VALUE z 0 0\r\n\r\nEND\r\n"),
    (b"append k 0 0 2\r\n!!\r\n", b"STORED\r\n"),
    (b"set n 0 0 1\r\n1\r\n", b"STORED\r\n"),
    (b"incr n 41\r\n", b"42\r\n"),
    (b"gat 0 n\r\n", b"VALUE n 0 2\r\n42\r\nEND\r\n"),
    (b"touch n 0\r\n", b"TOUCHED\r\n"),
    (b"delete n\r\n", b"DELETED\r\n"),
    (b"set k 0 0 3\r\nabcd\r\n", b"CLIENT_ERROR bad data chunk\r\n"),
    (b"set big 0 0 2000000\r\n" + b"x" * 50 + b"\r\n", None),
    (b"cas k 0 0 1 0\r\nx\r\n", b"EXISTS\r\n"),
    (b"flush_all\r\n", b"OK\r\n"),
]


def test_every_split_of_every_request_gives_the_same_answer():
    with Rend() as rend, rend.client() as c:
        for request, answer in REQUESTS:
            if answer is None:
                continue
            whole = b"".join(r for r, a in REQUESTS[:REQUESTS.index((request, answer))] if a)
            expected = b"".join(a for r, a in REQUESTS[:REQUESTS.index((request, answer))] if a)
            for at in range(1, len(request)):
                c.ask(b"flush_all\r\n", b"OK\r\n").ask(whole, expected)
                c.say(request[:at])
                # The first half has been read, and has not been answered, when another client is served after it.
                with rend.client() as other:
                    other.ask(b"get nothing\r\n", b"END\r\n")
                c.say(request[at:]).hear(answer)


def test_byte_by_byte():
    with Rend() as rend, rend.client() as c:
        for request, answer in REQUESTS:
            if answer is None:
                continue
            for i in range(len(request)):
                c.say(request[i:i + 1])
            c.hear(answer)


def test_a_value_too_large_is_swallowed_and_takes_the_older_one_with_it():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
        size = (1 << 20) + 1
        c.say(b"set k 0 0 %d\r\n" % size + b"get x\r\n" * (size // 7) + b"y" * (size % 7) + b"\r\n")
        c.hear(TOO_LARGE)
        c.ask(b"get k\r\n", b"END\r\n")
        c.ask(b"set k 0 0 1\r\nn\r\n", b"STORED\r\n")


def test_an_append_that_would_grow_too_large_leaves_the_value():
    with Rend() as rend, rend.client() as c:
        half = b"h" * 600000
        c.ask(b"set k 0 0 600000\r\n" + half + b"\r\n", b"STORED\r\n")
        for verb in (b"append", b"prepend"):
            c.ask(verb + b" k 0 0 600000\r\n" + half + b"\r\n", b"NOT_STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 0 600000\r\n" + half + b"\r\nEND\r\n")


def test_values_from_nothing_to_the_limit():
    with Rend() as rend, rend.client() as c:
        for size in (0, 1, 1023, 1024, 1025, 16383, 16384, 65535, 65536, 65537, 300000, (1 << 20) - 1, 1 << 20):
            value = (b"%07d" % size) * (size // 7 + 1)
            value = value[:size]
            if size > (1 << 20):
                continue
            c.ask(b"set k 0 0 %d\r\n%s\r\n" % (size, value), b"STORED\r\n")
            c.ask(b"get k\r\n", b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (size, value))


def test_ten_thousand_keys_in_one_get():
    with Rend() as rend, rend.client() as c:
        for i in range(0, 10000, 10):
            c.say(b"set key%d 0 0 4 noreply\r\n%04d\r\n" % (i, i))
        c.say(b"get " + b" ".join(b"key%d" % i for i in range(10000)) + b"\r\n")
        for i in range(0, 10000, 10):
            c.hear(b"VALUE key%d 0 4\r\n%04d\r\n" % (i, i))
        c.hear(b"END\r\n").ask(b"get key10\r\n", b"VALUE key10 0 4\r\n0010\r\nEND\r\n")


def test_what_expires_is_gone():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set gone 0 -1 1\r\nx\r\n", b"STORED\r\n").ask(b"get gone\r\n", b"END\r\n")
        c.ask(b"set past 0 1000000000 1\r\nx\r\n", b"STORED\r\n").ask(b"get past\r\n", b"END\r\n")
        c.ask(b"set soon 0 1 1\r\nx\r\n", b"STORED\r\n")
        harness.wait_for("a second to pass", lambda: c.say(b"get soon\r\n").until(b"END\r\n") == b"END\r\n")
        c.ask(b"add soon 0 0 1\r\ny\r\n", b"STORED\r\n")


def test_a_delayed_flush_comes_when_it_is_due():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        # At once: on a machine that stalls it would be due before the get.
        c.ask(b"flush_all 1\r\nget k\r\n", b"OK\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
        harness.wait_for("the flush", lambda: c.say(b"get k\r\n").until(b"END\r\n") == b"END\r\n")
        c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n").ask(b"flush_all 1000\r\n", b"OK\r\n")
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n").ask(b"flush_all -1\r\n", b"OK\r\n").ask(b"get k\r\n", b"END\r\n")


def test_what_is_not_enabled_is_refused():
    with Rend(fields="enable_flush = false;") as rend, rend.client() as c:
        c.ask(b"flush_all\r\n", b"CLIENT_ERROR flush_all not allowed\r\n")
        c.ask(b"shutdown\r\n", b"SERVER_ERROR: shutdown not enabled\r\n")
        c.ask(b"get k\r\n", b"END\r\n")


def test_shutdown_when_enabled_ends_the_server():
    rend = Rend(fields="enable_shutdown = true;")
    with rend:
        with rend.client() as c:
            c.say(b"shutdown\r\n")
            harness.wait_for("rend to end", lambda: not rend.alive())


def test_stats_count_what_was_done():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n").ask(b"get a b\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n")
        c.ask(b"delete b\r\n", b"NOT_FOUND\r\n").ask(b"touch a 0\r\n", b"TOUCHED\r\n").ask(b"gat 0 a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n")
        stats = c.stats()
        for name, value in (("cmd_get", 2), ("get_hits", 1), ("get_misses", 1), ("cmd_set", 1), ("delete_misses", 1),
                            ("cmd_touch", 2), ("touch_hits", 2), ("curr_items", 1), ("total_items", 1), ("threads", 2),
                            ("curr_connections", 1), ("limit_maxbytes", 64 << 20)):
            assert stats[name] == str(value), (name, stats[name], value)
        assert stats["pid"] == str(rend.child.pid)
        assert c.stats("settings")["maxconns"] == "1024"
        c.ask(b"stats reset\r\n", b"RESET\r\n")
        assert c.stats()["cmd_get"] == "0"
        assert c.stats("nodes")["mem.get.OK"] == "2"


def test_the_listener_policy_is_swapped_by_the_file():
    conf = """
handlers = { one = { plugin = "inmem"; memory = "16MiB"; }; two = { plugin = "inmem"; memory = "16MiB"; }; };
policies = { first = { plugin = "l1only"; l1 = "one"; }; second = { plugin = "l1only"; l1 = "two"; }; };
listeners = ( { port = 0; policy = "first"; }, { port = 0; policy = "second"; }, { path = "s.sock"; policy = "second"; } );
"""
    rend = Rend(conf.replace("s.sock", "/nowhere"))
    path = rend.folder + "/s.sock"
    with open(rend.conf_file) as f:
        text = f.read().replace("/nowhere", path)
    with open(rend.conf_file, "w") as f:
        f.write(text)
    with rend:
        with rend.client(0) as a, rend.client(1) as b, harness.Client(path) as u:
            a.ask(b"set k 0 0 1\r\na\r\n", b"STORED\r\n")
            b.ask(b"get k\r\n", b"END\r\n").ask(b"set k 0 0 1\r\nb\r\n", b"STORED\r\n")
            a.ask(b"get k\r\n", b"VALUE k 0 1\r\na\r\nEND\r\n")
            u.ask(b"get k\r\n", b"VALUE k 0 1\r\nb\r\nEND\r\n")


if __name__ == "__main__":
    harness.main()
