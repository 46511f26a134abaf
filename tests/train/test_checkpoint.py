"""Checkpoints that are damaged, foreign, kept, moved to another mesh, or meet a full disk."""

import gc
import resource
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audiogen_jax.files.content_hashes import HASHES
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh
from audiogen_jax.sharding.placement import tree_shardings
from audiogen_jax.train.checkpoint import Checkpoints
from audiogen_jax.train.state import TrainState

# After a write that failed, orbax leaves its event loop open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module", autouse=True)
def abandoned():
    """Is collected here and not in the tests of another file."""
    yield
    gc.collect()


class Data:
    """An iterator's place, nothing else."""

    def __init__(self, place: int = 0):
        self.place = place

    def get_state(self) -> dict:
        return {"next_index": self.place}

    def set_state(self, state: dict) -> None:
        self.place = state["next_index"]


AXES = ((r"mlp/fc1/kernel", ("embed", "mlp")),)


def make_state(step: int, width: int = 64) -> TrainState:
    params = {"mlp": {"fc1": {"kernel": jax.random.normal(jax.random.key(step), (width, 512))}}}
    state = TrainState.new(params, optax.adamw(1e-3), average=True)
    return state.replace(step=jnp.asarray(step, jnp.int32))


def placed(state: TrainState, mesh: MeshConfig) -> TrainState:
    """Shapes of a state on a mesh."""
    shardings = tree_shardings(state, make_mesh(mesh), "fsdp", AXES)
    return jax.tree.map(
        lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at), state, shardings
    )


def saved(folder: Path, *steps: int, facts=None, **options) -> Checkpoints:
    checkpoints = Checkpoints(folder, options.pop("keep", 2), facts=facts or {}, **options)
    for step in steps:
        checkpoints.save(step, make_state(step), Data(10 * step))
    checkpoints.close()
    return Checkpoints(folder, 2, facts=facts or {})


def largest_file(folder: Path) -> Path:
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def assert_is(found: TrainState, step: int) -> None:
    jax.tree.map(np.testing.assert_array_equal, found, make_state(step))


def test_nothing_there(tmp_path):
    assert (
        Checkpoints(tmp_path, 2).restore_newest(placed(make_state(0), MeshConfig()), Data()) is None
    )


@pytest.mark.parametrize("written", [MeshConfig(data=1, fsdp=8), MeshConfig(data=1)])
@pytest.mark.parametrize("read", [MeshConfig(data=1, fsdp=4), MeshConfig(data=2, tensor=2)])
def test_another_mesh(tmp_path, written: MeshConfig, read: MeshConfig):
    state = make_state(3)
    shardings = tree_shardings(state, make_mesh(written), "fsdp", AXES)
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.save(3, jax.device_put(state, shardings), Data(30))
    checkpoints.close()
    data, target = Data(), placed(state, read)
    step, found = Checkpoints(tmp_path, 2).restore_newest(target, data)
    assert (step, data.place) == (3, 30)
    assert_is(found, 3)
    kernel = found.params["mlp"]["fc1"]["kernel"]
    assert kernel.sharding == target.params["mlp"]["fc1"]["kernel"].sharding


@pytest.mark.parametrize("damage", ["truncated", "scrambled", "missing", "no place in the data"])
def test_damaged_newest(tmp_path, damage: str, caplog):
    checkpoints = saved(tmp_path, 1, 2)
    file = largest_file(tmp_path / "2")
    match damage:
        case "truncated":
            file.write_bytes(file.read_bytes()[:1000])
        case "scrambled":
            file.write_bytes(np.random.default_rng(0).bytes(file.stat().st_size))
        case "missing":
            file.unlink()
        case _:
            next((tmp_path / "2" / "data").iterdir()).unlink()
    data = Data()
    step, found = checkpoints.restore_newest(placed(make_state(0), MeshConfig()), data)
    assert (step, data.place) == (1, 10)
    assert_is(found, 1)
    assert "checkpoint of step 2 is damaged: " in caplog.text and str(tmp_path / "2") in caplog.text
    assert {p.name for p in tmp_path.iterdir()} == {"1", "2.damaged"}
    checkpoints.save(2, make_state(2), Data(20))  # its step is free again
    checkpoints.close()
    assert {p.name for p in tmp_path.iterdir()} == {"1", "2", "2.damaged"}


def test_all_damaged(tmp_path):
    saved(tmp_path, 1, 2)
    for step in ("1", "2"):
        largest_file(tmp_path / step).unlink()
    target = placed(make_state(0), MeshConfig())
    damaged = r"no checkpoint is whole, \['1.damaged', '2.damaged'\] are damaged.*--start-over"
    for _ in range(2):
        with pytest.raises(ValueError, match=damaged):
            Checkpoints(tmp_path, 2).restore_newest(target, Data())
        assert {p.name for p in tmp_path.iterdir()} == {"1.damaged", "2.damaged"}
    assert Checkpoints(tmp_path, 2, start_over=True).restore_newest(target, Data()) is None


@pytest.mark.parametrize("cause", ["an exhausted device", "hashes are missing"])
def test_what_is_not_proven_damaged_stays(tmp_path, cause: str):
    checkpoints, data = saved(tmp_path, 1, 2), Data()
    if cause == "hashes are missing":  # as version 0.1 wrote them
        (tmp_path / "2" / HASHES).unlink()
        largest_file(tmp_path / "2").unlink()
    else:

        def exhausted(state: dict) -> None:
            raise RuntimeError("RESOURCE_EXHAUSTED: 4 GiB\nat allocator.cc")

        data.set_state = exhausted
    with pytest.raises(ValueError, match=r"/2 cannot be restored: .*\. Nothing was changed: "):
        checkpoints.restore_newest(placed(make_state(0), MeshConfig()), data)
    assert {p.name for p in tmp_path.iterdir()} == {"1", "2"}


def test_flipped_bits(tmp_path):
    """None gives other weights: each is found, or changed nothing that is read."""
    saved(tmp_path, 1)
    target = placed(make_state(0), MeshConfig())
    whole = tmp_path.with_name("whole")
    shutil.copytree(tmp_path / "1", whole)
    files = sorted(p for p in whole.rglob("*") if p.is_file() and p.stat().st_size)
    assert {path.name for path in files} > {HASHES, "manifest.ocdbt"}
    rng, found = np.random.default_rng(0), 0
    for flip in range(50):
        file = files[flip % len(files)]
        shutil.rmtree(tmp_path)
        shutil.copytree(whole, tmp_path / "1")
        contents = bytearray(file.read_bytes())
        contents[rng.integers(len(contents))] ^= 1 << rng.integers(8)
        (tmp_path / "1" / file.relative_to(whole)).write_bytes(contents)
        data = Data()
        try:
            step, state = Checkpoints(tmp_path, 2).restore_newest(target, data)
        except ValueError as error:
            assert "1.damaged" in str(error)
            found += 1
        else:
            assert file.parent == whole and file.name != HASHES  # of which nothing is read
            assert (step, data.place) == (1, 10)
            assert_is(state, 1)
    assert found > 40


def test_of_another_training(tmp_path):
    checkpoints = saved(tmp_path, 1, facts={"tokenizer": "abc"})
    with pytest.raises(ValueError, match=r"another model.*kernel: \(64, 512\).*\(32, 512\) now"):
        checkpoints.restore_newest(placed(make_state(0, width=32), MeshConfig()), Data())
    other = Checkpoints(tmp_path, 2, facts={"tokenizer": "def"})
    with pytest.raises(ValueError, match="'abc'.*'def'.*choose another workdir"):
        other.restore_newest(placed(make_state(0), MeshConfig()), Data())
    assert {p.name for p in tmp_path.iterdir()} == {"1"}  # nobody touched it


def test_kept(tmp_path):
    saved(tmp_path, 1, 2, 3, 4, 5, keep=2, keep_every=2)
    assert {p.name for p in tmp_path.iterdir()} == {"2", "4", "5"}


def test_full_disk(tmp_path, caplog):
    checkpoints = saved(tmp_path, 1)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))  # bytes of any one file
    try:
        checkpoints.save(2, make_state(2), Data(20))
        checkpoints.save(3, make_state(3), Data(30))  # training went on
        with pytest.raises(OSError, match=r"last checkpoint was not written .*\[1\] are whole"):
            checkpoints.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "the last checkpoint was not written" in caplog.text
    data = Data()
    step, found = Checkpoints(tmp_path, 2).restore_newest(placed(make_state(0), MeshConfig()), data)
    assert (step, data.place) == (1, 10)
    assert_is(found, 1)
