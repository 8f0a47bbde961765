"""What a Ray from pip makes of ids and of messages: for each line of standard input one of standard output, as answers.cc."""

import struct
import sys

from ray._raylet import ActorID, JobID, NodeID, ObjectRef, PlacementGroupID, TaskID, UniqueID
from ray.core.generated import common_pb2

KINDS = {
    "unique": UniqueID,
    "job": JobID,
    "actor": ActorID,
    "task": TaskID,
    "object": ObjectRef,
    "group": PlacementGroupID,
    "node": NodeID,
}


def id_from(kind, word):
    return KINDS[kind](bytes.fromhex(word[1:]))


def word(value):
    return "x" + value.binary().hex()


def made(name, words):
    job = id_from("job", words[1]) if name != "creation_task" else None
    if name == "driver_task":
        return TaskID.for_driver_task(job)
    if name == "creation_task":
        return TaskID.for_actor_creation_task(id_from("actor", words[1]))
    parent, counter = id_from("task", words[2]), int(words[3])
    if name == "normal_task":
        return TaskID.for_normal_task(job, parent, counter)
    return TaskID.for_actor_task(job, parent, counter, id_from("actor", words[4]))


def text(word):
    return bytes.fromhex(word[1:]).decode()


def add_constraints(selector, words):
    """Each is key:operator:value:value..."""
    for one in words:
        key, operator, *values = one.split(":")
        constraint = selector.label_constraints.add(label_key=text(key), operator=int(operator))
        constraint.label_values.extend(map(text, values))


def selector(words):
    message = common_pb2.LabelSelector()
    add_constraints(message, words)
    return message


def strategy(words):
    """A slash stands before each option."""
    message = common_pb2.FallbackStrategy()
    for option in " ".join(words).split("/")[1:]:
        wanted = message.options.add().label_selector
        wanted.SetInParent()
        add_constraints(wanted, option.split())
    return message


def bundle(words):
    """Each is name:units, the units as the number of their bits."""
    message = common_pb2.Bundle()
    for name, bits in (one.split(":") for one in words):
        message.unit_resources[text(name)] = struct.unpack("<d", struct.pack("<Q", int(bits)))[0]
    return message


def in_order(message):
    """The entries of a map come in any order. Each is a field of its own, so here they are one behind the other, by name."""
    entries = sorted(message.unit_resources.items())
    return b"".join(common_pb2.Bundle(unit_resources=dict([entry])).SerializeToString() for entry in entries)


def whole_bundle(words):
    message = bundle(words)
    message.bundle_id.placement_group_id = b"group"
    message.bundle_id.bundle_index = 7
    message.node_id = b"node"
    message.label_selector["region"] = "in(us,eu)"
    return message


def read_bundle(words):
    return common_pb2.Bundle.FromString(bytes.fromhex(words[0][1:]))


MESSAGES = {
    "selector": lambda words: selector(words).SerializeToString(),
    "strategy": lambda words: strategy(words).SerializeToString(),
    "bundle": lambda words: in_order(bundle(words)),
    "read_bundle": lambda words: in_order(read_bundle(words)),
    "whole_bundle": lambda words: whole_bundle(words).SerializeToString(),
}


def answer(words):
    name = words[0]
    if name in MESSAGES:
        return "x" + MESSAGES[name](words[1:]).hex()
    if name in KINDS:
        value = id_from(name, words[1])
        return f"{value.hex()} {value.redis_shard_hash()} {int(value.is_nil())}"
    if name.endswith("_same"):
        left, right = (id_from(name[: -len("_same")], value) for value in words[1:])
        return "same same" if left == right else "other other"
    if name == "job_number":
        return str(id_from("job", words[1]).int())
    if name == "actor_parts":
        return word(id_from("actor", words[1]).job_id)
    if name == "task_ids":
        task = id_from("task", words[1])
        return f"{word(task.actor_id())} {word(task.job_id())}"
    if name == "object_ids":
        value = id_from("object", words[1])
        return f"{word(value.task_id())} {word(value.job_id())}"
    return word(made(name, words))


for line in sys.stdin:
    print(answer(line.split()), flush=True)
