"""Every setting that names a checkpoint takes every spelling, and gives the same parameters."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from audiogen_jax.checkpoints import locate
from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.locate import NANO
from audiogen_jax.checkpoints.registry import GENERATORS
from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.input.scenes.config import SceneConfig
from audiogen_jax.train.config import load_config
from audiogen_jax.train.objectives.flow_matching import FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.objectives.generator_files import (
    from_base,
    read_generator,
    write_generator,
)
from audiogen_jax.train.objectives.tokenizer_gan import TokenizerGAN
from audiogen_jax.train.stages import parse_config


@pytest.fixture(scope="module")
def spellings(tiny_checkpoint, tmp_path_factory):
    """The tiny generator, its codec and its text encoder as folders of both formats."""
    orbax = tmp_path_factory.mktemp("orbax") / "tiny"
    convert_checkpoint(tiny_checkpoint, orbax, format="orbax")
    return {"hf": tiny_checkpoint, "orbax": orbax, "hub": "me/tiny"}


@pytest.fixture(autouse=True)
def hub(tiny_checkpoint, monkeypatch):
    """A hub that has the tiny generator."""

    def download(name: str, revision: str | None = None) -> Path:
        if name != "me/tiny":
            raise ValueError(f"no folder and no hub repository {name!r}")
        return tiny_checkpoint

    monkeypatch.setattr(locate, "download", download)


def finetuning(*overrides: object) -> FlowMatching:
    config = parse_config(load_config("finetune", ["data=clips.jsonl", *map(str, overrides)]))
    return FlowMatching.load(config, lambda: ())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["hf", "orbax", "hub"])
def test_one_setting_gives_all(spellings, tiny_checkpoint, kind: str):
    objective = finetuning(f"init={spellings[kind]}")
    expected = finetuning(
        f"init={tiny_checkpoint}",
        f"tokenizer={tiny_checkpoint / 'tokenizer'}",
        f"text_encoder={tiny_checkpoint / 'text_encoder'}",
        f"data.text_tokenizer={tiny_checkpoint / 'tokenizer.json'}",
    )
    jax.tree.map(np.testing.assert_array_equal, objective.loaded, expected.loaded)
    assert objective.generator == expected.generator
    assert set(objective.frozen) == {"text_encoder", "codec"}
    assert objective.facts == expected.facts
    text = Path(str(objective.config.data.text_tokenizer))
    assert text.read_bytes() == (tiny_checkpoint / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("kind", ["hf", "orbax", "hub"])
def test_a_generator_stands_for_what_it_holds(spellings, kind: str):
    source = spellings[kind]
    objective = finetuning(
        *(f"{key}={source}" for key in ("init", "tokenizer", "text_encoder", "data.text_tokenizer"))
    )
    assert objective.codec is not None
    assert objective.codec.folder.name == "tokenizer"
    config = parse_config(
        load_config("nano_tokenizer", [f"init.encoder={source}", "data=clips.jsonl"])
    )
    assert "audio_encoder" not in TokenizerGAN.load(config, lambda: ()).encoder  # type: ignore[arg-type]


def test_nano():
    config = from_base(parse_config(load_config("finetune", ["data=c.jsonl", "init=nano"])))  # type: ignore[arg-type]
    assert config.tokenizer == "nano"
    assert config.data.text_tokenizer == str(NANO / "tokenizer.json")
    assert config.data.buckets == (2.0, 5.0)  # its window
    assert config.data.bucket_tokens == (128, 128)
    assert len(config.data.batch_sizes) == 2
    sizes = json.loads((NANO / "config.json").read_text())
    generator = config.make_generator()
    assert generator.window == sizes["dit_img_size"]
    assert generator.latent_dim == sizes["latent_dim"]


def test_a_text_encoder_brings_its_tokenizer(tiny_checkpoint, tmp_path):
    shutil.copytree(tiny_checkpoint / "text_encoder", tmp_path / "t5")
    shutil.copy(tiny_checkpoint / "tokenizer.json", tmp_path / "t5")
    config = parse_config(
        load_config(
            "xl:smoke",
            [f"text_encoder={tmp_path / 't5'}", "data.text_tokenizer=", "tokenizer=nano"],
        )
    )
    assert from_base(config).data.text_tokenizer == str(tmp_path / "t5" / "tokenizer.json")  # type: ignore[arg-type]


def test_words_that_the_base_does_not_know(tiny_checkpoint, tmp_path):
    text = json.loads((tiny_checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = text["model"]["vocab"]
    first, second = (token for token, number in vocabulary.items() if number in (50, 51))
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (tmp_path / "tokenizer.json").write_text(json.dumps(text))
    with pytest.raises(ValueError, match="is not the text tokenizer of the model to go on from"):
        finetuning(f"init={tiny_checkpoint}", f"data.text_tokenizer={tmp_path}/tokenizer.json")


def test_times_are_for_a_model_that_takes_them(tiny_checkpoint):
    """A base without them may learn them."""
    scenes = SceneConfig(weight=1.0, buckets=(1.0, 0.0, 0.0), manifests=(("s.jsonl", 1.0),))
    words = tiny_checkpoint / "tokenizer.json"
    overrides = [f"{key}={tiny_checkpoint}" for key in ("init", "tokenizer")]
    overrides.append(f"data.text_tokenizer={words}")
    config = parse_config(load_config("nano_generator", overrides))
    assert isinstance(config, FlowMatchingConfig) and isinstance(config.data, DataConfig)
    sizes = GENERATORS["dasheng_audiogen"].sizes(CheckpointFolder(tiny_checkpoint))

    def with_scenes(model: object, timeline: float) -> FlowMatchingConfig:
        drawn = dataclasses.replace(scenes, timeline=timeline)
        data = dataclasses.replace(config.data, scenes=drawn)
        return dataclasses.replace(config, data=data, model=model)

    with pytest.raises(ValueError, match="takes no times: set timeline=True in config.model"):
        read_generator(with_scenes(sizes, 0.5))
    assert not read_generator(with_scenes(sizes, 0.0))[0].timeline
    timed = {**sizes, "audiogen": {**sizes["audiogen"], "timeline": True}}  # type: ignore[dict-item]
    generator, _, params = read_generator(with_scenes(timed, 0.5))
    assert generator.timeline and {"audiogen", "text_encoder"} <= params.keys()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("init=absent", "no checkpoint 'absent': expected 'nano', a folder"),
        ("init=me/other", "no folder and no hub repository 'me/other'"),
        ("init={0}/tokenizer", "holds a 'dashengtokenizer' checkpoint: expected one of"),
        ("tokenizer={0}/text_encoder", "holds a 't5' checkpoint: expected one of"),
        ("text_encoder={0}/tokenizer", "config.json: "),
        ("data.text_tokenizer=absent", "no checkpoint 'absent'"),
        ("init=", "init is not set: expected the generator to start from"),
    ],
)
def test_what_is_no_such_checkpoint(tiny_checkpoint, override: str, message: str):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        finetuning(f"init={tiny_checkpoint}", override.format(tiny_checkpoint))


def test_sentencepiece_keeps_its_name(tiny_checkpoint, tmp_path):
    """A model of sentencepiece under the name of a tokenizer.json could not be loaded."""
    objective = finetuning(f"init={tiny_checkpoint}")
    model = tmp_path / "base" / "spiece.model"
    model.parent.mkdir()
    model.write_bytes(b"pieces")  # only copied
    (tmp_path / "base" / "tokenizer_config.json").write_text('{"extra_ids": 0}')
    config = objective.config
    object.__setattr__(config.data, "text_tokenizer", str(model))
    assert objective.codec is not None
    write_generator(
        tmp_path / "export", config, objective.generator, objective.codec, dict(objective.loaded)
    )
    assert (tmp_path / "export" / "spiece.model").read_bytes() == b"pieces"
    assert (tmp_path / "export" / "tokenizer_config.json").is_file()
    assert not (tmp_path / "export" / "tokenizer.json").exists()
