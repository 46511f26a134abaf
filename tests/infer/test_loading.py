"""Checkpoints by hub name, in shards, multilingual: the whole path on a cache laid out like the
hub's, made of the goldens; and everything that can be wrong with one."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import sentencepiece
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file

import audiogen_jax as ag
from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer, save_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.registry import LoadedGenerator
from audiogen_jax.checkpoints.registry import load_generator as load_any_generator
from audiogen_jax.checkpoints.safetensors import SafetensorsFolder
from audiogen_jax.checkpoints.t5 import save_t5, t5_template
from audiogen_jax.models.t5.config import T5Config
from tests.parity.golden import FOLDER, golden

IO = golden("audiogen_tiny")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def load_generator(name: str, **options) -> LoadedGenerator:
    return load_any_generator(name, dtype=np.float32, param_dtype=np.float32, **options)


def publish(cache: Path, name: str, folder: Path, **config) -> None:
    """Puts a folder in a hub cache: blobs, a snapshot of links to them, and a branch."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    for part in (snapshot, repository / "blobs", repository / "refs"):
        part.mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for file in sorted(folder.iterdir()):
        if file.name.startswith("io."):
            continue
        contents = file.read_bytes()
        if file.name == "config.json" and config:
            contents = json.dumps(json.loads(contents) | config).encode()
        if file.suffix == ".safetensors":
            name = hashlib.sha256(contents).hexdigest()
        else:
            name = hashlib.sha1(b"blob %d\0" % len(contents) + contents).hexdigest()
        blob = repository / "blobs" / name
        blob.write_bytes(contents)
        (snapshot / file.name).unlink(missing_ok=True)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache that is all there is of the hub."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def published(hub):
    publish(hub, "google/t5", FOLDER / "t5_tiny")
    publish(hub, "org/tokenizer", FOLDER / "tokenizer_tiny")
    names = {"text_encoder_name": "google/t5", "tokenizer_name": "org/tokenizer"}
    publish(hub, "org/generator", FOLDER / "audiogen_tiny", **names)
    return hub


def sharded(source: Path, target: Path, count: int = 3) -> Path:
    """A copy whose tensors are in several files."""
    shutil.copytree(source, target)
    tensors = load_file(target / "model.safetensors")
    (target / "model.safetensors").unlink()
    names = [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]
    weight_map = {tensor: names[i % count] for i, tensor in enumerate(sorted(tensors))}
    for name in names:
        save_file({t: tensors[t] for t, n in weight_map.items() if n == name}, target / name)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (target / "model.safetensors.index.json").write_text(json.dumps(index))
    return target


def assert_generates_the_golden(source):
    pipeline = ag.load(source)
    latents, _ = pipeline.sample_latents(
        IO["gen.input_ids"],
        IO["gen.attention_mask"],
        IO["gen.noise"].swapaxes(1, 2),
        steps=4,
        compat="release",
    )
    expected = IO["gen.n4_g5.latent"].swapaxes(1, 2)
    np.testing.assert_allclose(latents, expected, atol=1e-4 * np.abs(expected).max())
    waveform = pipeline.codec.decode(latents)
    np.testing.assert_allclose(waveform, IO["gen.n4_g5.waveform"], atol=1e-4)


def test_a_generator_by_its_hub_name(published):
    assert_generates_the_golden("org/generator")
    tokenizer = ag.load_tokenizer("org/tokenizer")
    assert tokenizer.codec == ag.load_tokenizer("org/generator").codec


def test_shards(hub, tmp_path):
    publish(hub, "google/t5", sharded(FOLDER / "t5_tiny", tmp_path / "t5"))
    publish(hub, "org/tokenizer", sharded(FOLDER / "tokenizer_tiny", tmp_path / "tok"))
    names = {"text_encoder_name": "google/t5", "tokenizer_name": "org/tokenizer"}
    publish(hub, "org/g", sharded(FOLDER / "audiogen_tiny", tmp_path / "g"), **names)
    assert_generates_the_golden("org/g")


def test_revisions(published):
    assert load_generator("org/generator", revision=COMMIT).folders[0].name == COMMIT
    with pytest.raises(ValueError, match="org/generator at revision 'v2' is not in the cache"):
        load_generator("org/generator", revision="v2")
    with pytest.raises(ValueError, match="revision='v2' is for hub repositories"):
        load_generator("nano", revision="v2")


def test_the_multilingual_variant(hub, tmp_path, tiny_checkpoint):
    """mT5 with special tokens of its own, from text to latents; config.json stays what it was."""
    text = FOLDER / "mt5_tiny"
    folder = tmp_path / "mt5"
    shutil.copytree(text, folder)
    shutil.copyfile(tiny_checkpoint / "tokenizer.json", folder / "tokenizer.json")
    publish(hub, "google/mt5", folder)
    publish(hub, "org/tokenizer", FOLDER / "tokenizer_tiny")
    names = {"text_encoder_name": "google/mt5", "tokenizer_name": "org/tokenizer"}
    publish(hub, "org/multilingual", FOLDER / "audiogen_mt5_tiny", **names)
    parts = load_generator("org/multilingual")
    assert parts.generator.text.model_type == "mt5"
    ids = parts.generator.special_token_ids
    assert len(ids) == len(set(ids)) == 6
    convert_checkpoint(folder, tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["model_type"] == "mt5"
    (clip,) = ag.load("org/multilingual").generate("<|caption|> rain", duration=0.5, steps=2)
    assert np.isfinite(clip.audio).all()


def test_nothing_cached_and_no_hub(hub):
    with pytest.raises(ValueError) as caught:
        ag.load("org/absent")
    message = str(caught.value)
    assert "org/absent is not in the cache" in message and "cannot be reached" in message
    assert "\n" not in message


def test_a_part_that_is_nowhere(hub):
    publish(hub, "org/generator", FOLDER / "audiogen_tiny", text_encoder_name="google/absent")
    with pytest.raises(ValueError, match="text_encoder_name='google/absent' is no checkpoint fold"):
        ag.load("org/generator")


def train_sentencepiece(folder: Path) -> sentencepiece.SentencePieceProcessor:
    """Puts a spiece.model of 40 pieces in a folder, as T5's."""
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(f"a dog barks {i} times in the rain" for i in range(200)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "spiece"),
        vocab_size=40,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    corpus.unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))


def test_a_sentencepiece_model(hub, tmp_path):
    folder = tmp_path / "t5"
    shutil.copytree(FOLDER / "t5_tiny", folder)
    model = train_sentencepiece(folder)
    publish(hub, "google/t5", folder)
    publish(hub, "org/tokenizer", FOLDER / "tokenizer_tiny")
    names = {"text_encoder_name": "google/t5", "tokenizer_name": "org/tokenizer"}
    publish(hub, "org/generator", FOLDER / "audiogen_tiny", **names)
    ids, mask, *_ = load_generator("org/generator").tokenize(["a dog in the rain"])
    expected = [*model.encode("a dog in the rain"), 1]
    assert ids[0][mask[0]].tolist() == expected
    assert (ids[0][~mask[0]] == 0).all()


@pytest.mark.parametrize(("settings", "first"), [(None, 140), ({"extra_ids": 400}, 440)])
def test_special_tokens_over_a_sentencepiece_model(hub, tmp_path, settings, first):
    """As mT5 is published: its ids end where the special tokens begin, beyond the embedding too."""
    folder = tmp_path / "mt5"
    shutil.copytree(FOLDER / "mt5_tiny", folder)
    model = train_sentencepiece(folder)
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    publish(hub, "google/mt5", folder)
    publish(hub, "org/tokenizer", FOLDER / "tokenizer_tiny")
    names = {"text_encoder_name": "google/mt5", "tokenizer_name": "org/tokenizer"}
    publish(hub, "org/multilingual", FOLDER / "audiogen_mt5_tiny", **names)
    parts = load_generator("org/multilingual")
    special = parts.generator.special_token_ids
    assert special == tuple(range(first, first + 6))
    ids, mask, *_ = parts.tokenize(["<|caption|> a dog <|env|>rain"])
    words = model.encode("a dog"), model.encode("rain")
    assert ids[0][mask[0]].tolist() == [first, *words[0], first + 5, *words[1], 1]
    if settings is not None:
        (clip,) = ag.load("org/multilingual").generate("<|caption|> rain", duration=0.5, steps=2)
        assert np.isfinite(clip.audio).all()


def test_a_folder_without_any_text_tokenizer(published):
    with pytest.raises(ValueError, match="no text tokenizer in .* looked for tokenizer.json, spie"):
        ag.load("org/generator").generate("<|caption|> rain")


def broken(tmp_path, name="tokenizer_tiny") -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(FOLDER / name, folder)
    return folder


def test_a_truncated_file(tmp_path):
    folder = broken(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"model.safetensors is not a .*cut short \(\d+ bytes\)"):
        load_tokenizer(CheckpointFolder(folder))


def test_integers_where_numbers_belong(tmp_path):
    folder = broken(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["decoder.head.out.bias"] = tensors["decoder.head.out.bias"].astype(np.int32)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match="decoder.head.out.bias is I32.*must hold floating-point"):
        load_tokenizer(CheckpointFolder(folder))


def test_broken_shards(tmp_path):
    folder = sharded(FOLDER / "tokenizer_tiny", tmp_path / "tok")
    index = folder / "model.safetensors.index.json"
    values = json.loads(index.read_text())
    tensor = sorted(values["weight_map"])[0]
    values["weight_map"][tensor] = "model-00002-of-00003.safetensors"
    index.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f"says that model-00002-of-00003.*{tensor!r}, which it"):
        load_tokenizer(CheckpointFolder(folder))
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model-00002-of-00003.* is missing, which holds"):
        load_tokenizer(CheckpointFolder(folder))


def test_variants_that_are_not_built(hub, published):
    publish(hub, "org/other", FOLDER / "audiogen_tiny", dit_time_fusion="token")
    with pytest.raises(ValueError, match="variants that are not built:.*dit_time_fusion='token'"):
        ag.load("org/other")
    publish(hub, "org/another", FOLDER / "audiogen_tiny", dit_sparsity=2)
    with pytest.raises(ValueError, match=r"config.json: .*unknown fields \['dit_sparsity'\]"):
        ag.load("org/another")
    publish(hub, "org/third", FOLDER / "audiogen_tiny", dit_depth="4", special_tokens=None)
    with pytest.raises(ValueError, match="dit_depth='4' .*like 32.*special_tokens=None"):
        ag.load("org/third")


def test_only_what_is_used_is_read(published, monkeypatch):
    read = []
    plain = SafetensorsFolder.read
    monkeypatch.setattr(
        SafetensorsFolder, "read", lambda self, name: read.append(name) or plain(self, name)
    )
    pipeline = ag.load("org/generator")
    weights = [name for name in read if not name.endswith(("fb", "window"))]
    assert not [name for name in weights if name.startswith(("encoder.model", "upsampler"))]
    read.clear()
    pipeline.codec.decode(np.zeros((1, 8, pipeline.generator.latent_dim), np.float32))
    assert read and all(name.startswith(("decoder", "upsampler")) for name in read)
    read.clear()
    pipeline.codec.encode(np.zeros((1, 16000), np.float32))
    assert read and all(name.startswith("encoder") for name in read)


def test_blocks_come_apart_as_they_are_read():
    _, stacked = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"))
    _, apart = load_audiogen(CheckpointFolder(FOLDER / "audiogen_tiny"), stacked=False)
    for stack in ("in_blocks", "out_blocks"):
        for i in range(len(apart["dit"][stack])):
            layer = jax.tree.map(lambda leaf, i=i: leaf[i], stacked["dit"][stack])
            jax.tree.map(np.testing.assert_array_equal, apart["dit"][stack][str(i)], layer)


MEASURE = """
import resource, sys
import jax, jax.numpy as jnp
from audiogen_jax.checkpoints.dasheng_tokenizer import TokenizerCheckpoint
from audiogen_jax.checkpoints.folder import CheckpointFolder
jax.devices()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checkpoint = TokenizerCheckpoint(CheckpointFolder(sys.argv[1]), jnp.dtype(sys.argv[2]))
params = jax.block_until_ready(checkpoint.read(put=jax.device_put))
size = sum(leaf.nbytes for leaf in jax.tree.leaves(params)) / 1024
largest = max(leaf.nbytes for leaf in jax.tree.leaves(params)) / 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before - 2 * largest) / size, size)
"""


@pytest.fixture(scope="module")
def large_tokenizer(tmp_path_factory) -> Path:
    """Of 190 MB."""
    from audiogen_jax.checkpoints.dasheng_tokenizer import tokenizer_template
    from audiogen_jax.models.dasheng.config import TokenizerConfig

    config = TokenizerConfig(
        embed_dim=512, depth=24, num_heads=8, decoder_embed_dim=512, decoder_depth=12,
        decoder_intermediate_size=2048,
    )  # fmt: skip
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), tokenizer_template(config))
    folder = tmp_path_factory.mktemp("large")
    save_tokenizer(folder, config, params)
    return folder


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_loading_holds_no_second_copy(large_tokenizer, dtype):
    """Beside the parameters only the one that is being read, and what imports need."""
    command = [sys.executable, "-c", MEASURE, str(large_tokenizer), dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ratio, kilobytes = map(float, done.stdout.split())
    assert kilobytes > 190_000
    assert ratio < 1.25, f"{ratio:.2f} times the parameters"


def test_a_release_that_changed_on_the_disk(published):
    """The hub's cache names its files by their hashes."""
    blob = (published / "models--org--generator/snapshots" / COMMIT / "model.safetensors").resolve()
    contents = bytearray(blob.read_bytes())
    contents[-100] ^= 1
    blob.write_bytes(contents)
    with pytest.raises(ValueError, match=r"model.safetensors is not what was .*name in the cache"):
        ag.load("org/generator")


def test_a_download_that_was_cut_short(published, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = published / "models--org--tokenizer"
    weights = repository / "snapshots" / COMMIT / "model.safetensors"
    blob = weights.resolve()
    blob.rename(f"{blob}.incomplete")
    weights.unlink()
    with pytest.raises(
        ValueError, match="the download of org/tokenizer was cut short: only a part"
    ):
        ag.load_tokenizer("org/tokenizer")


def test_a_cache_without_a_home(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    with pytest.raises(ValueError, match="org/tokenizer .*: there is no home folder, set HF_HOME"):
        ag.load_tokenizer("org/tokenizer")


@pytest.mark.parametrize("field", ["sample_rate", "text width"])
def test_a_text_encoder_or_codec_of_another_model(published, tmp_path, field):
    reason, rate = "makes latents of .* channels, 50 a second, its codec reads .*, 25 a second", {}
    if field == "sample_rate":
        rate = {"sample_rate": 32000}
    else:
        reason = "d_model=8, but .* was trained on a text encoder of width"
        config = T5Config(vocab_size=300, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
        params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), t5_template(config))
        save_t5(tmp_path / "t5", config, params)
        publish(published, "google/t5", tmp_path / "t5")
    names = {"text_encoder_name": "google/t5", "tokenizer_name": "org/tokenizer"}
    publish(published, "org/generator", FOLDER / "audiogen_tiny", **names, **rate)
    with pytest.raises(ValueError, match=reason):
        ag.load("org/generator")
