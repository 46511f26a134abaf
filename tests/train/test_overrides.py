"""`--set key.path=value`: every field of a stage, read as what it is."""

import os
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.train.config import load_config
from audiogen_jax.train.stages import parse_config

BASE = ("init=nano", "data=a.jsonl")


def data(*overrides: str, config: str = "finetune") -> DataConfig | LatentDataConfig:
    return parse_config(
        load_config(config, [*BASE[: 2 if config == "finetune" else 0], *overrides])
    ).data


@pytest.mark.parametrize(
    ("text", "manifests"),
    [
        ("b.jsonl", (("b.jsonl", 1.0),)),
        ("b.jsonl,c.tar", (("b.jsonl", 1.0), ("c.tar", 1.0))),
        ("('b.jsonl', 'c.tar')", (("b.jsonl", 1.0), ("c.tar", 1.0))),
        ("('b.jsonl', 2)", (("b.jsonl", 2.0),)),
        ("(('b.jsonl', 2.0), 'c.jsonl')", (("b.jsonl", 2.0), ("c.jsonl", 1.0))),
        ("[['b.jsonl', 2.0]]", (("b.jsonl", 2.0),)),
        ("gs://bucket/b.jsonl", (("gs://bucket/b.jsonl", 1.0),)),
    ],
)
@pytest.mark.parametrize("key", ["data", "data.manifests"])
def test_sources(key: str, text: str, manifests: tuple):
    chosen = data(f"{key}={text}")
    assert isinstance(chosen, DataConfig) and chosen.manifests == manifests


def test_a_name_with_a_comma(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a,b.jsonl").touch()
    assert data("data=a,b.jsonl").manifests == (("a,b.jsonl", 1.0),)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "override", ["data=latents", "data=gs://b/latents", "data.datasets=latents"]
)
def test_latents_take_the_place_of_manifests(tmp_path, monkeypatch, override: str):
    monkeypatch.chdir(tmp_path)
    Path("latents").mkdir()
    Path("latents/dataset.json").touch()
    chosen = data(override, "data.crop=start")
    assert isinstance(chosen, LatentDataConfig)
    assert chosen.datasets[0][0].endswith("latents") and chosen.crop == "start"
    again = data(override, "data=a.jsonl", config="xl")
    assert isinstance(again, DataConfig)


def test_what_no_config_lists():
    overrides = ("crop=random", "gain_db=3", "num_workers=2", "cache_bytes=1000", "holdout=0.2")
    chosen = data(*(f"data.{each}" for each in overrides))
    assert isinstance(chosen, DataConfig)
    assert (chosen.crop, chosen.gain_db, chosen.num_workers) == ("random", 3.0, 2)
    assert (chosen.cache_bytes, chosen.holdout) == (1000, 0.2)


def test_numbers_tuples_and_nothing():
    config = load_config(
        "finetune",
        [
            *BASE,
            *("data.buckets=5", "data.batch_sizes=8", "data.max_tokens=64"),
            *("text_encoder=None", "remat=none", "sample_every=10", "optimizer.learning_rate=1"),
        ],
    )
    settings = parse_config(config)
    assert settings.data.buckets == (5.0,) and settings.data.batch_sizes == (8,)
    assert settings.data.bucket_tokens == (64,)
    assert config.text_encoder is None and settings.remat is None
    assert settings.optimizer.learning_rate == 1.0
    several = parse_config(
        load_config("finetune", [*BASE, "data.buckets=1,2", "data.batch_sizes=(8,8)"])
    )
    assert several.data.buckets == (1.0, 2.0) and several.data.bucket_tokens == (512, 512)


def test_the_text_encoder_is_that_of_the_base_until_it_is_set():
    assert load_config("finetune", ["init=me/mine"]).text_encoder == "me/mine"
    config = load_config("finetune", ["text_encoder=t5", "init=me/mine"])
    assert (config.init, config.text_encoder) == ("me/mine", "t5")


def test_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", "/home/me"))
    config = load_config("finetune", ["init=~/base", "data=('~/a.jsonl', 2)"])
    assert config.init == "/home/me/base"
    assert config.data.manifests == (("/home/me/a.jsonl", 2.0),)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data=", "data is empty: expected a manifest or a folder of latents"),
        ("data=3", r"config key 'data\[0\]': 3 is no tuple"),
        ("data.manifests=(('a', 'b'),)", r"config key 'data.manifests\[0\]\[1\]': 'b' is no float"),
        ("data=captions.csv", "is a table, no manifest: audiogen manifest FOLDER --captions"),
        ("data=a.jsonl,latents", "expected manifests, or folders of latents, not both"),
        ("data=.", "is a folder without dataset.json: audiogen manifest . makes a manifest"),
        ("data.crop=3", "crop='3'"),
        ("data.gain_db=loud", "config key 'data.gain_db': 'loud' is no float"),
        ("data.num_workers=1.5", "config key 'data.num_workers': 1.5 is no int"),
        ("data.gain=3", r"unknown config key 'data.gain'; did you mean one of \['data.gain_db'"),
        ("optimizer=3", r"config key 'optimizer' holds several: set some of \['optimizer.b1'"),
        ("init=3", None),
        ("data.buckets=(1,'x')", r"config key 'data.buckets\[1\]': 'x' is no float"),
        ("eval.batches=True", "config key 'eval.batches': True is no int"),
        ("dtype=int8", "dtype='int8': expected one of"),
        ("model.audiogen.dit_depth=4", "unknown config key 'model.audiogen.dit_depth'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, monkeypatch, override: str, message: str | None):
    monkeypatch.chdir(tmp_path)
    overrides = [*BASE, override]
    if message is None:
        assert load_config("finetune", overrides).init == "3"
        return
    with pytest.raises(ValueError, match=message):
        parse_config(load_config("finetune", overrides))


def test_sizes_under_a_model():
    assert (
        load_config("nano_generator", ["model.audiogen.dit_depth=2"]).model.audiogen.dit_depth == 2
    )
    with pytest.raises(ValueError, match="config key 'model.audiogen.dit_depth': 'two' is no int"):
        load_config("nano_generator", ["model.audiogen.dit_depth=two"])


@pytest.mark.parametrize("name", ["finetune", "xl", "base", "small", "nano_generator"])
def test_longest_texts_are_of_one_type(name: str):
    """A tuple in one config and a number in another could not be set alike."""
    for argument in ("", ":smoke", ":lora"):
        try:
            config = load_config(name + argument)
        except ValueError:  # it has no such variant
            continue
        tokens = config.data.max_tokens
        assert isinstance(tokens, tuple) and all(isinstance(each, int) for each in tokens)


def test_a_stage_nobody_knows():
    config = ConfigDict(dict(objective="mine", steps=1))
    from audiogen_jax.train.overrides import override

    override(config, "steps=2", None)
    assert config.steps == 2
