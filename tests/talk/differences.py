"""Where rend is known to answer other than memcached 1.6.18, or than the newest: one entry for each row of the tables in docs/protocol.md, and no
other.

Each has examples: what is said on a new connection, what memcached answers, what rend answers.  Anything else that differs is a mistake.
"""
import os
import re
import struct

from streams import (BAD_CHUNK, BAD_LINE, BAD_MD, BAD_STORE, BGET, CONTROL, FLAGS_ARE_TOO_LONG, FLAGS_TOO_LONG, INVALID_OR_DUPLICATE, LONG_KEY,
                     LOOSE_BASE64, MANY_FLAGS, NO_LINE_END, NO_VERSION, PASSED, SHUTDOWN, SLABS, TOO_FEW, TOO_MANY, UNKNOWN, UNTIL_SIGN, WIDE, request)

# In an answer: the connection ends here.
CLOSED = b"<closed>"
# memcached's answer is not always the same, or not there.
ANY = None

STORED, END = b"STORED\r\n", b"END\r\n"
VERSION = b"VERSION 1.6.18-rend-"
MANY = b" ".join(b"%c" % c for c in b"vtfcshlukqOTNRPLDJCMIF")
OPAQUE = b"O" + b"o" * 40
TOO_LONG = b"CLIENT_ERROR opaque token too long\r\n"
SET_N = b"set n 0 100 1\r\n9\r\n"
KEYS = b" ".join([b"k" * 15] * 200)
INVALID_FLAG, DUPLICATE_FLAG = b"CLIENT_ERROR invalid flag\r\n", b"CLIENT_ERROR duplicate flag\r\n"


def as_they_do(question, answer):
    """rend is as 1.6.18 is, and other than the newest."""
    return question, answer, answer


TEXT = {
    TOO_FEW: [(b"get\r\n", UNKNOWN, BAD_LINE), (b"\r\n", UNKNOWN, BAD_LINE), (b"set k 0 0\r\n", UNKNOWN, BAD_LINE), (b"mg\r\n", UNKNOWN, BAD_LINE),
              (b"gat 0\r\n", END, BAD_LINE)],
    BAD_STORE: [(b"set k x 0 2\r\nzz\r\n", BAD_LINE + UNKNOWN, BAD_LINE), (b"ms %s 2\r\nzz\r\n" % LONG_KEY, BAD_LINE + UNKNOWN, BAD_LINE)],
    TOO_MANY: [(b"set k 0 0 2 noreply more\r\nzz\r\n", UNKNOWN + UNKNOWN, UNKNOWN)],
    "a command that brings no value, with too many words": [
        as_they_do(b"%s more\r\n" % line, UNKNOWN) for line in (b"incr k 1 noreply", b"touch k 0 noreply", b"flush_all 0 noreply", b"verbosity 1 2")],
    "spaces before a command": [as_they_do(b"  get none\r\n", END), as_they_do(b" mg none\r\n", b"EN\r\n")],
    "a line of nothing but spaces, or of one byte": [as_they_do(b"  \r\n", UNKNOWN), as_they_do(b"m\r\n", UNKNOWN)],
    "a number with a `+`": [as_they_do(b"set k 0 0 +1\r\n1\r\nincr k +1\r\n", STORED + b"2\r\n")],
    NO_VERSION: [(b"cas k 0 0 2\r\nzz\r\n", UNKNOWN + UNKNOWN, BAD_LINE)],
    "`delete k 5`": [as_they_do(b"delete k 5\r\n", BAD_LINE[:-2] + b".  Usage: delete <key> [noreply]\r\n"), as_they_do(b"delete k 0\r\n", b"NOT_FOUND\r\n")],
    NO_LINE_END: [(b"set k 0 0 3\r\nabcde\r\n", BAD_CHUNK + UNKNOWN, BAD_CHUNK)],
    SHUTDOWN: [(b"shutdown\r\n", b"ERROR: shutdown not enabled\r\n", b"SERVER_ERROR: shutdown not enabled\r\n")],
    CONTROL: [(b"get k\x01\r\n", END, BAD_LINE), (b"get k\x00x\r\n", END, BAD_LINE), (b"get k\x7f\r\n", END, BAD_LINE)],
    WIDE: [(b"set k 4294967296 0 1\r\n1\r\nget k\r\n", STORED + b"VALUE k 0 1\r\n1\r\n" + END, BAD_LINE + END),
           (b"set k 0 0 4294967297\r\n1\r\n", STORED, BAD_LINE + UNKNOWN)],
    "an exptime over 31 bits": [(b"set k 0 %d 1\r\n1\r\nget k\r\n" % exptime, STORED + END, STORED + b"VALUE k 0 1\r\n1\r\n" + END)
                                for exptime in (2**31, 99999999999)],
    "`flush_all` with a delay": [(SET_N + b"flush_all 1\r\nmg n\r\n", STORED + b"OK\r\nEN\r\n", STORED + b"OK\r\nHD\r\n")],
    "`flush_all` with a date that has passed": [(SET_N + b"flush_all 2592001\r\nmg n\r\n", STORED + b"OK\r\nHD\r\n", STORED + b"OK\r\nEN\r\n")],
    "`noreply` in the place of a key or a length": [as_they_do(b"delete noreply\r\n", b"NOT_FOUND\r\n"), as_they_do(b"set k 0 0 noreply\r\n", b"")],
    "a `get` with a key over 250 bytes, in a pipeline": [(b"get none\r\nget %s\r\n" % LONG_KEY, ANY, END + BAD_LINE)],
    "a `get` with a key over 250 bytes": [as_they_do(b"gats 0 none %s\r\n" % LONG_KEY, BAD_LINE)],
    "a line longer than 2,048 bytes that comes in one packet": [(b"x" * 3000 + b"\r\n", ANY, CLOSED)],
    "`gat` and `gats` longer than 2,048 bytes": [(b"gat 0 %s\r\n" % KEYS, ANY, END), (b"gats 0 %s\r\n" % KEYS, ANY, END)],
    "a `get` longer than 1 MiB + 64 KiB": [(b"get %s\r\n" % b" ".join([KEYS] * 400), END, b"CLIENT_ERROR line too long\r\n" + CLOSED)],
    BGET: [(b"bget none\r\n", END, UNKNOWN)],
    "`watch`, `lru`, `lru_crawler`, `slabs`, `cache_memlimit`, `extstore`": [
        (b"lru_crawler sleep 100\r\n", b"OK\r\n", UNKNOWN), (b"slabs automove 0\r\n", b"OK\r\n", UNKNOWN), (b"cache_memlimit 64\r\n", b"OK\r\n", UNKNOWN),
        # These depend on how it was started.
        (b"lru mode flat\r\n", ANY, UNKNOWN), (b"watch fetchers\r\n", ANY, UNKNOWN), (b"extstore free_memchunks 1 1\r\n", ANY, UNKNOWN)],
    "`version`": [(b"version\r\n", b"VERSION 1.6.18\r\n", re.compile(rb"VERSION 1\.6\.18-rend-\d+\.\d+(\.\d+)?\r\n"))],
    BAD_MD: [(b"md k c c\r\n", INVALID_OR_DUPLICATE, DUPLICATE_FLAG), (b"md k !\r\n", INVALID_OR_DUPLICATE, INVALID_FLAG)],
    "a flag that is no letter": [
        as_they_do(b"mg k !\r\n", INVALID_FLAG), as_they_do(b"mg k \xc3\xa9\r\n", DUPLICATE_FLAG), as_they_do(b"ms k 2 ~\r\nzz\r\n", INVALID_FLAG)],
    MANY_FLAGS: [(b"ms k 2 %s\r\nzz\r\n" % MANY, FLAGS_TOO_LONG + UNKNOWN, FLAGS_ARE_TOO_LONG), (b"md k %s\r\n" % MANY, FLAGS_TOO_LONG, FLAGS_ARE_TOO_LONG),
                 (b"ma k %s\r\n" % MANY, FLAGS_TOO_LONG, INVALID_OR_DUPLICATE)],
    "`M` without its letter, or with more than one": [
        (b"ms k 1 M\r\n1\r\n", b"CLIENT_ERROR incorrect length for M token\r\n", b"CLIENT_ERROR invalid mode for ms M token\r\n"),
        (b"ms k 1 MSx\r\n1\r\n", b"CLIENT_ERROR incorrect length for M token\r\n", b"HD\r\n")],
    "`C` of `mg`, `E`, `N` with `MA` or `MP`, `s` of `ms`, `x` of `md`": [
        (b"set k 0 0 1\r\n1\r\nmd k x\r\nmg k v\r\n", STORED + INVALID_OR_DUPLICATE + b"VA 1\r\n1\r\n", STORED + b"HD\r\nVA 0\r\n\r\n"),
        (b"ms k 1 E5\r\n1\r\nmg k c v C5\r\n", b"CLIENT_ERROR invalid flag\r\nEN\r\n", b"HD\r\nHD c5\r\n"),
        (b"ms k 1 MA N0\r\n1\r\nms k 1 MP N0 s\r\n2\r\n", b"NS\r\nNS\r\n", b"HD\r\nHD s2\r\n")],
    "a key over 250 bytes of `ma`": [as_they_do(b"ma %s\r\n" % LONG_KEY, BAD_LINE)],
    "`ma` with `C`, when the version is another and the value too long for a number": [
        as_they_do(b"set n 0 0 700000\r\n" + b"9" * 700000 + b"\r\nma n C1\r\n", STORED + b"EX\r\n")],
    "`mn` that ends in `\\n` alone": [as_they_do(b"mn\n", b"MN\r\n")],
    "`me` with `b` and a key that is no base64": [as_they_do(b"me k b\r\n", BAD_LINE)],
    "`md` with `x`": [(SET_N + b"md n x T5\r\nmg n t\r\n", re.compile(STORED + INVALID_OR_DUPLICATE + rb"HD t(99|100)\r\n"),
                       re.compile(STORED + rb"HD\r\nHD t(99|100)\r\n"))],
    "`ma` with `q` and `N` that makes the item": [(b"ma k q N0\r\nmn\r\n", b"HD\r\nMN\r\n", b"MN\r\n")],
    UNTIL_SIGN: [(SET_N + b"me n\r\n", re.compile(STORED + rb"ME n exp=-(99|100) la=[01] cas=\d+ fetch=no cls=1 size=\d\d\r\n"),
                  re.compile(STORED + rb"ME n exp=(99|100) la=[01] cas=\d+ fetch=no cls=1 size=1\r\n"))],
    SLABS: [(b"set n 0 0 500\r\n" + b"9" * 500 + b"\r\nme n\r\n", re.compile(STORED + rb"ME n exp=-1 la=[01] cas=\d+ fetch=no cls=[^1]\d* size=5\d\d\r\n"),
             re.compile(STORED + rb"ME n exp=-1 la=[01] cas=\d+ fetch=no cls=1 size=500\r\n"))],
    PASSED: [(SET_N + b"mg n T-1 t\r\n", re.compile(STORED + rb"HD t42949\d{5}\r\n"), STORED + b"HD t0\r\n")],
    "`t` or `R` before `T` or `N`": [
        (b"set n 0 0 1\r\n9\r\nmg n t T50\r\n", STORED + b"HD t-1\r\n", re.compile(STORED + rb"HD t(49|50)\r\n")),
        (b"mg k t N50\r\n", b"HD t-1 W\r\n", re.compile(rb"HD t(49|50) W\r\n")),
        (SET_N + b"mg n R60 T50\r\n", STORED + b"HD\r\n", STORED + b"HD W\r\n")],
    "`ma` with `T` or `E` when the number gets longer": [
        (b"set n 0 0 1\r\n9\r\nma n T100\r\nmg n t\r\n", STORED + b"HD\r\nHD t-1\r\n", re.compile(STORED + rb"HD\r\nHD t(99|100)\r\n")),
        (b"set n 0 0 1\r\n9\r\nma n E5\r\nmg n c v\r\n", re.compile(STORED + INVALID_OR_DUPLICATE + rb"VA 1 c\d+\r\n9\r\n"),
         STORED + b"HD\r\nVA 2 c5\r\n10\r\n")],
    "an opaque that is too long, of `ma`, and of `mg` with `T` or `N`": [
        (SET_N + b"ma n MD %s\r\nmg n v\r\n" % OPAQUE, STORED + TOO_LONG + b"VA 1\r\n8\r\n", STORED + TOO_LONG + b"VA 1\r\n9\r\n"),
        (b"mg k N0 %s\r\nmg k v\r\n" % OPAQUE, TOO_LONG + b"VA 0\r\n\r\n", TOO_LONG + b"EN\r\n")],
    LOOSE_BASE64: [(b"mg YW=I b\r\n", b"EN\r\n", b"CLIENT_ERROR error decoding key\r\n")],
    "`k` and `me` of a key that was once given in base64, and once not": [
        (b"ms YQ== 1 b\r\n1\r\nmg a k\r\n", b"HD\r\nHD kYQ== b\r\n", b"HD\r\nHD ka\r\n"),
        (b"ms YQ== 1 b\r\n1\r\nappend a 0 0 1\r\n2\r\nmg YQ== b k\r\n", b"HD\r\n" + STORED + b"HD ka\r\n", b"HD\r\n" + STORED + b"HD kYQ== b\r\n")],
}


def ask(*args, **kw):
    return b"".join(request(*args, **kw))


def answer(opcode, status, body=b"", extlen=0):
    return struct.pack(">BBHBBHIIQ", 0x81, opcode, 0, extlen, 0, status, len(body), 0, 0) + body


INVALID = b"Invalid arguments"
NO_COMMAND = b"Unknown command"



def first(packet):
    """And then perhaps nothing: memcached has swallowed what came next."""
    return re.compile(re.escape(packet) + rb".*", re.S)


BINARY = {
    "Verbosity": [(ask(0x1b, b"", bytes(4)), first(answer(0x1b, 0x81, NO_COMMAND)), answer(0x1b, 0))],
    "an unknown opcode with extras or key": [(ask(0x50, b"kkk") + ask(0x0a), ANY, answer(0x50, 0x81, NO_COMMAND) + answer(0x0a, 0))],
    "SASL opcodes with odd lengths": [(ask(0x20, b"", b"x"), answer(0x20, 4, INVALID) + CLOSED, answer(0x20, 0x81, NO_COMMAND))],
    "Touch, GAT, Stat with a value": [
        (ask(opcode, b"k", bytes(4), b"v" * 24), answer(opcode, 1, b"Not found") + CLOSED, answer(opcode, 4, INVALID) + CLOSED)
        for opcode in (0x1c, 0x1d)] + [(ask(0x10, b"", b"", b"v"), ANY, answer(0x10, 4, INVALID) + CLOSED)],
    "GAT whose body is as long as its key": [(ask(0x1d, b"k", bytes(4), bodylen=1), answer(0x1d, 0x81, NO_COMMAND) + CLOSED,
                                              answer(0x1d, 1, b"Not found"))],
    "text after binary": [(ask(0x0a) + b"get k\r\n", answer(0x0a, 0) + CLOSED, answer(0x0a, 0) + CLOSED)],
    "Version": [(ask(0x0b), answer(0x0b, 0, b"1.6.18"), re.compile(re.escape(answer(0x0b, 0)[:8]) + rb"\0\0\0.\0{12}1\.6\.18-rend-\d+\.\d+(\.\d+)?", re.S))],
    "GetE, GetEQ": [(ask(0x40, b"none"), first(answer(0x40, 0x81, NO_COMMAND)), answer(0x40, 1, b"Not found")), (ask(0x41, b"none"), ANY, b"")],
}


def said(expected, heard):
    return expected is ANY or (expected.fullmatch(heard) is not None if isinstance(expected, re.Pattern) else expected == heard)


def rows_of(section):
    """The table whose header has memcached 1.6.18, in a section of docs/protocol.md: its rows, each from the header's words to its cells."""
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "protocol.md")
    with open(page) as f:
        lines = f.read().split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("| input | memcached 1.6.18 |"))
    table = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        table.append(line[2:-2].split(" | "))
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]


# What in a cell of a table is an answer, and no input.
ANSWER = re.compile(r"`((?:[A-Z]{2,}|Unknown|Invalid|bad|invalid|t\d)[^`]*)`")


def answers_in(row, column):
    """What a row says that somebody answers, as parts that have to be found in it."""
    who = {"as the newest": "the newest 1.6", "as 1.6.18": "memcached 1.6.18"}.get(row[column].split(";")[0], column)
    cell = row[who] if row[who] != "the same" else row["memcached 1.6.18"]
    return [part.encode() for answer in ANSWER.findall(cell) for part in answer.split("...")]


def shown(expected):
    """An example's answer as text to look into."""
    if expected is ANY:
        return b""
    return re.sub(rb"\\(.)", rb"\1", expected.pattern) if isinstance(expected, re.Pattern) else expected
