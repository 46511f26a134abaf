"""Arrays from the host to the devices of several processes, and back."""

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from audiogen_jax.sharding import transfer
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh
from audiogen_jax.sharding.transfer import put_tree, to_host
from tests.compilations import counted_compilations


def test_host_arrays_are_put_in_pieces(monkeypatch):
    """`jax.device_put` would compare them between processes."""
    mesh = make_mesh(MeshConfig(data=2, fsdp=4))
    cut, whole = NamedSharding(mesh, P(None, "fsdp")), NamedSharding(mesh, P())
    monkeypatch.setattr(jax, "device_put", None)
    tree = {"kernel": np.arange(32.0, dtype=np.float32).reshape(4, 8), "step": np.int32(3)}
    placed = put_tree(tree, {"kernel": cut, "step": whole})
    assert placed["kernel"].sharding == cut and placed["step"].sharding == whole
    assert {shard.data.shape for shard in placed["kernel"].addressable_shards} == {(4, 2)}
    jax.tree.map(np.testing.assert_array_equal, placed, tree)
    again = put_tree(placed, {"kernel": cut, "step": whole})
    assert again["kernel"] is placed["kernel"]
    moved = put_tree(placed, {"kernel": whole, "step": whole})
    assert moved["kernel"].is_fully_replicated


def test_a_tree_is_gathered_by_few_programs_made_once(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(transfer, "GATHERED_BYTES", 4 * 4 * 64)
    mesh = make_mesh(MeshConfig(data=1, fsdp=8))
    values = {str(i): np.full((8, 8), i, np.float32) for i in range(10)}
    values |= {"large": np.ones((64, 8), np.float32), "step": np.float32(7)}
    tree = {
        name: jax.device_put(value, NamedSharding(mesh, P("fsdp") if value.ndim else P()))
        for name, value in values.items()
    }
    with counted_compilations() as programs:
        jax.tree.map(np.testing.assert_array_equal, to_host(tree), values)
    assert len(programs) == 4  # of four arrays (twice), of two, of the large one, of the last
    with counted_compilations() as programs:
        to_host(tree)
    assert not programs
