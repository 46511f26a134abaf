"""The mesh and the placement of batches."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from audiogen_jax.sharding.mesh import AXES, MeshConfig, make_mesh, shard_batch


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({}, (8, 1, 1)),
        ({"data": 3}, (3, 1, 1)),
        ({"data": 1, "fsdp": -1}, (1, 8, 1)),
        ({"data": 2, "fsdp": -1, "tensor": 2}, (2, 2, 2)),
    ],
)
def test_sizes(sizes: dict, shape: tuple[int, ...]):
    mesh = make_mesh(MeshConfig(**sizes))
    assert mesh.shape == dict(zip(AXES, shape, strict=True))
    assert set(mesh.axis_types) == {AxisType.Auto}


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"data": 9}, "mesh.data=9, .* does not fit 8 devices"),
        ({"data": 0}, "mesh.data=0"),
        ({"fsdp": -1}, "one of them -1 at most"),
        ({"fsdp": 3}, "mesh.fsdp=3, .* does not fit 8 devices"),
        ({"dcn_data": 0}, "mesh.dcn_data=0"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        make_mesh(MeshConfig(**sizes))


def test_batch_is_split():
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    batch = shard_batch(mesh, {"audio": np.arange(32.0).reshape(16, 2), "length": np.arange(16)})
    assert {shard.data.shape for shard in batch["audio"].addressable_shards} == {(4, 2)}
    np.testing.assert_array_equal(batch["length"], np.arange(16))
    assert not batch["audio"].is_fully_replicated
    assert jax.device_count() == 8


def test_uneven_batch():
    with pytest.raises(ValueError, match="12 clips does not split over 8 devices"):
        shard_batch(make_mesh(MeshConfig()), {"audio": np.zeros((12, 2))})
