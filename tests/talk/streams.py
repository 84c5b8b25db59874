"""Random commands: what is asked, what has to be known of it to compare two servers' answers, and how answers are read.

    Ask ──► bytes for one server (its own versions in the places of Version)
    bytes ──► answer: a list of fields; versions, times and ages are fields of their own
"""
import base64
import re
import struct

# ---- what is asked ----


class Version:
    """A version of a key, as the server that is asked has given it: the newest, the one before, ...; or none it ever gave."""

    def __init__(self, key, back=0, form=b"%d"):
        self.key, self.back, self.form = key, back, form

    def bytes(self, seen):
        known = seen.get(self.key, [])
        number = known[-1 - self.back] if self.back < len(known) else 2**62
        return struct.pack(">Q", number) if self.form == ">Q" else self.form % number


class Ask:
    def __init__(self, name, parts, key=b"", flags=(), alone=False, closes=False, differs=None, stirs=False):
        self.name = name        # for the table of what was covered
        self.parts = [parts] if isinstance(parts, bytes) else parts
        self.key = key          # whose versions the answer tells, where it does not say
        self.flags = flags      # meta: the letters
        self.alone = alone      # all before it is answered first
        self.closes = closes    # the connection ends behind it
        self.differs = differs  # (a row's input, their answer, our answer): a known difference
        self.stirs = stirs      # what comes later may be seen by none: ends the epoch

    def bytes(self, seen):
        return b"".join(p if isinstance(p, bytes) else p.bytes(seen) for p in self.parts)

    def __repr__(self):
        text = b"".join(p if isinstance(p, bytes) else b"<version -%d>" % p.back for p in self.parts)
        return repr(text if len(text) < 400 else text[:200] + b"..." + text[-100:])


# ---- how answers of text are read ----

CODES = (b"VA", b"HD", b"EN", b"NF", b"NS", b"EX")
VERSION, TIME, UNTIL, AGE, SIZE = "version", "time", "time of me", "age", "size of slabs"
# In an answer to a meta command, and in one to me.
TOKENS = {b"c": VERSION, b"t": TIME, b"l": AGE}
DEBUG = {b"cas": VERSION, b"exp": UNTIL, b"la": AGE, b"cls": SIZE, b"size": SIZE}


def field(kind, key, number):
    return (kind, key, int(number)) if re.fullmatch(rb"-?\d+", number) else (kind, key, number)


def read_text(heard, key):
    """Fields: (None, key, bytes), or of a kind, with the key they are of."""
    fields = []
    while heard:
        line, end, rest = heard.partition(b"\r\n")
        words = line.split(b" ")
        size = None
        if words[0] == b"VALUE" and len(words) in (4, 5):
            size = words[3]
            fields.append((None, words[1], b" ".join(words[:4])))
            if len(words) == 5:
                fields.append(field(VERSION, words[1], words[4]))
        elif words[0] in CODES:
            size = words[1] if words[0] == b"VA" and len(words) > 1 else None
            for word in words:
                kind = TOKENS.get(word[:1]) if word not in CODES else None
                fields.append(field(kind, key, word[1:]) if kind else (None, key, word))
        elif words[0] == b"ME":
            for word in words:
                name, is_, value = word.partition(b"=")
                kind = DEBUG.get(name) if is_ else None
                fields += [(None, key, name), field(kind, key, value)] if kind else [(None, key, word)]
        else:
            fields.append((None, key, line + end))
        if size is not None and size.isdigit():
            data, rest = rest[:int(size) + 2], rest[int(size) + 2:]
            fields.append((None, key, data))
        heard = rest
    return fields


def outcome_text(ask, fields):
    """What kind of answer it is, for the table."""
    plain = [f[2] for f in fields if f[0] is None]
    if not plain:
        return "nothing"
    first = plain[0].split(b"\r\n")[0]
    if first in CODES or first == b"ME":
        return first.decode()
    values = sum(p.startswith(b"VALUE ") for p in plain)
    if values:
        return "hit" if values == 1 else "hits"
    if first == b"END":
        return "miss"
    return "number" if first.isdigit() else first.decode("latin1")


def signs(fields):
    return [f[2].decode() for f in fields if f[2] in (b"W", b"X", b"Z")]


# ---- text and meta ----

VALUES = [b"1", b"5", b"10", b"99", b"98", b"100", b"0", b" 5", b"5 x", b"abc", b"", b"18446744073709551616", b"4611686018", b"007", b"x" * 500,
          b"9" * 25, b"y" * 5000, b"get k\r\n", b"\x00\xff\r\n.\r\n"]
JOINED = [b"abc", b" x", b"x ", b"", b"y" * 300, b"1"]
EXPTIMES = [0, 0, 0, 0, 0, 0, 100, 1000, 2592000, 2592001, 2000000000, -1, -100]
# From 2^63 on memcached 1.6.18 looks for a minus sign in what lies behind the number, which is whatever the memory held before: now and then
# it finds one.  So nothing here grows that far; the kit and the parsers' tests do.
DELTAS = [b"0", b"1", b"5", b"90", b"1000000", b"100000000000"]
CLIENT_FLAGS = [0, 0, 5, 99, 2**16, 2**32 - 1]
TOO_LARGE = b"z" * (2 * 1024 * 1024)
# A value that begins like a number is one up to 512 KiB: there memcached begins to keep values in chunks, but not as it is started here.
LARGE = [b"L" * 100000, b"M" * 250000]

BAD_LINE = b"CLIENT_ERROR bad command line format\r\n"
BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
UNKNOWN = b"ERROR\r\n"

# Rows of the table of differences in docs/protocol.md.
TOO_FEW = "a known command with too few words; an empty line"
BAD_STORE = "a storing command with a bad key, flags or exptime"
TOO_MANY = "a storing command with too many words"
NO_VERSION = "`cas` without its version"
NO_LINE_END = "a block that does not end in `\\r\\n`"
SHUTDOWN = "`shutdown` where it is not enabled"
CONTROL = "control characters or NUL in a key"
WIDE = "flags over 32 bits; lengths over 32 bits"
BGET = "`bget`"
BAD_MD = "flags that `md` refuses"
MANY_FLAGS = "a meta line with too many words"
PASSED = "`t` of a time that has passed"
UNTIL_SIGN = "`exp=` of `me`"
SLABS = "`cls=` and `size=` of `me`"
LOOSE_BASE64 = "`b` and a key that is not well formed, such as `YW=I`"

INVALID_OR_DUPLICATE = b"CLIENT_ERROR invalid or duplicate flag\r\n"
FLAGS_TOO_LONG = b"CLIENT_ERROR options flags too long\r\n"
FLAGS_ARE_TOO_LONG = b"CLIENT_ERROR options flags are too long\r\n"

LONG_KEY = b"K" * 251
JUNK_NUMBERS = [b"abc", b"1x", b"", b"99999999999999999999", b"0x10", b"1.5", b"--1"]


class Text:
    """Lines of the classic and the meta commands, mixed, about the keys of one epoch."""

    def __init__(self, dice, epoch):
        self.dice = dice
        self.keys = [b"%s%d" % (epoch, n) for n in range(5)] + [(b"%s-" % epoch).ljust(250, b"l")]
        self.raw_keys = [epoch + b"\x00 \r\n\xff%d" % n for n in range(2)]

    def key(self):
        return self.dice.choice(self.keys)

    def ends(self):
        """Most lines end as they should."""
        return self.dice.choice([b"\r\n"] * 9 + [b"\n"])

    def noreply(self):
        return self.dice.choice([b"", b"", b"", b"", b" noreply"])

    def spaced(self, line):
        if self.dice.random() < 0.03:
            line = line.replace(b" ", b"  ")
        if self.dice.random() < 0.02:
            line = b"  " + line
        if self.dice.random() < 0.02:
            line += b" "
        return line

    def value(self, verb):
        if self.dice.random() < 0.002:
            return self.dice.choice(LARGE)
        return self.dice.choice(JOINED if verb in (b"append", b"prepend") else VALUES)

    def version(self, key):
        return Version(key, self.dice.choice([0, 0, 0, 0, 1, 99]))

    def next(self):
        make, = self.dice.choices(list(self.KINDS), list(self.KINDS.values()))
        return make(self)

    # classic

    def get(self):
        verb = self.dice.choice([b"get", b"get", b"gets", b"gets", b"gat", b"gats"])
        exptime = b" %d" % self.dice.choice(EXPTIMES) if verb.startswith(b"gat") else b""
        keys = [self.key() for _ in range(self.dice.choice([1, 1, 1, 2, 5, 30]))]
        return Ask(verb.decode(), self.spaced(b"%s%s %s" % (verb, exptime, b" ".join(keys))) + self.ends(), keys[0])

    def store(self):
        verb = self.dice.choice([b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas", b"cas"])
        key, value = self.key(), self.value(verb)
        line = self.spaced(b"%s %s %d %d %d" % (verb, key, self.dice.choice(CLIENT_FLAGS), self.dice.choice(EXPTIMES), len(value)))
        parts = [line] + ([b" ", self.version(key)] if verb == b"cas" else []) + [self.noreply() + self.ends() + value + b"\r\n"]
        return Ask(verb.decode(), parts, key)

    def count(self):
        verb, key = self.dice.choice([b"incr", b"decr"]), self.key()
        line = self.spaced(b"%s %s %s" % (verb, key, self.dice.choice(DELTAS)))
        return Ask(verb.decode(), line + self.noreply() + self.ends(), key, alone=True)

    def delete(self):
        key = self.key()
        return Ask("delete", self.spaced(b"delete %s%s%s" % (key, self.dice.choice([b"", b"", b" 0"]), self.noreply())) + self.ends(), key)

    def touch(self):
        key = self.key()
        return Ask("touch", self.spaced(b"touch %s %d" % (key, self.dice.choice(EXPTIMES))) + self.noreply() + self.ends(), key)

    def flush(self):
        # Behind a delayed one, memcached finds again what an earlier one has flushed.
        delay = self.dice.choice([b"", b"", b" 0", b" -1", b" 1000"])
        return Ask("flush_all", b"flush_all" + delay + self.noreply() + self.ends(), alone=True, stirs=delay == b" 1000")

    def other(self):
        return Ask(*self.dice.choice([("verbosity", b"verbosity 1\r\n"), ("verbosity", b"verbosity 0 noreply\r\n"), ("mn", b"mn\r\n"),
                                      ("mn", b"mn a b\r\n"), ("unknown", b"nonsense\r\n"), ("unknown", b"GET k\r\n"), ("unknown", b"getk k\r\n"),
                                      ("unknown", b"mz k v\r\n"), ("stats", b"stats nonsense\r\n")]))

    # bad input

    def too_large(self):
        key = self.key()
        verb = self.dice.choice([b"set", b"add", b"replace", b"append", b"cas", b"ms"])
        more = b"0 0 %d" + (b" 1" if verb == b"cas" else b"") if verb != b"ms" else b"%d T0"
        return Ask(verb.decode(), b"%s %s " % (verb, key) + more % len(TOO_LARGE) + b"\r\n" + TOO_LARGE + b"\r\n", key, alone=True)

    def junk(self):
        """A line with one word that is not what it should be, or one too many."""
        dice, key = self.dice, self.key()
        bad = dice.choice(JUNK_NUMBERS)
        noreply = self.noreply()
        return Ask(*dice.choice([
            ("bad", b"get nobody %s\r\n" % LONG_KEY, key), ("bad", b"gets %s\r\n" % LONG_KEY, key),
            ("bad", b"gat 0 %s\r\n" % LONG_KEY, key), ("bad", b"gat x%s %s\r\n" % (bad, key), key),
            ("bad", b"touch %s x%s%s\r\n" % (key, bad, noreply), key), ("bad", b"touch %s 0%s\r\n" % (LONG_KEY, noreply), key),
            ("bad", b"delete %s%s\r\n" % (LONG_KEY, noreply), key), ("bad", b"incr %s 1%s\r\n" % (LONG_KEY, noreply), key),
            ("bad", b"incr %s -1%s\r\n" % (key, noreply), key), ("bad", b"decr %s x%s%s\r\n" % (key, bad, noreply), key),
            ("bad", b"delete %s 5%s\r\n" % (key, noreply), key), ("bad", b"delete %s x\r\n" % key, key),
            ("bad", b"delete %s 0 noreply more\r\n" % key, key), ("bad", b"touch %s 0 noreply more\r\n" % key, key),
            ("bad", b"incr %s 1 noreply more\r\n" % key, key), ("bad", b"verbosity x\r\n", key), ("bad", b"flush_all x%s\r\n" % noreply, key),
            ("bad", b"set %s 0 0 %s%s\r\n" % (key, dice.choice([b"abc", b"-1", b"2147483647", b"2147483646"]), noreply), key),
        ]), alone=True)

    def differs(self):
        """What the two are known to answer differently."""
        dice, key = self.dice, self.key()
        short = dice.choice([b"get", b"gets", b"touch", b"touch %s" % key, b"incr", b"incr %s" % key, b"decr %s" % key, b"delete", b"verbosity", b"",
                             b"gat", b"set", b"set %s" % key, b"set %s 0" % key, b"set %s 0 0" % key, b"add %s 0 0" % key, b"cas %s 0 0" % key,
                             b"mg", b"ms", b"md", b"ma"])
        verb = dice.choice([b"set", b"add", b"replace", b"append", b"prepend"])
        data = dice.choice([b"zz", b"nonsense", b"1"])
        tail = b" %d\r\n%s\r\n" % (len(data), data)
        return dice.choice([
            lambda: Ask("differs", short + b"\r\n", key, alone=True, differs=(TOO_FEW, UNKNOWN, BAD_LINE)),
            lambda: Ask("differs", b"%s %s %s 0" % (verb, key, dice.choice([b"x", b"-1", b"1x"])) + tail, key, alone=True,
                        differs=(BAD_STORE, BAD_LINE + UNKNOWN, BAD_LINE)),
            lambda: Ask("differs", b"%s %s 0 %s" % (verb, key, dice.choice([b"x", b"1x"])) + tail, key, alone=True,
                        differs=(BAD_STORE, BAD_LINE + UNKNOWN, BAD_LINE)),
            lambda: Ask("differs", b"%s %s 0 0" % (verb, LONG_KEY) + tail, key, alone=True,
                        differs=(BAD_STORE, BAD_LINE + UNKNOWN, BAD_LINE)),
            lambda: Ask("differs", b"cas %s 0 0 %d 1x\r\n%s\r\n" % (key, len(data), data), key, alone=True,
                        differs=(BAD_STORE, BAD_LINE + UNKNOWN, BAD_LINE)),
            lambda: Ask("differs", b"%s %s 0 0 %d noreply more\r\n%s\r\n" % (verb, key, len(data), data), key, alone=True,
                        differs=(TOO_MANY, UNKNOWN + UNKNOWN, UNKNOWN)),
            lambda: Ask("differs", b"cas %s 0 0" % key + tail, key, alone=True, differs=(NO_VERSION, UNKNOWN + UNKNOWN, BAD_LINE)),
            lambda: Ask("differs", b"%s %s 0 0 3\r\nabcde\r\n" % (verb, key), key, alone=True, differs=(NO_LINE_END, BAD_CHUNK + UNKNOWN, BAD_CHUNK)),
            lambda: Ask("differs", b"shutdown\r\n", key, alone=True,
                        differs=(SHUTDOWN, b"ERROR: shutdown not enabled\r\n", b"SERVER_ERROR: shutdown not enabled\r\n")),
            lambda: Ask("differs", b"get k\x01\r\n", key, alone=True, differs=(CONTROL, b"END\r\n", BAD_LINE)),
            lambda: Ask("differs", b"bget none\r\n", key, alone=True, differs=(BGET, b"END\r\n", UNKNOWN)),
        ])()

    # meta

    def meta_key(self, b_share=0.15):
        """A key, the word for it, and the flag that says how it is written.

        memcached remembers of an item that its key came in base64, and gives it back so, but forgets it when the item is made anew (append, incr,
        N).  So keys of any bytes have that flag in all lines, and one of them is not asked back where memcached might have forgotten.
        """
        if self.dice.random() < b_share:
            key = self.dice.choice(self.raw_keys)
            return key, base64.b64encode(key), [b"b"]
        key = self.key()
        return key, key, []

    def flagged(self, key, table, without=()):
        """Some of a table's flags, in any order; their tokens are parts."""
        flags = [(letter, table[letter](self, key)) for letter in self.dice.sample(sorted(table), self.dice.randrange(7)) if letter not in without]
        given = dict(flags)
        if given.get(b"M") in (b"A", b"P"):
            flags = [f for f in flags if f[0] != b"N"]              # only newer ones make the item then
        # t and R go by the time that a T or N before them has set: see the table.
        flags.sort(key=lambda f: f[0] in (b"t", b"R") and (b"T" in given or b"N" in given))
        if table is self.MA and b"T" in given:
            # Lost when the number gets longer: see the table.
            flags = [f for f in flags if f[0] != b"T"] if given.get(b"M") in (b"I", b"+") else flags + [(b"M", b"D")] * (b"M" not in given)
        parts = [part for letter, token in flags for part in (b" " + letter, token)]
        # A mode is a flag of its own.
        return parts, [(letter + token).decode() if letter == b"M" else letter.decode() for letter, token in flags]

    def nothing(self, key):
        return b""

    def a_time(self, key):
        return b"%d" % self.dice.choice(EXPTIMES)

    def a_recache(self, key):
        """Not a time that an item may have just left."""
        return b"%d" % self.dice.choice([0, 50, 500, 5000, 2592001, 1999000000, -1])

    def a_delta(self, key):
        return self.dice.choice(DELTAS)

    def a_flag(self, key):
        return b"%d" % self.dice.choice(CLIENT_FLAGS)

    def opaque(self, key):
        return b"o%d" % self.dice.randrange(10**self.dice.choice([1, 9, 29]))

    def is_version(self, key):
        return self.version(key)

    MG = {b"v": nothing, b"t": nothing, b"f": nothing, b"c": nothing, b"s": nothing, b"h": nothing, b"l": nothing, b"u": nothing, b"k": nothing,
          b"O": opaque, b"q": nothing, b"T": a_time, b"N": a_time, b"R": a_recache, b"P": opaque, b"L": opaque}
    MS = {b"F": a_flag, b"T": a_time, b"C": is_version, b"I": nothing, b"c": nothing, b"k": nothing, b"O": opaque, b"q": nothing, b"N": a_time,
          b"M": lambda self, key: self.dice.choice([b"E", b"A", b"P", b"R", b"S"]), b"P": opaque, b"L": opaque}
    MD = {b"T": a_time, b"I": nothing, b"C": is_version, b"k": nothing, b"O": opaque, b"q": nothing, b"P": opaque, b"L": opaque}
    MA = {b"N": a_time, b"J": a_delta, b"D": a_delta, b"T": a_time, b"M": lambda self, key: self.dice.choice([b"I", b"+", b"D", b"-"]),
          b"t": nothing, b"c": nothing, b"v": nothing, b"C": is_version, b"k": nothing, b"O": opaque, b"q": nothing, b"P": opaque, b"L": opaque}

    def meta(self, verb, table, datalen=None):
        key, word, written = self.meta_key()
        without = set()
        if written:
            # Which of them are not to be forgotten?
            without = {b"k"} if key == self.raw_keys[1] and verb == b"mg" else {b"N", b"M"} if key == self.raw_keys[0] and verb != b"ma" else set()
            if key == self.raw_keys[0] and verb == b"ma":
                key, word = self.raw_keys[1], base64.b64encode(self.raw_keys[1])
        parts, said = self.flagged(key, table, without)
        if verb == b"ma" and "N" in said and "q" in said:
            # Only newer ones hide that it was made.
            at = parts.index(b" q")
            parts, said = parts[:at] + parts[at + 2:], [f for f in said if f != "q"]
        line = b"%s %s" % (verb, word) + (b" %d" % datalen if datalen is not None else b"")
        tail = b"".join(b" " + flag for flag in written)
        return Ask(verb.decode(), [line] + parts + [tail + self.ends()], key, said + [flag.decode() for flag in written], verb == b"ma")

    def mg(self):
        return self.meta(b"mg", self.MG)

    def ms(self):
        value = self.value(self.dice.choice([b"set", b"append"]))
        ask = self.meta(b"ms", self.MS, len(value))
        ask.parts.append(value + b"\r\n")
        return ask

    def md(self):
        return self.meta(b"md", self.MD)

    def ma(self):
        return self.meta(b"ma", self.MA)

    def me(self):
        key = self.key()
        return Ask("me", b"me " + key + self.ends(), key)

    # Flags that are refused, and how; ma has one sentence for all.
    BAD_FLAGS = [
        (b"c c", b"duplicate flag"), (b"q k q", b"duplicate flag"), (b"\xc3\xa9", b"duplicate flag"), (b"!", b"invalid flag"), (b"z", b"invalid flag"),
        (b"Tx", b"bad token in command line format"), (b"T", b"bad token in command line format"), (b"Nx", b"bad token in command line format"),
        (b"Rx", b"bad token in command line format"), (b"Cx", b"bad token in command line format"), (b"C-1", b"bad token in command line format"),
        (b"Dx", b"invalid numeric delta value"), (b"D-1", b"invalid numeric delta value"), (b"Jx", b"invalid numeric initial value"),
        (b"Fx", b"bad command line format"), (b"Tx z", b"invalid flag"), (b"Tx Jx", b"invalid numeric initial value"),
        (b"Jx Tx", b"bad token in command line format"), (b"Fx Tx", b"bad token in command line format"),
        (b"Tx Fx", b"bad token in command line format"),
    ]
    META = [(b"mg", b"", b""), (b"ms", b" 3", b"abc\r\n"), (b"md", b"", b""), (b"ma", b"", b"")]

    def bad_flag(self):
        key = self.key()
        verb, length, data = self.dice.choice(self.META)
        flags, why = self.dice.choice(self.BAD_FLAGS)
        why = b"CLIENT_ERROR " + why + b"\r\n"
        return Ask("bad " + verb.decode(), b"%s %s%s %s\r\n%s" % (verb, key, length, flags, data), key, alone=True,
                   differs=(BAD_MD, INVALID_OR_DUPLICATE, why) if verb == b"md" else None)

    def bad_meta(self):
        dice, key = self.dice, self.key()
        verb, length, data = dice.choice(self.META)
        name = "bad " + verb.decode()
        bad_key, bad_key_why = dice.choice([b"===", b"a", b"YWI", b"Y!I="]), b"CLIENT_ERROR error decoding key\r\n"
        many = b"%s %s%s %s\r\n%s" % (verb, key, length, b" ".join(b"%c" % c for c in b"vtfcshlukqOTNRPLDJCMIF"), data)
        return dice.choice([
            lambda: Ask(name, b"%s %s%s MX\r\n%s" % (verb, key, length, data), key, alone=True),
            lambda: Ask(name, b"%s %s%s %s\r\n%s" % (verb, key, length, dice.choice([b"Me", b"Mi", b"MI", b"M+"]), data), key, alone=True),
            # The key is nobody's: memcached counts first, and then sees that it cannot say so.
            lambda: Ask(name, b"%s %s%s O%s\r\n%s" % (verb, b"stored" if length else b"nobody", length, b"o" * dice.choice([30, 31, 32, 33, 60]), data), key, alone=True),
            lambda: Ask(name, b"%s %s%s b\r\n%s" % (verb, bad_key, length, data), key, alone=True,
                        differs=(BAD_MD, INVALID_OR_DUPLICATE, bad_key_why) if verb == b"md" else None),
            lambda: Ask(name, b"mg YW=I b\r\n", key, alone=True, differs=(LOOSE_BASE64, b"EN\r\n", bad_key_why)),
            lambda: Ask(name, b"%s %s%s k\r\n%s" % (verb, LONG_KEY, length, data), key, alone=True,
                        differs=(BAD_STORE, BAD_LINE + UNKNOWN, BAD_LINE) if verb == b"ms" else None),
            lambda: Ask(name, many, key, alone=True,
                        differs={b"ms": (MANY_FLAGS, FLAGS_TOO_LONG + UNKNOWN, FLAGS_ARE_TOO_LONG), b"md": (MANY_FLAGS, FLAGS_TOO_LONG, FLAGS_ARE_TOO_LONG),
                                 b"ma": (MANY_FLAGS, FLAGS_TOO_LONG, INVALID_OR_DUPLICATE)}.get(verb)),
            # Flags of other commands do nothing.
            lambda: Ask(name, b"%s %s%s k s t c D1 J1 F1 h l f u q I L P\r\n%s" % (verb, key, length, data), key, alone=True)
            if verb == b"mg" else Ask(name, b"%s %s%s h l f u v\r\n%s" % (verb, key, length, data), key, alone=True),
            lambda: Ask("bad ms", dice.choice([b"ms %s abc" % key, b"ms %s -1" % key, b"ms %s 2147483647 T0" % key, b"ms %s S5 c" % key]) + b"\r\n",
                        key, alone=True),
            lambda: Ask("bad me", dice.choice([b"me %s" % LONG_KEY, b"me !!! b", b"me"]) + b"\r\n", key, alone=True),
        ])()

    # the end of a connection

    def close(self):
        return Ask("closes", self.dice.choice([b"quit\r\n", b"x" * 3000, b"GET / HTTP/1.1\r\n", b"set " + b"k" * 3000]), alone=True,
                   closes=True)

    KINDS = {get: 22, store: 24, count: 10, delete: 4, touch: 4, flush: 0.3, other: 1, too_large: 0.2, junk: 2.5, differs: 2.5,
             mg: 24, ms: 18, md: 5, ma: 14, me: 1, bad_flag: 2, bad_meta: 2.5, close: 0.1}


# ---- binary ----

OPS = {
    # name: opcode of the loud one, of the quiet one; what extras it has; does it bring a value?
    "get": (0x00, 0x09, "", False), "getk": (0x0c, 0x0d, "", False),
    "set": (0x01, 0x11, "store", True), "add": (0x02, 0x12, "store", True), "replace": (0x03, 0x13, "store", True),
    "delete": (0x04, 0x14, "", False),
    "increment": (0x05, 0x15, "delta", False), "decrement": (0x06, 0x16, "delta", False),
    "append": (0x0e, 0x19, "", True), "prepend": (0x0f, 0x1a, "", True),
    "touch": (0x1c, None, "time", False), "gat": (0x1d, 0x1e, "time", False), "gatk": (0x23, 0x24, "time", False),
}
WITH_VERSION = ("set", "add", "replace", "delete", "increment", "decrement", "append", "prepend")
BINARY_TIMES = [0, 0, 0, 100, 1000, 2592000, 2592001, 2000000000]
NO_VIVIFY = 0xffffffff


def request(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=bytes(8), extlen=None, keylen=None, bodylen=None, status=0, datatype=0):
    return [struct.pack(">BBHBBHII", 0x80, opcode, len(key) if keylen is None else keylen, len(extras) if extlen is None else extlen, datatype,
                        status, len(key) + len(extras) + len(value) if bodylen is None else bodylen, opaque), cas, extras + key + value]


def read_binary(heard, key):
    fields = []
    while len(heard) >= 24:
        bodylen, = struct.unpack(">I", heard[8:12])
        version, = struct.unpack(">Q", heard[16:24])
        fields += [(None, key, heard[:16]), (VERSION, key, version), (None, key, heard[24:24 + bodylen])]
        heard = heard[24 + bodylen:]
    return fields + ([(None, key, heard)] if heard else [])


def outcome_binary(ask, fields):
    if not fields or len(fields[0][2]) < 16:
        return "nothing"
    return "0x%02x" % struct.unpack(">H", fields[0][2][6:8])


class Binary:
    def __init__(self, dice, epoch):
        self.dice = dice
        self.keys = [b"%s%d" % (epoch, n) for n in range(5)] + [(b"%s-" % epoch).ljust(250, b"l"), epoch + b" \r\n\x00"]

    def next(self):
        make, = self.dice.choices(list(self.KINDS), list(self.KINDS.values()))
        return make(self)

    def extras(self, kind):
        dice = self.dice
        if kind == "store":
            return struct.pack(">II", dice.choice(CLIENT_FLAGS), dice.choice(BINARY_TIMES))
        if kind == "time":
            return struct.pack(">I", dice.choice(BINARY_TIMES))
        if kind == "delta":
            return struct.pack(">QQI", int(dice.choice(DELTAS)), int(dice.choice(DELTAS)), dice.choice(BINARY_TIMES + [NO_VIVIFY] * 5))
        return b""

    def op(self):
        dice, key = self.dice, self.dice.choice(self.keys)
        name = dice.choice(list(OPS))
        loud, quiet, extras, brings = OPS[name]
        is_quiet = quiet is not None and dice.random() < 0.3
        value = dice.choice(JOINED if name in ("append", "prepend") else VALUES) if brings else b""
        cas = Version(key, dice.choice([0, 0, 1, 99]), ">Q") if name in WITH_VERSION and dice.random() < 0.25 else bytes(8)
        alone = name in ("increment", "decrement")
        parts = request(quiet if is_quiet else loud, key, self.extras(extras), value, dice.randrange(2**31), cas)
        return Ask(name + ("q" if is_quiet else ""), parts, key, alone=alone)

    def other(self):
        opaque = self.dice.randrange(2**31)
        return Ask(*self.dice.choice([
            ("noop", request(0x0a, opaque=opaque)), ("stat", request(0x10, b"nonsense", opaque=opaque)),
            ("unknown", request(0x50, opaque=opaque)), ("unknown", request(0xff, opaque=opaque)), ("unknown", request(0x1f + 0x41, opaque=opaque)),
            ("set", request(1, self.dice.choice(self.keys), bytes(8), b"5", opaque, status=7)),
        ]), alone=True)

    def flush(self):
        opcode, extras = self.dice.choice([0x08, 0x18]), self.dice.choice([b"", bytes(4)])
        return Ask("flush" if opcode == 8 else "flushq", request(opcode, b"", extras), alone=True)

    def too_large(self):
        dice, key = self.dice, self.dice.choice(self.keys)
        name = dice.choice(["set", "add", "replace", "append"])
        loud, quiet, extras, _ = OPS[name]
        is_quiet = dice.random() < 0.3
        return Ask(name + ("q" if is_quiet else ""), request(quiet if is_quiet else loud, key, self.extras(extras), TOO_LARGE), key, alone=True)

    def close(self):
        dice, key = self.dice, self.dice.choice(self.keys)
        name = dice.choice(list(OPS))
        loud, quiet, extras, brings = OPS[name]
        ext = self.extras(extras)
        return Ask("closes", dice.choice([
            lambda: request(dice.choice([0x07, 0x17])),
            lambda: request(loud, key, ext + b"x"),                         # extras that are too long
            lambda: request(loud, b"", ext),                                # no key
            lambda: request(loud, b"k" * 251, ext),                         # too long
            lambda: request(loud, key, ext, bodylen=len(key) + len(ext) - 1 - (len(ext) if name == "gat" else 0)),
            lambda: request(0x0a, key),
            lambda: request(0x0a, b"", bytes(4)),
            lambda: request(0x0b, b"", bytes(4)),
        ])(), key, alone=True, closes=True)

    KINDS = {op: 100, other: 3, flush: 0.3, too_large: 0.3, close: 1}
