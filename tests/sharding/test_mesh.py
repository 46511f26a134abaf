"""The mesh and the placement of batches."""

import os

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from audiogen_jax.sharding.mesh import (
    AXES,
    MeshConfig,
    make_mesh,
    process_rows,
    row_loaders,
    shard_batch,
)


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


@given(
    st.permutations(range(8)),
    st.sampled_from([(8, 1, 1), (1, 8, 1), (2, 2, 2), (1, 2, 4), (4, 1, 2), (1, 1, 8)]),
    st.sampled_from([1, 2, 4, 8]),
)
def test_any_order_of_devices(order: list[int], sizes: tuple[int, int, int], processes: int):
    """Processes load what their devices hold, all of them everything."""
    devices = jax.devices()
    mesh = Mesh(np.array(devices)[order].reshape(sizes), AXES)
    rows = np.arange(16)
    batch = shard_batch(mesh, {"length": rows, "audio": np.outer(rows, [1, 2])})
    np.testing.assert_array_equal(batch["length"], rows)
    np.testing.assert_array_equal(batch["audio"], np.outer(rows, [1, 2]))
    loaded: set[int] = set()
    for first in range(processes):
        mine = set(devices[first::processes])
        shards = [each for each in batch["length"].addressable_shards if each.device in mine]
        held = {int(row) for shard in shards for row in np.asarray(shard.data)}
        assert process_rows(mesh, 16, mine) == sorted(held)
        loaded |= held
    assert loaded == set(range(16))


def test_rows_that_one_process_loads():
    mesh = make_mesh(MeshConfig(data=2, fsdp=1, tensor=4))
    assert row_loaders(mesh, 4) == [1] * 4  # test_processes has several


def tpus(topology: str, **options) -> list:
    """Described chips; needs the extra "tpu"."""
    pytest.importorskip("libtpu")
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"
    described = topologies.get_topology_desc(platform="tpu", topology_name=topology, **options)
    return list(described.devices)


TORI = ("v5e:4x8", "v5e:8x8", "v5e:8x16", "v5e:16x16", "v6e:16x16", "v5p:4x4x4", "v5p:8x8x8")


@pytest.mark.parametrize("sizes", [{"data": 1, "fsdp": -1}, {"fsdp": 4, "tensor": 4}], ids=str)
@pytest.mark.parametrize("topology", TORI)
def test_rows_on_slices_of_tpus(topology: str, sizes: dict):
    """The links of the chips decide which device stands where."""
    devices = tpus(topology)
    mesh = make_mesh(MeshConfig(**sizes), devices)
    of_process: dict[int, list] = {}
    for device in devices:
        of_process.setdefault(device.process_index, []).append(device)
    loaded = [process_rows(mesh, 512, each) for each in of_process.values()]
    assert {len(rows) for rows in loaded} <= {512 // len(loaded) * shared for shared in (1, 2, 4)}
    assert set().union(*loaded) == set(range(512))


def test_some_of_the_tpus():
    with pytest.raises(ValueError, match="'data': 3, .* leaves some of the TPUs out"):
        make_mesh(MeshConfig(data=3), tpus("v5e:4x8"))


def test_slices_need_dcn_data():
    two = tpus("v5e:4x4", num_slices=2)
    with pytest.raises(ValueError, match="the devices are 2 slices of TPUs, set mesh.dcn_data=2"):
        make_mesh(MeshConfig(data=1, fsdp=-1), two)
    mesh = make_mesh(MeshConfig(data=1, fsdp=-1, dcn_data=2), two)
    assert mesh.shape == {"data": 2, "fsdp": 16, "tensor": 1}


def test_uneven_batch():
    with pytest.raises(ValueError, match="12 clips does not split over 8 devices"):
        process_rows(make_mesh(MeshConfig()), 12)
    with pytest.raises(ValueError, match="12 clips does not split over 8 devices"):
        shard_batch(make_mesh(MeshConfig()), {"audio": np.zeros((12, 2))})
