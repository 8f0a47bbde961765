"""What a program does with Ray's object store: every section ends in a digest of what it saw.

The digests do not depend on which store it is. Run it on Ray's own and on ours, and compare the lines that
begin with "digest". Lines that begin with "figures" say how Ray describes its store at that moment; the program then
waits for a line of input, so that somebody can ask the store itself.
"""

import argparse
import hashlib
import json
import os
import sys
import time

import numpy as np
import ray
from ray._private.internal_api import node_stats

MB = 1 << 20


def content(seed, size):
    """Bytes that nobody else writes, quick to make and to compare."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def digest_of(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


@ray.remote
def make(seed, size):
    return content(seed, size)


@ray.remote
def digest(array):
    return digest_of(array)


@ray.remote
def digest_all(*arrays):
    return [digest_of(array) for array in arrays]


@ray.remote
def slowly(seconds, value):
    time.sleep(seconds)
    return value


@ray.remote
def fails():
    raise ValueError("on purpose")


@ray.remote
def refers(size):
    """A reference in a result."""
    return [ray.put(content(size, size))]


@ray.remote(num_returns=3)
def three(size):
    return [content(seed, size) for seed in range(3)]


@ray.remote
def stream(count, size):
    for seed in range(count):
        yield content(seed, size)


@ray.remote(num_cpus=0)
class Keeper:
    """Holds objects, and makes new ones of them."""

    def __init__(self):
        self.kept = {}

    def keep(self, name, array):
        self.kept[name] = np.array(array)
        return len(self.kept)

    def take(self, name):
        return self.kept.pop(name)

    def put_many(self, seed, count, size):
        self.refs = [ray.put(content(seed + number, size)) for number in range(count)]
        return [digest_of(ray.get(ref)) for ref in self.refs]


def sizes(options):
    seen = []
    for size in [0, 1, 1000, 10_000, 100_000, MB, 10 * MB, options.largest * MB]:
        expected = content(size, size)
        found = ray.get(ray.put(expected))
        assert not found.flags.writeable or size == 0
        assert np.array_equal(found, expected)
        seen.append(digest_of(found))
    for value in [None, "text", {"a": [1, 2.5]}, b"x" * 200_000, list(range(50_000))]:
        assert ray.get(ray.put(value)) == value
    return seen


def many_small(options):
    refs = [ray.put(content(seed, 1000)) for seed in range(2000)]
    return [digest_of(array) for array in ray.get(refs)]


def tasks(options):
    seen = ray.get([digest.remote(make.remote(seed, 300_000)) for seed in range(20)])
    seen += [digest_of(array) for array in ray.get(three.remote(400_000))]
    seen += [digest_of(ray.get(ref)) for ref in stream.remote(5, 500_000)]
    ref = ray.get(refers.remote(700_000))[0]
    return seen + [digest_of(ray.get(ref)), ray.get(digest.remote(ref))]


def large_arguments(options):
    refs = [ray.put(content(seed, options.argument * MB)) for seed in range(50)]
    return ray.get(digest_all.remote(*refs))


def actors(options):
    keepers = [Keeper.remote() for _ in range(4)]
    ref = ray.put(content(1, 2 * MB))
    counts = ray.get([keeper.keep.remote("a", ref) for keeper in keepers])
    taken = ray.get([keeper.take.remote("a") for keeper in keepers])
    made = ray.get([keeper.put_many.remote(seed, 10, MB) for seed, keeper in enumerate(keepers)])
    for keeper in keepers:
        ray.kill(keeper)
    return [counts, [digest_of(array) for array in taken], made]


def waiting(options):
    quick, slow = ray.put(content(1, 200_000)), slowly.remote(1.5, content(2, 200_000))
    ready, left = ray.wait([slow, quick], num_returns=1, timeout=30)
    assert ready == [quick] and left == [slow]
    ready, left = ray.wait([slow], timeout=0.01)
    assert not ready
    ready, left = ray.wait([slow, quick], num_returns=2, timeout=60)
    assert len(ready) == 2
    try:
        ray.get(slowly.remote(60, 1), timeout=0.2)
        raise AssertionError("it came in time")
    except ray.exceptions.GetTimeoutError:
        return [digest_of(array) for array in ray.get([quick, slow])]


def errors(options):
    seen = []
    for ref in [fails.remote(), digest.remote(fails.remote())]:
        try:
            ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            seen.append(type(error.cause).__name__)
    return seen


def spilling(options):
    """More than the store holds, from the driver and from tasks, and read again in another order."""
    size, count = 10 * MB, options.spill // 10
    refs = [ray.put(content(seed, size)) for seed in range(count // 2)]
    refs += [make.remote(seed, size) for seed in range(count // 2, count)]
    seen = {}
    for seed in list(range(0, count, 2)) + list(range(count - 1, 0, -2)):
        seen[seed] = digest_of(ray.get(refs[seed]))
    again = ray.get([digest.remote(ref) for ref in refs])
    assert again == [seen[seed] for seed in range(count)]
    return again


def larger_than_the_store(options):
    """Lies in a file on disk."""
    ref = ray.put(content(4, options.memory * MB * 5 // 4))
    return [digest_of(ray.get(ref)), ray.get(digest.remote(ref))]


def pinned_beyond_the_store(options):
    """Everything is in use, so nothing can be spilled: the rest lies on disk."""
    size = options.memory * MB // 8
    held = [ray.get(ray.put(content(seed, size))) for seed in range(10)]
    return [digest_of(array) for array in held]


def holding(options):
    """Leaves objects that the next figures show."""
    options.held = [ray.put(content(seed, 3 * MB)) for seed in range(7)]
    return [digest_of(array) for array in ray.get(options.held)]


def giving_up(options):
    """And these are the last."""
    del options.held
    return []


SECTIONS = [
    sizes,
    many_small,
    tasks,
    large_arguments,
    actors,
    waiting,
    errors,
    holding,
    spilling,
    giving_up,
    larger_than_the_store,
    pinned_beyond_the_store,
]


def figures():
    node = ray.nodes()[0]
    stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"]).store_stats
    return {
        "used": stats.object_store_bytes_used,
        "fallback": stats.object_store_bytes_fallback,
        "capacity": stats.object_store_bytes_avail,
        "objects": stats.num_local_objects,
        "created_objects": stats.cumulative_created_objects,
        "created_bytes": stats.cumulative_created_bytes,
        "spilled_objects": stats.spilled_objects_total,
        "restored_objects": stats.restored_objects_total,
    }


def settled_figures():
    """The same, once nothing changes any more."""
    seen = [figures()]
    while len(seen) < 120 and seen[-6:].count(seen[-1]) < 6:
        time.sleep(0.5)
        seen.append(figures())
    return seen[-1]


def report(name, options):
    if options.figures:
        line = {"at": name, "socket": options.socket, **settled_figures()}
        print("figures", json.dumps(line), flush=True)
        sys.stdin.readline()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, default=200, help="MB of the store")
    parser.add_argument("--spill", type=int, default=600, help="MB that go through it")
    parser.add_argument("--largest", type=int, default=500, help="MB of the largest object")
    parser.add_argument("--argument", type=int, default=1, help="MB of each of 50 arguments")
    parser.add_argument("--temporary", default="/tmp/ray", help="folder for Ray's sessions")
    parser.add_argument("--plasma", help="folder for the store's memory")
    parser.add_argument("--figures", action="store_true", help="print figures, and wait for input")
    parser.add_argument("--only", nargs="*", help="sections")
    options = parser.parse_args()
    context = ray.init(
        address="local",
        _temp_dir=options.temporary,
        _plasma_directory=options.plasma,
        object_spilling_directory=os.path.join(options.temporary, "spill"),
        object_store_memory=options.memory * MB,
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
    )
    options.socket = context.address_info["object_store_address"]
    print("session", context.address_info["session_dir"], flush=True)
    for section in SECTIONS:
        if options.only and section.__name__ not in options.only:
            continue
        started = time.time()
        seen = json.dumps(section(options), sort_keys=True).encode()
        print("digest", section.__name__, hashlib.sha256(seen).hexdigest(), flush=True)
        print(f"time {section.__name__} {time.time() - started:.2f}", flush=True)
        if section in (sizes, holding, spilling, giving_up, larger_than_the_store):
            report(section.__name__, options)
    assert ray.cluster_resources()["object_store_memory"] == options.memory * MB
    ray.shutdown()


if __name__ == "__main__":
    main()
