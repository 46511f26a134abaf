"""A generator trained on encoded latents, beside a frozen text encoder, and by adapters."""

import dataclasses

import jax
import numpy as np
import pytest
import tokenizers

from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer, save_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.jobs.encode_latents import encode_dataset
from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.stages import load_objective, parse_config
from tests.train.conftest import ROOT, metrics_rows


@pytest.fixture(scope="session")
def latents(manifest, tiny_checkpoint, tmp_path_factory):
    """The clips of the manifest, encoded by the tiny checkpoint's tokenizer."""
    folder = tmp_path_factory.mktemp("latents")
    encode_dataset([manifest], folder, checkpoint=str(tiny_checkpoint / "tokenizer"))
    return folder


@pytest.fixture(scope="session")
def small(latents, tiny_checkpoint):
    """Overrides -> the smoke config of the published size, ready to train on the latents."""
    own, _ = load_audiogen(CheckpointFolder(tiny_checkpoint))

    def config(arg: str, *overrides: str):
        config = load_config(
            f"{ROOT}/configs/xl.py:{arg}",
            [
                f"data.datasets=(({str(latents)!r}, 1.0),)",
                f"data.text_tokenizer={tiny_checkpoint / 'tokenizer.json'}",
                f"tokenizer={tiny_checkpoint / 'tokenizer'}",
                f"text_encoder={tiny_checkpoint / 'text_encoder'}",
                *overrides,
            ],
        )
        with config.unlocked():
            config.model.text_encoder = dict(
                vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
            )
            config.model.audiogen = dataclasses.asdict(own)
        return config

    return config


@pytest.mark.slow
def test_frozen_text_encoder(small, tiny_checkpoint, tmp_path):
    config = small("smoke", "accumulate=2", "data.batch_sizes=(16,)")
    state = train_model(config, tmp_path)
    assert set(state.params) == {"audiogen"}
    rows = metrics_rows(tmp_path)
    assert [row["step"] for row in rows] == [1, 2] and "val_loss" in rows[-1]
    _, text = load_t5(CheckpointFolder(tmp_path / "export" / "text_encoder"))
    _, expected = load_t5(CheckpointFolder(tiny_checkpoint / "text_encoder"))
    jax.tree.map(np.testing.assert_array_equal, text, expected)
    kernel = state.params["audiogen"]["dit"]["in_blocks"]["mlp"]["proj_in"]["kernel"]
    assert kernel.sharding.spec == jax.sharding.PartitionSpec(None, "fsdp", None)


@pytest.mark.slow
def test_clips_to_listen_to(small, tmp_path):
    train_model(small("smoke", "sample_every=2"), tmp_path)
    events = b"".join(p.read_bytes() for p in (tmp_path / "tensorboard").iterdir())
    assert b"samples/" in events and b"RIFF" in events


@pytest.mark.slow
def test_adapters(small, tiny_checkpoint, tmp_path):
    overrides = ("init=" + str(tiny_checkpoint), "lora.rank=2", "lora.alpha=4.0")
    state = train_model(small("smoke", *overrides, "optimizer.learning_rate=0.1"), tmp_path)
    assert set(state.params) == {"adapters"}
    _, before = load_audiogen(CheckpointFolder(tiny_checkpoint))
    _, after = load_audiogen(CheckpointFolder(tmp_path / "export"))
    changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), before, after)
    assert changed["dit"]["mid_block"]["attention"]["query"]["kernel"]
    assert not changed["dit"]["mid_block"]["modulation"]["kernel"]
    assert not any(jax.tree.leaves(changed["content_adapter"]["local_duration"]))
    # The adapters alone, merged into the base again.
    file = tmp_path / "export" / "adapters.safetensors"
    convert_checkpoint(tiny_checkpoint, tmp_path / "merged", adapters=file)
    _, again = load_audiogen(CheckpointFolder(tmp_path / "merged"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), again, after)


def test_latents_of_another_tokenizer(small, tmp_path, tiny_checkpoint):
    config = small("smoke", f"tokenizer={tmp_path / 'other'}")
    kind, params = load_tokenizer(CheckpointFolder(tiny_checkpoint / "tokenizer"))
    params["acoustic_injection"]["norm"]["bias"] += 1
    save_tokenizer(tmp_path / "other", kind, params)
    with pytest.raises(ValueError, match="holds latents of tokenizer .*, expected"):
        train_model(config, tmp_path / "run")


def test_sizes_must_be_those_of_the_checkpoint(small, tiny_checkpoint, tmp_path):
    config = small("smoke", f"init={tiny_checkpoint}")
    with config.unlocked():
        config.model.audiogen.dit_num_heads = 4
    with pytest.raises(ValueError, match="another size .*'dit_num_heads is 2, here 4'"):
        train_model(config, tmp_path)


def test_adapters_without_alpha_count_once(small, tiny_checkpoint):
    """With the alpha of 0 that configs have, they learnt nothing: no gradient reached them."""
    config = small("smoke", f"init={tiny_checkpoint}", "lora.rank=2")
    objective = load_objective(parse_config(config))
    shapes = jax.eval_shape(objective.init_state, jax.random.key(0)).params
    adapters = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, np.float32), shapes)
    before = objective.frozen["audiogen"]["dit"]["mid_block"]["attention"]["query"]["kernel"]
    after = objective.assemble(adapters, objective.frozen)
    kernel = after["audiogen"]["dit"]["mid_block"]["attention"]["query"]["kernel"]
    np.testing.assert_allclose(kernel, before + 2 * 0.1 * 0.1, atol=1e-7)


def test_the_text_tokenizer_must_be_that_of_the_base(small, tiny_checkpoint, tmp_path):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.add_special_tokens(["<pad>", "</s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    other = f"data.text_tokenizer={tmp_path / 'tokenizer.json'}"
    with pytest.raises(ValueError, match=r"is not the text tokenizer .* Give '.*/tokenizer.json'"):
        load_objective(parse_config(small("smoke", f"init={tiny_checkpoint}", other)))


@pytest.mark.parametrize("variant", ["finetune", "lora"])
def test_fine_tuning_needs_a_generator(small, variant: str):
    with pytest.raises(ValueError, match="init is not set: fine-tuning and adapters go on from"):
        load_objective(parse_config(small(variant)))
