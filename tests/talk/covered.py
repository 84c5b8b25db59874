"""What the random commands have to have come upon: each command, with each flag, and each kind of answer that it can get."""

GETS = "hit hits miss"
STORES = ("STORED", "NOT_STORED", "nothing")
NOT_A_NUMBER = "CLIENT_ERROR cannot increment or decrement non-numeric value"
TOO_LARGE = "SERVER_ERROR object too large for cache"


def sentences(*why):
    return tuple("CLIENT_ERROR " + w for w in why)


BAD_FLAGS = sentences("bad command line format", "bad token in command line format", "duplicate flag", "invalid flag", "error decoding key",
                      "invalid numeric delta value", "invalid numeric initial value", "opaque token too long")

# command: kinds of answer
TEXT = {
    "get": GETS.split(), "gets": GETS.split(), "gat": GETS.split(), "gats": GETS.split(),
    "set": ("STORED", "nothing", TOO_LARGE), "add": STORES + (TOO_LARGE,), "replace": STORES + (TOO_LARGE,), "append": STORES + (TOO_LARGE,),
    "prepend": STORES, "cas": ("STORED", "EXISTS", "NOT_FOUND", "nothing", TOO_LARGE),
    "incr": ("number", "NOT_FOUND", "nothing", NOT_A_NUMBER), "decr": ("number", "NOT_FOUND", "nothing", NOT_A_NUMBER),
    "delete": ("DELETED", "NOT_FOUND", "nothing"), "touch": ("TOUCHED", "NOT_FOUND", "nothing"), "flush_all": ("OK", "nothing"),
    "verbosity": ("OK", "nothing"), "unknown": ("ERROR",), "stats": ("ERROR",), "mn": ("MN",), "closes": ("<closed>",),
    "bad": sentences("bad command line format", "bad command line format.  Usage: delete <key> [noreply]", "invalid exptime argument",
                     "invalid numeric delta argument") + ("ERROR", "nothing"),
    "bad mg": BAD_FLAGS + sentences("options flags are too long"), "bad ms": BAD_FLAGS + sentences("invalid mode for ms M token"),
    "bad md": sentences("bad command line format", "opaque token too long"),
    "bad ma": sentences("bad command line format", "opaque token too long", "invalid or duplicate flag", "invalid mode for ma M token"),
    "bad me": sentences("bad command line format"), "me": ("ME", "EN"), "ms": (TOO_LARGE,),
}

# command: (flags, kinds of answer), and what some flags cannot get
META = {
    "mg": ("v t f c s h l u k O q T N R P L b", "VA HD EN nothing W X Z", {"v": "HD", "N": "EN nothing", "q": "EN"}),
    "ms": ("F T C I c k O q N MS ME MA MP MR P L b", "HD NS NF EX nothing",
           {"q": "HD", "MS": "NS", "ME": "NF EX", "MA": "NF", "MP": "NF"}),
    "md": ("T I C k O q P L b", "HD NF EX nothing", {"q": "HD"}),
    "ma": ("N J D T MI M+ MD M- t c v C k O q P L b", "VA HD NF EX nothing", {"v": "HD", "q": "VA HD", "N": "NF nothing"}),
}

COUNTS = "0x00 0x01 0x02 0x06"
BINARY = {
    "get": "0x00 0x01", "getk": "0x00 0x01", "getq": "0x00 nothing", "getkq": "0x00 nothing",
    "gat": "0x00 0x01", "gatk": "0x00 0x01", "gatq": "0x00 nothing", "gatkq": "0x00 nothing", "touch": "0x00 0x01",
    "set": "0x00 0x01 0x02 0x03", "setq": "nothing 0x01 0x02 0x03", "add": "0x00 0x01 0x02 0x03", "addq": "nothing 0x01 0x02 0x03",
    "replace": "0x00 0x01 0x02 0x03", "replaceq": "nothing 0x01 0x02 0x03",
    "append": "0x00 0x02 0x03 0x05", "appendq": "nothing 0x02 0x03 0x05", "prepend": "0x00 0x02 0x05", "prependq": "nothing 0x02 0x05",
    "delete": "0x00 0x01 0x02", "deleteq": "nothing 0x01 0x02",
    "increment": COUNTS, "incrementq": "nothing 0x01 0x02 0x06", "decrement": COUNTS, "decrementq": "nothing 0x01 0x02 0x06",
    "flush": "0x00", "flushq": "nothing", "noop": "0x00", "stat": "0x01", "unknown": "0x81", "closes": "0x00 0x04 0x81 nothing",
}


def text_rows():
    rows = [(command, "", kind) for command, kinds in TEXT.items() for kind in kinds]
    for command, (flags, kinds, never) in META.items():
        rows += [(command, flag, kind) for flag in flags.split() for kind in kinds.split() if kind not in never.get(flag, "").split()]
    return rows


def binary_rows():
    return [(command, "", kind) for command, kinds in BINARY.items() for kind in kinds.split()]


def table(counts, rows):
    """Lines to print, one for each command and flag; and the rows that nothing fell into."""
    lines = {}
    for command, flag, kind in sorted(set(rows) | set(counts)):
        lines.setdefault(f"{command} {flag}".strip(), []).append(f"{kind.replace('CLIENT_ERROR ', '')} {counts.get((command, flag, kind), 0)}")
    missing = [" ".join(row) for row in rows if not counts.get(row)]
    return [f"    {name:12} {', '.join(kinds)}" for name, kinds in lines.items()], missing
