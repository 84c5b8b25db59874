#!/usr/bin/python3
"""Two thousand mixed operations with the answers that they must get, for clients of any language to replay.

A workload is JSON: a list of connections, which may run at once as each has keys of its own; each a list of steps that run in their order:

    [operation, key, argument, answer]

    set, add, replace, append, prepend   argument: the value       answer: was it stored?
    get                                                            answer: the value; null is a miss
    get_many           key: a list                                 answer: an object of those that hit
    gets                                                           as get; the version is to be remembered
    cas                                  argument: the value       answer: "stored", "exists", "missing"
    incr, decr                           argument: the delta       answer: the new number; null is a miss
    touch                                argument: seconds         answer: was it there?
    delete                                                         answer: was it there?
"""
import json
import random

CONNECTIONS = 4
STEPS = 500
OPERATIONS = {"set": 6, "add": 3, "replace": 3, "append": 3, "prepend": 3, "get": 8, "get_many": 4, "gets": 4, "cas": 4, "incr": 4, "decr": 4,
              "touch": 2, "delete": 3}


class Model:
    """What a cache that forgets nothing would answer."""

    def __init__(self, rng, name, incr_makes, small_numbers):
        self.rng = rng
        self.texts = [f"{name}-t{i}" for i in range(20)]
        self.numbers = [f"{name}-n{i}" for i in range(5)]
        self.incr_makes = incr_makes
        self.starts = (0, 5, 99) if small_numbers else (0, 5, 99, 1 << 40)
        self.values = {}
        self.versions = {}
        self.remembered = {}
        self.version = 0

    def value(self):
        length = self.rng.choice((0, 1, 10, 100, 1000, 5000))
        return "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyz \r\n0123456789", k=length))

    def store(self, key, value):
        self.values[key] = value
        self.version += 1
        self.versions[key] = self.version

    def step(self, operation):
        if operation in ("incr", "decr"):
            return self.count(operation, self.rng.choice(self.numbers))
        if operation in ("set", "delete") and self.rng.random() < 0.3:
            key = self.rng.choice(self.numbers)
            value = str(self.rng.choice(self.starts))
        else:
            key = self.rng.choice(self.texts)
            value = self.value()
        return getattr(self, operation)(key, value)

    def set(self, key, value):
        self.store(key, value)
        return ["set", key, value, True]

    def add(self, key, value):
        may = key not in self.values
        if may:
            self.store(key, value)
        return ["add", key, value, may]

    def replace(self, key, value):
        may = key in self.values
        if may:
            self.store(key, value)
        return ["replace", key, value, may]

    def append(self, key, value):
        value = value[:100]
        may = key in self.values
        if may:
            self.store(key, self.values[key] + value)
        return ["append", key, value, may]

    def prepend(self, key, value):
        value = value[:100]
        may = key in self.values
        if may:
            self.store(key, value + self.values[key])
        return ["prepend", key, value, may]

    def get(self, key, _):
        return ["get", key, None, self.values.get(key)]

    def get_many(self, _key, _value):
        keys = self.rng.sample(self.texts, self.rng.randint(1, len(self.texts)))
        return ["get_many", keys, None, {key: self.values[key] for key in keys if key in self.values}]

    def gets(self, key, _):
        if key in self.values:
            self.remembered[key] = self.versions[key]
        return ["gets", key, None, self.values.get(key)]

    def cas(self, _, value):
        if not self.remembered:
            return None
        key = self.rng.choice(sorted(self.remembered))
        version = self.remembered.pop(key)
        if key not in self.values:
            return ["cas", key, value, "missing"]
        if self.versions[key] != version:
            return ["cas", key, value, "exists"]
        self.store(key, value)
        return ["cas", key, value, "stored"]

    def count(self, operation, key):
        delta = self.rng.choice((1, 7, 1000))
        if key not in self.values:
            if self.incr_makes:
                self.store(key, "0")
            return [operation, key, delta, 0 if self.incr_makes else None]
        number = int(self.values[key])
        number = number + delta if operation == "incr" else max(0, number - delta)
        self.store(key, str(number))
        return [operation, key, delta, number]

    def touch(self, key, _):
        # In memcached a touched item keeps its version.
        return ["touch", key, 1000, key in self.values]

    def delete(self, key, _):
        return ["delete", key, None, self.values.pop(key, None) is not None]


def make(without=(), incr_makes=False, small_numbers=False, seed=1):
    """without: operations that the client does not have.  incr_makes: its incr of what is not there stores 0.  small_numbers: below 2^32."""
    operations = {name: weight for name, weight in OPERATIONS.items() if name not in without}
    connections = []
    for number in range(CONNECTIONS):
        rng = random.Random(f"{seed} {number}")
        model = Model(rng, f"c{number}", incr_makes, small_numbers)
        steps = []
        while len(steps) < STEPS:
            step = model.step(rng.choices(list(operations), list(operations.values()))[0])
            if step:
                steps.append(step)
        connections.append(steps)
    return connections


def dump(path, **how):
    with open(path, "w") as f:
        json.dump(make(**how), f)
