#!/usr/bin/python3
"""rend.conf and the command line: what is said about mistakes, what rend exits with, and that the papers say what the program does."""
import ctypes
import glob
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

import harness
from harness import PLUGINS, REND, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

# sysexits.h
USAGE, NO_INPUT, NO_USER, SOFTWARE, OS_ERROR, CANT_CREATE, IO_ERROR, NO_PERMISSION, CONFIG = 64, 66, 67, 70, 71, 73, 74, 77, 78

GOOD = """handlers = { mem = { plugin = "inmem"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; } );
"""

# A plugin that does something as soon as it is loaded.
BAD_PLUGIN = """
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "rend/plugin.h"
static __attribute__((constructor)) void early(void) { %s }
static void any(void *inst, struct rend_op *op) { (void)inst; rend_done(op, REND_MISS); }
static int check(const void *conf, struct rend_error *err) { (void)conf; (void)err; %s return 0; }
static const struct rend_handler handler = { .name = "bad", .doc = "Bad.", .any = any, .check = check };
REND_PLUGIN(.version = "0.1", .handler = &handler);
"""


# A policy of two tiers that writes under the guard of the first.
TWO_TIERS = """
#include "rend/plugin.h"
struct conf { const struct rend_node *l1, *l2; };
static const struct rend_option options[] = {
	REND_OPTION("l1", REND_HANDLER, conf, l1, NULL, NULL, "The first."),
	REND_OPTION("l2", REND_HANDLER, conf, l2, NULL, NULL, "The second."),
	{ 0 },
};
static const struct rend_step set[] = {
	[1] = { .name = "l2", .tier = 1, .verb = REND_SET, .yes = 2 },
	[2] = { .name = "l1", .tier = 0, .verb = REND_SET, .aside = true, .guarded = true },
	[3] = { 0 },
};
static const struct rend_walk walks[REND_VERB_SLOTS] = { [REND_SET] = { REND_WRITES, set } };
static const struct rend_walk *pick(const void *conf, uint32_t l1_can) { (void)conf; (void)l1_can; return walks; }
static const struct rend_policy policy = { .name = "two", .doc = "Two tiers.", .tiers = { "l1", "l2" },
	.conf_size = sizeof(struct conf), .options = options, .pick = pick };
REND_PLUGIN(.version = "0.1", .policy = &policy);
"""


class Folder:
    """A folder for one test."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        os.chmod(self.path, 0o755)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.path, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return name

    def run(self, *args, plugins=PLUGINS, **kw):
        """Runs rend in here, with our plugins."""
        where = ["-o", "plugin_dir=" + plugins] if plugins else []
        # A plugin's crash is to be one, not a sanitizer's report.
        env = dict(os.environ)
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            env[name] = env.get(name, "") + ":handle_segv=0"
        return subprocess.run([REND, *where, *args], cwd=self.path, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, **kw)

    def compile(self, name, source):
        """Compiles a plugin; returns its path."""
        path = os.path.join(self.path, name)
        self.write(name + ".c", source)
        subprocess.run(["gcc", "-fPIC", "-shared", "-fvisibility=hidden", "-I" + os.path.join(TOP, "core"),
                        "-o", path + ".so", path + ".c"], check=True, timeout=300)
        os.chmod(path + ".so", 0o755)
        return path + ".so"

    def plugin(self, early="", check=""):
        """A bad plugin; returns its path."""
        return self.compile("bad", BAD_PLUGIN % (early, check))


def same(got, expected):
    assert got == expected, f"expected:\n{expected}\ngot:\n{got}"


def exits(result, code):
    assert result.returncode == code, f"exit {result.returncode} instead of {code}: {result.stdout}{result.stderr}"


# ---- mistakes ----

MISTAKES = """wrokers = 4;
disk_threads = "8";
max_connections = 0;
idle_timeout = 30;
item_size_max = "2GB";
cas = 1;
backlog = 4294967296;
log = { level = "inof"; file = "x"; };
handlers = {
	mem = { plugin = "inmem"; memroy = "64MiB"; evict = "yes"; };
	small = { plugin = "inmem"; memory = "1KiB"; };
	other = { plugin = "inmme"; };
	pol = { plugin = "l1only"; l1 = "mem"; };
	back = { plugin = "memcached"; links = 65; connect_timeout = "2h"; };
	five = 5;
	none = { memory = "1GiB"; };
};
policies = {
	main = { plugin = "l1only"; l1 = "men"; };
	a = { plugin = "l1only"; l1 = "b"; };
	b = { plugin = "l1only"; l1 = "a"; };
	what = { plugin = "l1only"; };
	mem = { plugin = "l1only"; l1 = "other"; };
};
listeners = (
	{ port = "11211"; policy = "mian"; },
	{ address = "localhost"; port = 70000; policy = "mem"; },
	{ path = "/tmp/x"; port = 1; mode = "0999"; policy = "main"; protcol = "text"; },
	{ path = "/tmp/x"; },
	{ policy = "a"; port = 5; mode = "0700"; }, 7
);
"""

SAID = """a.conf:1: wrokers: rend has no such option; did you mean workers?
a.conf:2: disk_threads: a number is wanted, not a string: leave out the quotes
a.conf:3: max_connections: must be 1 to 1000000
a.conf:4: idle_timeout: 30 has no unit: write "30s", or "30ms"
a.conf:5: item_size_max: GB is not a unit here; write GiB
a.conf:6: cas: true or false is wanted, not a number
a.conf:7: 4294967296 does not fit into 32 bits: write sizes and times as "4GiB", other numbers with an L behind
a.conf:7: backlog: must be 1 to 65535
a.conf:8: log.file: log has no such option
a.conf:8: log.level: must be one of error|warn|info|debug, not "inof"; did you mean info?
a.conf:10: handlers.mem.memroy: inmem has no such option; did you mean memory?
a.conf:10: handlers.mem.evict: true or false is wanted, not a string: leave out the quotes
a.conf:11: handlers.small.memory: must be at least 1MiB
a.conf:12: handlers.other.plugin: there is no plugin inmme: no file PLUGINS/inmme.so; did you mean inmem?
a.conf:13: handlers.pol.plugin: l1only is a policy: its block belongs under policies
a.conf:14: handlers.back.servers: must be given: SERVERS
a.conf:14: handlers.back.links: must be 1 to 64
a.conf:14: handlers.back.connect_timeout: must be 1ms to 1h
a.conf:15: handlers.five: a group { } is wanted, not a number
a.conf:16: handlers.none.plugin: must be given: which plugin it is
a.conf:19: policies.main.l1: there is no handler or policy "men"; did you mean mem?
a.conf:20: policies.a: asks itself: a -> b -> a
a.conf:22: policies.what.l1: must be given: The handler that keeps everything.
a.conf:23: policies.mem: there is handlers.mem already, in line 10: the names of blocks are one list
a.conf:26: listeners.0.port: a number is wanted, not a string: leave out the quotes
a.conf:26: listeners.0.policy: there is no policy "mian"; did you mean main?
a.conf:27: listeners.1.port: must be 0 to 65535
a.conf:27: listeners.1.address: an IP address is wanted, like "127.0.0.1" or "::1", not "localhost"
a.conf:27: listeners.1.policy: mem is a handler: listeners name a policy, like one of l1only over it
a.conf:28: listeners.2.protcol: a listener has no such option; did you mean protocol?
a.conf:28: listeners.2.port: a listener has either path or address and port
a.conf:28: listeners.2.mode: permissions in octal are wanted, like "0700", not "0999"
a.conf:29: listeners.3.policy: must be given: The block under policies that is asked.
a.conf:29: listeners.3.path: listeners.2 is there already
a.conf:30: listeners.4.mode: only a unix socket (path) has one
a.conf:30: listeners.5: a group { } is wanted, not a number
-o workers: must be 0 to 128
-o handlers.mex.memory: there is no block handlers.mex; did you mean mem?
-o listeners.1.backlog: a listener has no such option
"""


def test_all_mistakes_of_a_file_are_said_at_once():
    with Folder() as f:
        got = f.run("-t", "-c", f.write("a.conf", MISTAKES), "-o", "workers=-1", "-o", "handlers.mex.memory=3MiB",
                    "-o", "listeners.1.backlog=3")
        exits(got, CONFIG)
        servers = re.search(r"^\| `servers` .* \| ([^|]*) \|$", f.run("--describe", "memcached").stdout, re.M).group(1)
        same(got.stderr, SAID.replace("PLUGINS", PLUGINS).replace("SERVERS", servers))
        same(got.stdout, "")


ALONE = [
    ("", "a.conf: listeners: must be given: where clients come in, ( { port = 11211; policy = \"...\"; } )"),
    (GOOD + "user = \"me;\n\n", "a.conf:4: the string that begins here does not end"),
    (GOOD + "workers = ;", "a.conf:4: syntax error"),
    (GOOD + "workers = 1;\nworkers = 2;", "a.conf:5: duplicate setting name"),
    (GOOD + "admim = { };", "a.conf:4: admim: rend has no such option; did you mean admin?"),
    (GOOD + "log = \"stderr\";", "a.conf:4: log: a group { } is wanted, not a string"),
    (GOOD + "@include \"none\"", "a.conf:4: cannot look at none: No such file or directory"),
    (GOOD + "@include \"a.conf\"", "a.conf:4: @include: too many files include each other"),
    (GOOD.replace("( {", "{ x = {").replace("} )", "}; }"), "a.conf:3: listeners: a list ( { }, { } ) is wanted, not a group { }"),
    (GOOD.replace("mem = {", "mem = ( ); x = {"), "a.conf:1: handlers.mem: a group { } is wanted, not a list"),
    ("handlers = ( 1, 2 );" + GOOD.split("\n", 1)[1],
     "a.conf:1: handlers: a group { } is wanted, not a list\na.conf:1: policies.main.l1: there is no handler or policy \"mem\""),
    (GOOD.replace("0;", "0; path = \"" + "x" * 108 + "\";"),
     "a.conf:3: listeners.0.port: a listener has either path or address and port\n"
     "a.conf:3: listeners.0.path: a unix socket's path may have 107 bytes"),
    (GOOD.replace("main = {", "main = { plugin = \"l1only\"; l1 = \"main\"; }; x = {"),
     "a.conf:2: policies.main: asks itself: main -> main"),
    (GOOD.replace("\"inmem\"", "\"../inmem\""),
     "a.conf:1: handlers.mem.plugin: \"../inmem\" is neither the name of a plugin nor a path that begins with /"),
]


def test_each_mistake_alone():
    for text, said in ALONE:
        with Folder() as f:
            got = f.run("-t", "-c", f.write("a.conf", text))
            same(got.stderr.replace(PLUGINS, "PLUGINS"), said + "\n")
            assert got.returncode in (CONFIG, NO_INPUT), got


def test_a_good_file_is_one_line():
    with Folder() as f:
        got = f.run("-t", "-c", f.write("a.conf", GOOD))
        exits(got, 0)
        same(got.stdout, "a.conf: ok, 1 handler, 1 policy, 1 listener\n")
        same(got.stderr, "")
        same(os.listdir(f.path), ["a.conf"])


def test_warnings_do_not_refuse():
    with Folder() as f:
        text = GOOD.replace("mem = {", "x = { plugin = \"inmem\"; }; mem = {").replace("port", "address = \"::\"; port")
        got = f.run("-t", "-c", f.write("a.conf", text))
        exits(got, 0)
        same(got.stderr, "a.conf:1: warning: handlers.x: no listener leads here\n"
             "a.conf:3: warning: listeners.0: :: is open to other machines, and whoever reaches it may read and change everything\n")


def test_includes_are_read_and_checked():
    with Folder() as f:
        f.write("a.conf", GOOD + "@include \"more.conf\"\n")
        f.write("more.conf", "\nworkers = \"two\";\n")
        got = f.run("-t", "-c", "a.conf")
        exits(got, CONFIG)
        same(got.stderr, "more.conf:2: workers: a number is wanted, not a string: leave out the quotes\n")
        f.write("more.conf", "\nworkers = 2;\n")
        exits(f.run("-t", "-c", "a.conf"), 0)
        f.write("more.conf", "\nworkers = 2;\n", 0o666)
        exits(f.run("-t", "-c", "a.conf"), NO_PERMISSION)


# ---- plugins that misbehave ----

def check_bad_plugin(said, early="", check=""):
    with Folder() as f:
        path = f.plugin(early, check)
        f.write("a.conf", GOOD.replace("mem = {", f"bad = {{ plugin = \"{path}\"; }}; mem = {{"))
        got = f.run("-t", "-c", "a.conf")
        exits(got, SOFTWARE)
        same(got.stdout, "")
        last = got.stderr.splitlines()[-1]
        assert re.fullmatch(rf"a\.conf:1: handlers\.bad: plugin \S+ {said}", last), got.stderr
        return got.stderr


def test_a_plugin_that_crashes_while_it_is_loaded():
    said = check_bad_plugin(r"died with signal 11 \(Segmentation fault\) while it was loaded",
                            "fprintf(stderr, \"last words\\n\"); raise(SIGSEGV);")
    assert said.startswith("last words\n"), said


def test_a_plugin_that_leaves_while_it_is_loaded():
    check_bad_plugin(r"ended the program with exit status 3 while it was loaded", "_Exit(3);")


def test_a_plugin_that_leaves_as_if_all_were_well():
    check_bad_plugin(r"ended the program with exit status 0 while it was loaded", "_Exit(0);")


def test_a_plugin_that_crashes_while_it_checks_its_options():
    check_bad_plugin(r"died with signal 6 \(Aborted\) while it checked its options", "", "signal(SIGABRT, SIG_DFL); abort();")


def test_a_plugin_that_does_not_come_back():
    check_bad_plugin(r"did not come back within 10 s while it was loaded", "for (;;) pause();")


def test_an_unsafe_plugin_is_not_loaded():
    with Folder() as f:
        path = f.plugin("raise(SIGSEGV);")
        os.chmod(path, 0o777)
        got = f.run("-t", "-c", f.write("a.conf", GOOD.replace("\"inmem\"", f"\"{path}\"")))
        exits(got, NO_PERMISSION)
        assert "everybody may write it" in got.stderr, got.stderr


def test_list_plugins_tells_good_from_bad():
    with Folder() as f:
        path = f.plugin("raise(SIGSEGV);")
        for name in ("inmem.so", "l1only.so"):
            shutil.copy(os.path.join(PLUGINS, name), f.path)
            os.chmod(os.path.join(f.path, name), 0o755)
        f.write("text.so", "no plugin")
        got = f.run("--list-plugins", plugins=f.path)
        exits(got, 0)
        lines = got.stdout.splitlines()
        assert len(lines) == 4, got.stdout
        assert lines[0] == f"{path}  not usable: plugin {path} died with signal 11 (Segmentation fault) while it was loaded"
        assert re.fullmatch(r"\S+/inmem\.so  handler inmem \S+  abi \d+\.\d+  ok", lines[1]), lines[1]
        assert re.fullmatch(r"\S+/l1only\.so  policy l1only \S+  abi \d+\.\d+  ok", lines[2]), lines[2]
        assert re.match(r"\S+/text\.so  not usable: \S+/text\.so cannot be loaded: ", lines[3]), lines[3]


def test_an_l1_belongs_to_its_l2():
    said = "asks mem, which is the L1 of policies.main over a: nobody else may, but for policies over the same two"
    with Folder() as f:
        two = f.compile("two", TWO_TIERS)
        handlers = "handlers = { " + " ".join("%s = { plugin = \"inmem\"; };" % name for name in ("mem", "a", "b")) + " };\n"
        listeners = "listeners = ( { policy = \"main\"; }, { port = 5; policy = \"other\"; } );\n"
        main = f"policies = {{ main = {{ plugin = \"{two}\"; l1 = \"mem\"; l2 = \"a\"; }};\n"
        for other, refused in (("plugin = \"l1only\"; l1 = \"mem\";", True),
                               (f"plugin = \"{two}\"; l1 = \"mem\"; l2 = \"b\";", True),
                               (f"plugin = \"{two}\"; l1 = \"a\"; l2 = \"mem\";", True),
                               (f"plugin = \"{two}\"; l1 = \"mem\"; l2 = \"a\";", False),
                               (f"plugin = \"{two}\"; l1 = \"b\"; l2 = \"a\";", False),
                               ("plugin = \"l1only\"; l1 = \"a\";", False)):
            f.write("a.conf", handlers + main + f"other = {{ {other} }}; }};\n" + listeners)
            got = f.run("-t", "-c", "a.conf")
            exits(got, CONFIG if refused else 0)
            assert (f"a.conf:3: policies.other: {said}\n" in got.stderr) == refused, f"{other}: {got.stderr}"


PLAIN = """
#include "rend/plugin.h"
static void any(void *inst, struct rend_op *op) { rend_done(op, REND_MISS); }
static const struct rend_handler plain = { .name = "plain", .doc = "Has nothing.", .any = any };
REND_PLUGIN(.version = "1", .handler = &plain);
"""


def test_what_cannot_be_a_cache_before_a_store():
    handlers = """handlers = { mem = { plugin = "inmem"; %s }; disk = { plugin = "inmem"; %s };
    back = { plugin = "memcached"; servers = [ "127.0.0.1:1" ]; }; plain = { plugin = "PLAIN"; }; };
"""
    leases = "it neither asks the guard that keeps old ones out, as inmem does, nor has leases, as memcached has"
    with Folder() as f:
        handlers = handlers.replace("PLAIN", f.compile("plain", PLAIN))
        for plugin in ("l1l2", "l1l2batch"):
            for options, l1, l2, said in (
                    (("", ""), "mem", "disk", None),
                    (("unknown_hold = \"2s\";", ""), "mem", "back", None),
                    (("", ""), "mem", "mem", "3: policies.main: mem cannot be the L1 and the L2: there would be no copies"),
                    (("", ""), "back", "mem", None),
                    (("", ""), "plain", "mem", f'3: policies.main: l1 = "plain": plugin plain cannot keep copies for {plugin}: {leases}'),
                    (("", ""), "main", "mem", "3: policies.main.l1: main is a policy; a handler is wanted"),
                    (("", "unknown_hold = \"2s\";"), "mem", "disk", "1: handlers.disk.unknown_hold: no policy keeps copies in disk: this is for an l1"),
                    (("unknown_hold = \"2ms\";", ""), "mem", "disk", "1: handlers.mem.unknown_hold: must be 100ms to 1h"),
                    (("unknown_hold = 2;", ""), "mem", "disk", "1: handlers.mem.unknown_hold: 2 has no unit: write \"2s\", or \"2ms\"")):
                f.write("a.conf", handlers % options + f'policies = {{ main = {{ plugin = "{plugin}"; l1 = "{l1}"; l2 = "{l2}"; }}; }};\n'
                        + 'listeners = ( { policy = "main"; } );\n')
                got = f.run("-t", "-c", "a.conf")
                exits(got, CONFIG if said else 0)
                assert said is None or f"a.conf:{said}\n" in got.stderr, got.stderr


def test_options_of_an_l1_in_another_process():
    here = ('policies.main: promote, publish, when_l1_away and l1_max_ttl are for an l1 in another process; "mem" is in this one, where reads '
            "never wait, writes leave copies, and l1 is never away")
    aside = 'policies.main: promote: l1 "own" is exclusive, so reads never wait for it: leave this out'
    away = 'policies.main: when_l1_away: l1 "own" is exclusive, so l2 answers while it is away: leave this out'
    go_on = ("policies.main: when_l1_away: with go_on a copy may be older than an acknowledged write for as long as it lives: say how long that may be, "
             "with l1_max_ttl")
    held = "handlers.back.unknown_hold: no policy keeps copies in back: this is for an l1"
    with Folder() as f:
        for plugin in ("l1l2", "l1l2batch"):
            for l1, more, hold, said in (
                    ("mem", "", "", None), ("back", "", "", None), ("own", "", "", None),
                    ("mem", 'promote = "confirm"; publish = false; when_l1_away = "error"; l1_max_ttl = 0;', "", None),
                    ("mem", 'promote = "aside";', "", here), ("mem", "publish = true;", "", here), ("mem", 'when_l1_away = "l2";', "", here),
                    ("mem", 'l1_max_ttl = "1min";', "", here),
                    ("back", 'promote = "aside"; publish = true; when_l1_away = "l2";', "", None),
                    ("back", 'when_l1_away = "go_on";', "", go_on), ("back", 'when_l1_away = "go_on"; l1_max_ttl = "1min";', "", None),
                    ("back", "", 'unknown_hold = "2s";', held),
                    ("own", 'publish = true; l1_max_ttl = "1min";', "", None),
                    ("own", 'promote = "aside";', "", aside), ("own", 'when_l1_away = "l2";', "", away)):
                f.write("a.conf", f"""handlers = {{ mem = {{ plugin = "inmem"; }}; all = {{ plugin = "inmem"; }};
    back = {{ plugin = "memcached"; servers = [ "127.0.0.1:1" ]; {hold} }};
    own = {{ plugin = "memcached"; servers = [ "127.0.0.1:1" ]; exclusive = true; }}; }};
policies = {{ main = {{ plugin = "{plugin}"; l1 = "{l1}"; l2 = "all"; {more} }}; }};
listeners = ( {{ policy = "main"; }} );
""")
                got = f.run("-t", "-c", "a.conf")
                exits(got, CONFIG if said else 0)
                assert said is None or re.search(rf"a.conf:\d+: {re.escape(said)}\n", got.stderr), got.stderr


def test_a_server_is_exclusive_to_one_block():
    with Folder() as f:
        for server, other, refused in (("127.0.0.1:1", "exclusive = true;", True), ("127.0.0.1:1", "", False),
                                       ("127.0.0.1:1 weight=2 name=x", "exclusive = true;", True), ("127.0.0.1:11 name=x", "exclusive = true;", False)):
            f.write("a.conf", f"""handlers = {{
    own = {{ plugin = "memcached"; servers = [ "127.0.0.1:1" ]; exclusive = true; }};
    too = {{ plugin = "memcached"; servers = [ "{server}" ]; {other} }}; all = {{ plugin = "inmem"; }}; }};
policies = {{ main = {{ plugin = "l1l2"; l1 = "own"; l2 = "all"; }}; other = {{ plugin = "l1l2"; l1 = "too"; l2 = "all"; }}; }};
listeners = ( {{ policy = "main"; }}, {{ port = 5; policy = "other"; }} );
""")
            got = f.run("-t", "-c", "a.conf")
            said = "a.conf:3: handlers.too: wants 127.0.0.1:1 for itself, which handlers.own has: two stores cannot share it\n"
            exits(got, CONFIG if refused else 0)
            assert (said in got.stderr) == refused, got.stderr


def test_who_writes_to_an_l2_behind_its_l1_is_warned_of():
    with Folder() as f:
        handlers = 'handlers = { mem = { plugin = "inmem"; }; own = { plugin = "inmem"; }; disk = { plugin = "inmem"; }; };\n'
        main = 'policies = { main = { plugin = "l1l2"; l1 = "mem"; l2 = "disk"; };\n'
        for other, warned in (('plugin = "l1only"; l1 = "disk";', True), ('plugin = "l1l2"; l1 = "own"; l2 = "disk";', True),
                              ('plugin = "l1l2batch"; l1 = "mem"; l2 = "disk";', False), ('plugin = "l1only"; l1 = "own";', False)):
            f.write("a.conf", handlers + main + f"other = {{ {other} }}; }};\n" + 'listeners = ( { policy = "main"; }, { port = 5; policy = "other"; } );\n')
            got = f.run("-t", "-c", "a.conf")
            exits(got, 0)
            said = "a.conf:3: warning: policies.other: asks disk, which is the L2 of policies.main: copies in mem know nothing of what is written here\n"
            assert (said in got.stderr) == warned, f"{other}: {got.stderr}"


# ---- the command line ----

EXITS = [
    (["--version"], 0, r"rend \S+ \(plugin ABI \d+\.\d+\)\n"),
    (["--help"], 0, r"usage: rend .*--list-plugins.*"),
    (["-t"], 0, r"\(built in\): ok, 1 handler, 1 policy, 1 listener\n"),
    (["-t", "-p", "0", "-m", "128", "-l", "127.0.0.1,[::1]:5", "-u", "root", "-v"], 0, r".*ok, .* 2 listeners\n"),
    (["-t", "-s", "/tmp/x"], 0, r".*ok.*"),
    (["--paths"], 0, r"policies\.main \(l1only\)\n.*get.*"),
    (["-t", "--help"], 0, r"usage.*"),
    (["--nonsense"], USAGE, r".*unrecognized option.*"),
    (["-c"], USAGE, r".*requires an argument.*"),
    (["more"], USAGE, r"rend: \"more\" is no option.*"),
    (["-t", "--draw"], USAGE, r".*--test and --draw.*"),
    (["-t", "-o", "workers"], USAGE, r"rend: -o wants NAME=VALUE, not \"workers\".*"),
    (["-t", "-m", "much"], USAGE, r"rend: -m wants a number of MiB.*"),
    (["-t", "-c", "a", "-c", "b"], USAGE, r"rend: -c twice.*"),
    (["-t", "-l", "[::1"], USAGE, r"rend: -l wants an address.*"),
    (["-t", "-c", "none.conf"], NO_INPUT, r"cannot look at none.conf: No such file or directory\n"),
    (["--describe", "none"], CONFIG, r"rend: there is no plugin none: .*"),
    (["-t", "-p", "seven"], CONFIG, r"-p: listeners\.0\.port: a whole number is wanted, like 12, not \"seven\"\n"),
    (["-t", "-m", "0"], CONFIG, r"-m: handlers\.mem\.memory: must be at least 1MiB\n"),
    (["-t", "-l", "here"], CONFIG, r"-l: listeners\.0\.address: an IP address is wanted.*"),
    (["-t", "-l", "127.0.0.1,127.0.0.1"], CONFIG, r"-l: listeners\.1\.address.*|.*listeners\.1\.port: listeners\.0 is there already\n"),
    (["-t", "-o", "a..b=1"], CONFIG, r"-o a\.\.b: \"a\.\.b\" cannot be the name of a setting\n"),
    (["-t", "-o", "listeners.5.port=1"], CONFIG, r"-o listeners\.5\.port: there is no \"5\" here, and none can be made\n"),
    (["-t", "-o", "listeners.0.port=99999"], CONFIG, r"-o listeners\.0\.port: must be 0 to 65535\n"),
]


def test_what_each_command_line_ends_in():
    with Folder() as f:
        for args, code, said in EXITS:
            got = f.run(*args)
            assert got.returncode == code, f"{args}: exit {got.returncode}: {got.stdout}{got.stderr}"
            assert re.fullmatch(said, got.stdout + got.stderr, re.S), f"{args}: {got.stdout}{got.stderr}"
            assert code == 0 or got.stdout == "", f"{args}: {got.stdout}"


def test_unsafe_and_unreadable_files():
    with Folder() as f:
        for mode in (0o666, 0o620):
            exits(f.run("-t", "-c", f.write("a.conf", GOOD, mode)), NO_PERMISSION)
        f.write("a.conf", GOOD)
        os.symlink("a.conf", os.path.join(f.path, "link"))
        exits(f.run("-t", "-c", "link"), NO_PERMISSION)
        os.mkfifo(os.path.join(f.path, "fifo"), 0o600)
        exits(f.run("-t", "-c", "fifo"), NO_PERMISSION)
        exits(f.run("-t", "-c", "/dev/zero"), NO_PERMISSION)
        os.mkdir(os.path.join(f.path, "open"))
        f.write("open/a.conf", GOOD)
        os.chmod(os.path.join(f.path, "open"), 0o777)
        exits(f.run("-t", "-c", "open/a.conf"), NO_PERMISSION)


def test_a_full_disk_is_said():
    with Folder() as f, open("/dev/full", "w") as full:
        got = subprocess.run([REND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=300, cwd=f.path)
        exits(got, IO_ERROR)
        assert "No space left" in got.stderr, got.stderr


def listeners_of(*args):
    """Which listeners a command line makes, as --draw shows them."""
    with Folder() as f:
        got = f.run("--draw", *args)
        exits(got, 0)
        return re.findall(r"\"listeners\.\d+\" \[shape=plaintext, label=\"([^\"]*)\"\]", got.stdout)


def test_memcacheds_options():
    same(listeners_of(), ["127.0.0.1:11211"])
    same(listeners_of("-p", "5"), ["127.0.0.1:5"])
    same(listeners_of("-l", "::1"), ["[::1]:11211"])
    same(listeners_of("-p", "5", "-l", "127.0.0.2", "-l", "[::1]:6,localhost:7,::1"),
         ["127.0.0.2:5", "[::1]:6", "127.0.0.1:7", "[::1]:5"])
    same(listeners_of("-s", "/tmp/sock", "-p", "5"), ["/tmp/sock"])
    with Folder() as f:
        f.write("a.conf", GOOD.replace("\"inmem\"", "\"inmem\"; memory = \"1MiB\""))
        conf = ["-c", os.path.join(f.path, "a.conf")]
        same(listeners_of(*conf), ["127.0.0.1:0"])
        same(listeners_of(*conf, "-p", "5"), ["127.0.0.1:5"])
        same(listeners_of(*conf, "-o", "listeners.0.port=6"), ["127.0.0.1:6"])
        same(listeners_of(*conf, "-s", "/tmp/sock"), ["/tmp/sock"])
        same(listeners_of(*conf, "-o", "listeners.1.port=6", "-o", "listeners.1.policy=main"), ["127.0.0.1:0", "127.0.0.1:6"])
        exits(f.run(*conf, "-t", "-l", "127.0.0.1,127.0.0.2"), USAGE)
        f.write("a.conf", GOOD.replace("mem = {", "x = { plugin = \"inmem\"; }; mem = {"))
        got = f.run(*conf, "-t", "-m", "64")
        exits(got, USAGE)
        same(got.stderr, "-m: there are 2 blocks of inmem: say which with -o handlers.NAME.memory=...\n")


# ---- starting ----

def me():
    return harness.user_name()


def test_a_port_in_use_costs_nothing():
    with Folder() as f, socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        port = s.getsockname()[1]
        f.write("rend.pid", "12345678\n")
        got = f.run("-p", str(port), "-u", me(), "-P", "rend.pid")
        exits(got, OS_ERROR)
        assert f"127.0.0.1:{port}" in got.stderr, got.stderr
        with open(os.path.join(f.path, "rend.pid")) as old:
            same(old.read(), "12345678\n")


def test_memory_is_what_was_said():
    with harness.Rend(args=("-m", "32")) as rend:
        same(rend.stats()["limit_maxbytes"], str(32 << 20))
    with harness.Rend(args=("-o", "handlers.mem.memory=1.5MiB")) as rend:
        same(rend.stats()["limit_maxbytes"], str(3 << 19))


def root_must_say_who_to_become():
    with Folder() as f:
        got = f.run("-p", "0")
        exits(got, USAGE)
        assert "root must say who to become" in got.stderr, got.stderr
        exits(f.run("-p", "0", "-u", "no-such-user"), NO_USER)
        # To check a file one need not say it.
        exits(f.run("-t"), 0)


def root_becomes_somebody_else():
    with harness.Rend(args=("-u", "nobody", "-s", "rend.sock")) as rend:
        with open(f"/proc/{rend.child.pid}/status") as f:
            status = f.read()
        uid = pwd.getpwnam("nobody").pw_uid
        same(re.search(r"^Uid:\s+(.*)$", status, re.M).group(1).split(), [str(uid)] * 4)
        same(re.search(r"^CapEff:\s+(.*)$", status, re.M).group(1), "0" * 16)
        same(re.search(r"^NoNewPrivs:\s+(.*)$", status, re.M).group(1), "1")
        same(os.stat(os.path.join(rend.folder, "rend.sock")).st_uid, uid)


# Others cannot try what only root can do.
if os.geteuid() == 0:
    test_root_must_say_who_to_become = root_must_say_who_to_become
    test_root_becomes_somebody_else = root_becomes_somebody_else


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_the_background():
    with Folder() as f:
        args = ["-d", "-u", me(), "-s", "rend.sock", "-P", "rend.pid", "-o", "log.to=rend.log"]
        exits(f.run(*args), 0)
        # It is there when the one in the foreground has ended: nothing to wait for.
        with open(os.path.join(f.path, "rend.pid")) as file:
            pid = int(file.read())
        try:
            with harness.Client(os.path.join(f.path, "rend.sock")) as c:
                c.ask(b"set a 0 0 1\r\nb\r\n", b"STORED\r\n")
            again = f.run(*args[:4], "other.sock", *args[5:])
            exits(again, CANT_CREATE)
            assert f"process {pid} has it" in again.stderr, again.stderr
            assert running(pid)
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for("the server to end", lambda: not running(pid))
        assert not os.path.exists(os.path.join(f.path, "rend.pid"))
        assert not os.path.exists(os.path.join(f.path, "rend.sock"))


def test_the_background_says_why_not():
    with Folder() as f, socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        port = s.getsockname()[1]
        got = f.run("-d", "-u", me(), "-p", str(port), "-o", "log.to=rend.log")
        exits(got, OS_ERROR)
        assert f"127.0.0.1:{port}" in got.stderr, got.stderr


def test_a_pid_file_is_not_anybodys_file():
    with Folder() as f:
        f.write("precious", "do not lose me\n")
        got = f.run("-u", me(), "-p", "0", "-P", "precious")
        exits(got, CANT_CREATE)
        with open(os.path.join(f.path, "precious")) as file:
            same(file.read(), "do not lose me\n")
        exits(f.run("-u", me(), "-p", "0", "-P", "no/such/folder"), CANT_CREATE)
        exits(f.run("-u", me(), "-p", "0", "-o", "log.to=no/such/folder"), CANT_CREATE)


def few_files():
    """At most 400 open files, also for root."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(24, 24, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_RESOURCE
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 400))


def test_connections_are_as_many_as_files_allow():
    with harness.Rend(preexec=few_files) as rend:
        line = rend.said(r"max_connections is (\d+) instead of 1024: only 400 files may be open")
        assert line, rend.tail()
        most = int(line.group(1))
        assert 100 <= most < 400, most
        with open(f"/proc/{rend.child.pid}/limits") as f:
            same(re.search(r"^Max open files\s+(\d+)", f.read(), re.M).group(1), "400")


# ---- the papers ----

def test_the_tables_in_the_papers_are_the_programs():
    with open(os.path.join(TOP, "docs", "config.md")) as f:
        text = f.read()
    found = re.findall(r"<!-- rend --describe (\S+) -->\n((?:\|.*\n)+)", text)
    names = {name for name, _ in found}
    plugins = {os.path.basename(path)[:-3] for path in glob.glob(os.path.join(PLUGINS, "*.so"))}
    assert {"rend", "log", "listener", "admin", "inmem", "memcached", "l1only"} <= names, names
    assert plugins <= names, f"not in docs/config.md: {plugins - names}"
    with Folder() as f:
        for name, table in found:
            if name == "mnemonic" and name not in plugins:
                continue  # built only where librocksdb is
            got = f.run("--describe", name)
            exits(got, 0)
            lines = [line for line in got.stdout.splitlines(True) if line.startswith("|")]
            # Where plugins were installed is different for everybody.
            same(re.sub(r"(\| `plugin_dir` \| string \| )`[^`]*`", r"\1`${libdir}/rend`", "".join(lines)), table)


def test_the_examples_are_good():
    paths = glob.glob(os.path.join(TOP, "etc", "*.conf"))
    assert len(paths) >= 2, paths
    with Folder() as f:
        for path in paths:
            with open(path) as example:
                text = example.read()
            if 'plugin = "mnemonic"' in text and not os.path.exists(os.path.join(PLUGINS, "mnemonic.so")):
                continue  # built only where librocksdb is
            name = f.write(os.path.basename(path), text)
            got = f.run("-t", "-c", name)
            assert got.returncode == 0 and got.stderr == "", f"{name}: {got.stderr}"


def test_the_example_says_the_defaults():
    """What rend.conf has in comments is what would be without it."""
    with open(os.path.join(TOP, "etc", "rend.conf")) as f:
        said = dict(re.findall(r"^# (\w+) = \"?([^\";]*)\"?;", f.read(), re.M))
    with Folder() as f:
        rows = re.findall(r"^\| `(\w+)` \| \w+ \| (\S+) \|", f.run("--describe", "rend").stdout, re.M)
    assert len(rows) >= 14, rows
    del said["plugin_dir"]
    same(said, {name: "" if value == "none" else value.strip("`") for name, value in rows if name != "plugin_dir"})


if __name__ == "__main__":
    harness.main()
