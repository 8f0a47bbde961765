"""Ray's side of typed_objects.rs: puts objects for Rust, and reads what Rust put, as it is told by lines of input."""

import json
import sys

import numpy as np
import ray
from ray._private.worker import global_worker
from ray.core.generated.core_worker_pb2 import GetObjectStatusReply

temporary, plasma = sys.argv[1:]
ray.init(
    num_cpus=1,
    include_dashboard=False,
    object_store_memory=80 << 20,
    _temp_dir=temporary,
    _plasma_directory=plasma,
)


def say(word, value):
    print(word, json.dumps(value), flush=True)


def array(code, shape, order="C"):
    count = int(np.prod(shape))
    return np.arange(count).astype(code).reshape(shape, order=order)


objects = {
    "bytes": b"hello from Python",
    "large": bytes(range(256)) * 4096,
    "none": b"",
    "line": array("<i8", (5,)),
    "plane": array("<f4", (3, 4)),
    "fortran": np.asfortranarray(array("<f8", (2, 3))),
    "strided": array("<i4", (40,))[::4],
    "scalar": np.array(3.5),
    "flags": np.array([True, False, True]),
    "big-endian": array(">u2", (6,)),
    "complex": array("<c16", (4,)),
    "text": np.array(["a", "bcd"]),
    "long": array("<f8", (1000, 300)),
    "empty": np.zeros((0, 7), dtype="<i2"),
    "map": {"a": [1, 2.5, None, True], "b": "text", "c": b"bytes"},
}
kept = {name: ray.put(value) for name, value in objects.items()}
say("socket", global_worker.node.plasma_store_socket_name)
say("objects", {name: reference.hex() for name, reference in kept.items()})


# An id that Ray did not make has no owner, and nobody whom Ray could ask where it is. This process says that it knows.
address = global_worker.core_worker.get_owner_address(kept["bytes"])
in_plasma = GetObjectStatusReply(
    status=GetObjectStatusReply.CREATED,
    node_ids=[bytes.fromhex(ray.get_runtime_context().get_node_id())],
    object={"metadata": b"4"},  # "in plasma"
).SerializeToString()


def reference(name):
    made = ray.ObjectRef(bytes.fromhex(name), address)
    global_worker.core_worker.deserialize_and_register_object_ref(
        made.binary(), ray.ObjectRef.nil(), address, in_plasma
    )
    return made


def describe(value):
    if isinstance(value, np.ndarray):
        return {
            "type": value.dtype.str,
            "shape": value.shape,
            "sum": float(value.sum()),
            "own": bool(value.flags.owndata),
        }
    if isinstance(value, bytes):
        return {"type": "bytes", "length": len(value), "last": value[-1]}
    return value


for line in sys.stdin:
    name = line.strip()
    try:
        value = ray.get(reference(name), timeout=30)
        answer = describe(value)
        if isinstance(value, np.ndarray):
            # Twice, so that what is got again is the same.
            assert describe(ray.get(reference(name), timeout=30)) == answer
    except Exception as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    say("answer", answer)
