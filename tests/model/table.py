"""Which protocols there are, what they promise, and which families of programs have to show it."""
from collections import namedtuple

from atomic import Atomic
from external import External
from fresh import Fresh
from in_process import InProcess

# holds: no program of these families may find a violation; a mutant: each of them must.
Row = namedtuple("Row", "name make monitor families holds")


def holds(name, kind, knobs, families, monitor=Atomic):
    return Row(name, lambda: kind(**knobs), monitor, families.split(", "), True)


def mutant(name, kind, knobs, families, monitor=Atomic):
    return Row(name, lambda: kind(**knobs), monitor, families.split(", "), False)


# A family with a star is long: it runs if REND_TEST_LONG is set, and with --deep.
IN = "base, rmw, touch, flush, errors, evict, batch, alias, join"
ONE = "base, rmw, small touch, touch*, flush, errors, evict, batch, join, l1 down, restart"
ONE_PUBLISH = "basic, base*, rmw*, touch*, flush*, errors*, evict*, batch, join*, l1 down*, restart"
MANY = "base, rmw, calm touch, flush, errors, evict, batch, join, l1 down, restart"
MANY_PUBLISH = "base, rmw*, calm touch*, flush, errors*, evict*, batch, join*, l1 down, restart"

REND = dict(fill="set", drop_first=False, publish="always", delete="if_l2_had", rmw="both", lost="leave", touch="never_expires", flush="plain")

IN_PROCESS = [
    holds("guard", InProcess, {}, IN),
    holds("guard, promotion behind the reply", InProcess, dict(reply="aside"),
          "base, rmw, touch*, flush, errors*, evict*, batch*, alias*, join*"),
    holds("guard + safe join", InProcess, dict(join="safe"), "join, basic, base*, batch, alias"),
    holds("guard + locked", InProcess, dict(queue=True), "base, rmw, touch, errors, locked"),
    holds("guard + locked, RMW split", InProcess, dict(queue=True, rmw="split"), "rmw, locked, flush*"),
    holds("guard, md I", InProcess, {}, "mark"),
    mutant("Rend", InProcess, REND, IN),
    mutant("Rend, fill with add", InProcess, dict(fill="add", drop_first=False, publish="always"), "base"),
    mutant("L1 not dropped first", InProcess, dict(drop_first=False), "base, rmw"),
    mutant("publish always", InProcess, dict(publish="always"), "base"),
    mutant("publish if nobody else now", InProcess, dict(publish="loose"), "base"),
    mutant("check and insert apart", InProcess, dict(lock=False), "base"),
    mutant("locked, fill unchecked", InProcess, dict(queue=True, fill="add"), "base"),
    mutant("locked, L1 not dropped first", InProcess, dict(queue=True, drop_first=False), "base"),
    mutant("locked, flush_all takes no key", InProcess, dict(queue=True, rmw="split", flush_queues=False), "locked"),
    mutant("locked, each listener its own locks", InProcess, dict(queue=True, rmw="split", own_queue=True), "locked"),
    mutant("md I marks before L2 has deleted", InProcess, dict(mark="first"), "mark"),
    mutant("naive join", InProcess, dict(join="naive"), "join"),
    mutant("RMW split, no queue", InProcess, dict(rmw="split"), "rmw, locked"),
    mutant("RMW in both tiers", InProcess, dict(rmw="both", drop_first=False), "rmw"),
    mutant("touch L1 only after L2", InProcess, dict(touch="late"), "touch"),
    mutant("touch L1 always", InProcess, dict(touch="always"), "touch"),
    mutant("batch gat without TTL", InProcess, dict(touch="never_expires"), "touch"),
    mutant("flush without a guard", InProcess, dict(flush="plain"), "flush"),
    mutant("delete skips L1 on an L2 miss", InProcess, dict(delete="if_l2_had", drop_first=False), "evict"),
    mutant("DELETED if either tier had it", InProcess, dict(deleted="either"), "base"),
    mutant("unknown write leaves L1", InProcess, dict(lost="leave", drop_first=False), "errors"),
    mutant("unknown write frees the guard", InProcess, dict(lost="release"), "errors"),
    mutant("batch with its own guard", InProcess, dict(own_guard=True), "batch"),
]

ONE_PROXY = [
    holds("guard + lease", External, dict(l1_down="repair", publish="never"), ONE),
    holds("guard + lease + publish", External, dict(l1_down="repair"), ONE_PUBLISH),
    holds("guard + lease + safe join", External, dict(l1_down="repair", publish="never", join="safe"), "join, base*"),
    holds("guard + lease + safe join, served by L2's answer", External, dict(l1_down="repair", publish="never", join="safe", served="l2"),
          "join, base*"),
    mutant("fill without the token", External, dict(fill="set"), "base"),
    mutant("fill with add", External, dict(fill="add"), "base"),
    mutant("md after L2 only", External, dict(md="last", publish="never"), "base"),
    mutant("publish without the token", External, dict(publish="set"), "base"),
    mutant("L1 trusted as soon as it is back", External, dict(l1_down="repair", trust="blindly"), "l1 down"),
    mutant("unknown write frees the guard", External, dict(lost="release"), "errors"),
    mutant("naive join", External, dict(join="naive"), "join"),
    mutant("memcached's CAS across a restart", External, dict(tokens="counter"), "restart"),
    mutant("E<version> among the tokens", External, dict(clash=True), "base"),
]

SEVERAL_PROXIES = [
    holds("confirm", External, dict(guard=False, publish="never", read_down="error"), MANY),
    holds("confirm + publish", External, dict(guard=False, first_md=True, read_down="error"), MANY_PUBLISH),
    holds("confirm + join", External, dict(guard=False, publish="never", join="safe"), "join, base, batch"),
    holds("confirm + join, served by L2's answer", External, dict(guard=False, publish="never", join="safe", served="l2"), "join, base*, batch*"),
    holds("confirm, what cannot be copied", External, dict(guard=False, publish="never", whole="sometimes"), "base, errors*, evict*, batch*"),
    holds("confirm, past L1's copy", External, dict(guard=False, publish="never", batch_reads="past"), "batch*, bulk"),
    holds("confirm, reads from L2 while L1 is away", External, dict(guard=False, publish="never"), "l1 down", Fresh),
    holds("fill aside", External, dict(guard=False, publish="never", confirm=False, batch_reads="plain"),
          "base, flush, errors, batch, l1 down", Fresh),
    holds("fill aside + join", External, dict(guard=False, publish="never", confirm=False, batch_reads="plain", join="safe", served="l2"),
          "join, base*", Fresh),
    holds("fill aside + publish", External, dict(guard=False, first_md=True, confirm=False, batch_reads="plain"),
          "base, flush, errors, batch", Fresh),
    mutant("guard + lease in each proxy", External, {}, "base"),
    mutant("fill aside", External, dict(guard=False, publish="never", confirm=False), "base"),
    mutant("an expiry passes inside two writes", External, dict(guard=False, publish="never"), "touch"),
    mutant("md only before L2", External, dict(guard=False, first_md=True, publish="never", last_md="never"), "base", Fresh),
    mutant("md only when L2 took it", External, dict(guard=False, publish="never", last_md="took"), "rmw"),
    mutant("what cannot be copied leaves its stub", External, dict(guard=False, publish="never", whole="leaves"), "base"),
    mutant("batch reads unconfirmed", External, dict(guard=False, publish="never", batch_reads="plain"), "batch"),
    mutant("reads from L2 while L1 is away", External, dict(guard=False, publish="never"), "l1 down"),
    mutant("write acknowledged while L1 is away", External, dict(guard=False, publish="never", l1_down="ignore", read_down="error"), "l1 down",
           Fresh),
]

Part = namedtuple("Part", "title proxies rows")

PARTS = {
    "in_process": Part("L1 in the process", 1, IN_PROCESS),
    "one_proxy": Part("L1 is a memcached, one proxy", 1, ONE_PROXY),
    "several_proxies": Part("L1 is a memcached, several proxies", 2, SEVERAL_PROXIES),
}
