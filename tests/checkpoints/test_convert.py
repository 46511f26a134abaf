"""Copies of whole checkpoints: they generate what the original does, or do not appear."""

import gc
import json
import resource
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import audiogen_jax as ag
from audiogen_jax.checkpoints.adapters import Adapters, save_adapters
from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.registry import load_generator
from tests.parity.golden import FOLDER, golden


def latents(source):
    io = golden("audiogen_tiny")
    ids, mask = io["gen.input_ids"], io["gen.attention_mask"]
    noise = io["gen.noise"].swapaxes(1, 2)
    return np.asarray(ag.load(source).sample_latents(ids, mask, noise, steps=2)[0])


@pytest.fixture(scope="module")
def expected():
    return latents(FOLDER / "audiogen_tiny")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"max_shard_bytes": 200_000}, id="shards"),
        pytest.param({"format": "orbax"}, id="orbax", marks=pytest.mark.slow),
    ],
)
def test_a_whole_generator(tmp_path, expected, options):
    """Its parts, from folders beside it, move into the copy, which then stands alone."""
    copy = tmp_path / "copy"
    counts = convert_checkpoint(FOLDER / "audiogen_tiny", copy, **options)
    assert list(counts) == [".", "text_encoder", "tokenizer"] and min(counts.values()) > 100_000
    config = json.loads((copy / "config.json").read_text())
    assert (config["text_encoder_name"], config["tokenizer_name"]) == tuple(counts)[1:]
    np.testing.assert_array_equal(latents(copy), expected)
    shards = list(copy.rglob("model-*-of-*.safetensors"))
    assert len(shards) > 10 if "format" not in options else not list(copy.rglob("*.safetensors"))
    assert not [path for path in copy.rglob("*") if "partial" in path.name]
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]

    # And back again: the same files as a direct copy.
    convert_checkpoint(copy, tmp_path / "back")
    for part in counts:
        back = load_file(tmp_path / "back" / part / "model.safetensors")
        source = {".": "audiogen_tiny", "text_encoder": "t5_tiny", "tokenizer": "tokenizer_tiny"}
        released = load_file(FOLDER / source[part] / "model.safetensors")
        assert back.keys() == released.keys()
        for name in (name for name in back if not name.endswith(("window", "fb", "inv_freq"))):
            np.testing.assert_array_equal(back[name], released[name], err_msg=name)


@pytest.mark.parametrize("format", ["hf", "orbax"])
def test_half_precision(tmp_path, format):
    convert_checkpoint(FOLDER / "audiogen_tiny", tmp_path / "half", "bfloat16", format=format)
    parts = load_generator(tmp_path / "half", dtype=jnp.float32, param_dtype=jnp.bfloat16)
    _, exact = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"))
    halved = parts.params["audiogen"]["text_proj"]["kernel"]
    assert halved.dtype == jnp.bfloat16
    np.testing.assert_array_equal(halved, exact["text_proj"]["kernel"].astype(jnp.bfloat16))


def test_hub_names_stay_names_and_text_files_come_along(tmp_path):
    folder = tmp_path / "generator"
    shutil.copytree(FOLDER / "audiogen_tiny", folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_encoder_name"] = "google/flan-t5-large"
    (folder / "config.json").write_text(json.dumps(config | {"tokenizer_name": "org/tokenizer"}))
    for name in ("tokenizer.json", "spiece.model", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    assert list(convert_checkpoint(folder, tmp_path / "copy")) == ["."]
    copied = json.loads((tmp_path / "copy" / "config.json").read_text())
    assert copied["text_encoder_name"] == "google/flan-t5-large"
    assert copied["tokenizer_name"] == "org/tokenizer"
    for name in ("tokenizer.json", "spiece.model", "tokenizer_config.json"):
        assert (tmp_path / "copy" / name).read_text() == "{}"


# Orbax leaves an event loop open when its writing fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("format", ["hf", "orbax"])
def test_a_full_disk_leaves_nothing(tmp_path, format):
    """Files of more than 300 kB fail here, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot write .*(model.safetensors|params)"):
            convert_checkpoint(FOLDER / "tokenizer_tiny", tmp_path / "copy", format=format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    gc.collect()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["hf", "orbax"])
@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1e6, "float16"), (np.nan, "float32"), (-np.inf, "float32"), (np.nan, "bfloat16")],
)
def test_what_is_not_finite_is_not_written(tmp_path, value, dtype, format):
    folder = shutil.copytree(FOLDER / "t5_tiny", tmp_path / "t5")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(tensors) if name.endswith("wo.weight"))
    tensors[name][0, 0] = value
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=f"(wo.weight|mlp_out/kernel): 1 of .*{dtype}"):
        convert_checkpoint(folder, tmp_path / "copy", dtype, format=format)
    assert [path.name for path in tmp_path.iterdir()] == ["t5"]
    if value == 1e6:
        convert_checkpoint(folder, tmp_path / "copy", "bfloat16", format=format)


@pytest.mark.parametrize(("factor", "scale"), [(np.nan, 1.0), (np.inf, 1.0), (1.0, np.inf)])
def test_adapters_that_are_not_finite(tmp_path, tiny_checkpoint, factor, scale):
    """Neither read, nor written."""
    a = np.full((2, 1), factor, np.float32)
    adapters = {"x": {"lora_a": a, "lora_b": np.ones((1, 2), np.float32)}}
    with pytest.raises(ValueError, match="lora_a: 2 of 2 numbers|scale=inf"):
        save_adapters(tmp_path / "a.safetensors", Adapters(adapters, scale))
    assert not list(tmp_path.iterdir())
    tensors = {f"x/{name}": value for name, value in adapters["x"].items()}
    save_file(tensors, tmp_path / "a.safetensors", {"scale": str(scale)})
    with pytest.raises(ValueError, match="lora_a: 2 of 2 numbers|scale=inf"):
        convert_checkpoint(tiny_checkpoint, tmp_path / "b", adapters=tmp_path / "a.safetensors")
    assert not (tmp_path / "b").exists()


def test_errors(tmp_path):
    source = FOLDER / "tokenizer_tiny"
    adapters = tmp_path / "adapters.safetensors"
    save_adapters(
        adapters, Adapters({"x": {"lora_a": np.ones((2, 1)), "lora_b": np.ones((1, 2))}}, 1.0)
    )
    for options, reason in (
        ({"format": "zip"}, "format='zip' must be one of"),
        ({"dtype": "int8"}, "dtype='int8': expected one of"),
        ({"max_shard_bytes": 0}, "max_shard_bytes=0: expected at least 1"),
        ({"max_shard_bytes": 9, "format": "orbax"}, "max_shard_bytes=9: .*format hf"),
        ({"revision": "v1"}, "revision='v1' is for hub repositories"),
        ({"adapters": adapters}, "tokenizer_tiny is no generator"),
    ):
        with pytest.raises(ValueError, match=reason):
            convert_checkpoint(source, tmp_path / "copy", **options)
    with pytest.raises(FileExistsError, match="exists: give a folder to make"):
        convert_checkpoint(source, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {adapters.name, "sha256.json"}
