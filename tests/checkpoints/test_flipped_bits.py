"""One bit of a file changes on the disk: nothing gives other numbers without a word."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from audiogen_jax.checkpoints.adapters import Adapters, load_adapters, save_adapters
from audiogen_jax.checkpoints.config_file import write_config
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.orbax import save_orbax
from audiogen_jax.checkpoints.t5 import load_t5, save_t5, t5_template
from audiogen_jax.files.content_hashes import record_contents
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.models.t5.config import T5Config
from tests.latent_folder import random_latents, write_dataset

CONFIG = T5Config(vocab_size=300, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)


def weights():
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.normal(size=x.shape).astype("f4"), t5_template(CONFIG))


def values(tree):
    """The tree, its arrays as bytes, to be compared."""
    return jax.tree.map(lambda x: x.tobytes() if isinstance(x, np.ndarray) else x, tree)


def write_export(folder: Path, tiny: Path) -> None:
    save_t5(folder, CONFIG, weights())
    shutil.copyfile(tiny / "tokenizer.json", folder / "tokenizer.json")
    record_contents(folder, ["tokenizer.json"])
    factors = {"lora_a": np.ones((4, 2), "f4"), "lora_b": np.ones((2, 4), "f4")}
    save_adapters(folder / "adapters.safetensors", Adapters({"x": factors}, 0.5))


def read_export(folder: Path):
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json")
    ids = tokenizer.encode_batch(["a dog barks in the rain"], 20)
    return read_orbax(folder), ids, vars(load_adapters(folder / "adapters.safetensors"))


def write_orbax(folder: Path, tiny: Path) -> None:
    save_orbax(folder, CONFIG.to_hf(), weights())


def read_orbax(folder: Path):
    config, params = load_t5(CheckpointFolder(folder))
    return vars(config), params


def write_latents(folder: Path, tiny: Path) -> None:
    rng = np.random.default_rng(0)
    views = {"caption": ("rain",)}
    records = [LatentRecord(f"{i}", "train", views, random_latents(rng, 5, 8)) for i in range(4)]
    write_dataset(folder, [records[:2], records[2:]], 8)


def read_latents(folder: Path):
    dataset = LatentDataset(folder)
    records = [vars(dataset.read(i)) for i in range(len(dataset))]
    ids = [dataset.audio_id(i) for i in range(len(dataset))]
    return vars(dataset.info), dataset.splits, dataset.captioned, records, ids


KINDS = {
    "export": (write_export, read_export),
    "orbax": (write_orbax, read_orbax),
    "latents": (write_latents, read_latents),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_never_gives_other_numbers(kind, tmp_path, tiny_checkpoint):
    """100 in all, over the files first and then over their bits, so that small ones are hit."""
    write, read = KINDS[kind]
    write(tmp_path / "whole", tiny_checkpoint)
    expected = values(read(tmp_path / "whole"))
    files = sorted(path for path in (tmp_path / "whole").rglob("*") if path.stat().st_size)
    files = [path for path in files if path.is_file() and path.name != "job.json"]
    rng, refused = np.random.default_rng(7), 0
    for _ in range(34):
        path = files[rng.integers(len(files))]
        contents = path.read_bytes()
        changed = bytearray(contents)
        # The first part of a shard holds its records, what follows is padding.
        changed[rng.integers(min(len(changed), 4000))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert values(read(tmp_path / "whole")) == expected, path
        except ValueError as error:
            refused += 1
            assert str(tmp_path / "whole") in str(error) and "\n" not in str(error).strip()
        path.write_bytes(contents)
    assert refused > 15
    assert values(read(tmp_path / "whole")) == expected


def test_a_config_that_somebody_edits(tmp_path, tiny_checkpoint):
    """The message says what to do."""
    write_orbax(tmp_path, tiny_checkpoint)
    write_config(tmp_path, CONFIG.to_hf() | {"layer_norm_epsilon": 1e-5})
    with pytest.raises(ValueError, match=r"config.json is not .* yourself, delete sha256.json"):
        CheckpointFolder(tmp_path)
    (tmp_path / "sha256.json").unlink()
    assert load_t5(CheckpointFolder(tmp_path))[0].layer_norm_epsilon == 1e-5
