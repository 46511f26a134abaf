"""The data-parallel mesh."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from audiogen_jax.sharding.mesh import make_mesh, replicated, shard_batch


def test_mesh():
    mesh = make_mesh()
    assert mesh.shape == {"data": 8} and mesh.axis_types == (AxisType.Auto,)
    assert make_mesh(3).shape == {"data": 3}
    for count in (0, 9, -2):
        with pytest.raises(ValueError, match=f"mesh.data={count}"):
            make_mesh(count)


def test_batch_is_split_and_parameters_are_not():
    mesh = make_mesh()
    batch = shard_batch(mesh, {"audio": np.arange(32.0).reshape(16, 2), "length": np.arange(16)})
    assert {shard.data.shape for shard in batch["audio"].addressable_shards} == {(2, 2)}
    np.testing.assert_array_equal(batch["length"], np.arange(16))
    params = jax.device_put(np.ones((3, 4)), replicated(mesh))
    assert {shard.data.shape for shard in params.addressable_shards} == {(3, 4)}


def test_uneven_batch():
    with pytest.raises(ValueError, match="12 clips does not split over 8 devices"):
        shard_batch(make_mesh(), {"audio": np.zeros((12, 2))})
