"""A generator and a codec of another kind go through everything, without a line outside of them."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.cli import main
from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.plan.memory import check_fits
from audiogen_jax.plan.sampling import plan_sampling
from audiogen_jax.plan.training import plan_training
from audiogen_jax.train.config import load_config

CONFIG = str(Path(__file__).parent / "config.py")
PROMPTS = ["<|caption|> rain", "<|caption|> a dog barks in the rain <|sfx|> bark"]


def audiogen(*arguments) -> None:
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    assert done.value.code in (0, None)


def test_generate(checkpoint):
    pipeline = ag.load(checkpoint)
    options = {"steps": 3, "negative": "<|caption|> hiss", "view_guidance": {"sfx": 2.0}}
    clips = pipeline.generate(PROMPTS, guidance_interval=(0.2, 1.0), **options)
    for clip in clips:
        assert clip.audio.shape == (22050, 2) and clip.sample_rate == 44100
    (alone,) = pipeline.generate(PROMPTS[1], ids=["1"], guidance_interval=(0.2, 1.0), **options)
    np.testing.assert_allclose(alone.audio, clips[1].audio, atol=1e-4)
    (longer,) = pipeline.generate(PROMPTS[0], steps=2, duration=1.7)  # in windows of 0.4 s
    assert longer.audio.shape == (74970, 2)
    with pytest.raises(ValueError, match="no release to follow"):
        pipeline.generate(PROMPTS, steps=2, compat="release")


@pytest.mark.filterwarnings("ignore:what was made anew peaks")  # by a random model
def test_a_source_keeps_its_channels(checkpoint):
    pipeline = ag.load(checkpoint)
    audio = np.random.default_rng(0).normal(0, 0.1, (22050, 2)).astype(np.float32)
    (clip,) = pipeline.generate(PROMPTS[0], steps=2, source=ag.Source.inpaint(audio, 0.1, 0.3))
    assert clip.audio.shape == audio.shape
    np.testing.assert_array_equal(clip.audio[: 8 * 441], audio[: 8 * 441])
    np.testing.assert_array_equal(clip.audio[-8 * 441 :], audio[-8 * 441 :])


def test_the_codec_of_a_generator(checkpoint):
    codec = ag.load_tokenizer(checkpoint)
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 5000, 2)).astype(np.float32)
    latents = codec.encode(audio, lengths=[5000, 1000])
    assert latents.shape == (2, 11, 6) and not np.asarray(latents)[1, 2:].any()
    assert codec.decode(latents).shape == (2, 11 * 441, 2)
    with pytest.raises(ValueError, match=r"audio of shape \(2, 5000\): expected \[b n 2\]"):
        codec.encode(audio[:, :, 0])


def test_its_codec_embeds(checkpoint):
    embeds = embedder(str(checkpoint))
    clip = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    (frames,) = embeds.embed_frames([clip], 44100)
    both = np.stack([clip, clip], axis=1)[None]
    np.testing.assert_array_equal(frames, ag.load_tokenizer(checkpoint).encode(both)[0])
    assert embeds.identity.layer == "latents" and embeds.identity.sample_rate == 44100
    with pytest.raises(ValueError, match="layer 'semantic': this codec has latents"):
        embedder(f"{checkpoint}:semantic")


def test_generate_command(checkpoint, tmp_path):
    output = tmp_path / "clip.wav"
    audiogen("generate", PROMPTS[0], "--checkpoint", checkpoint, "--steps", 2, "-o", output)
    samples, rate = soundfile.read(output)
    assert samples.shape == (22050, 2) and rate == 44100


def test_batch(checkpoint, tmp_path):
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"audio_id": f"p{i}", "caption": f"sound {i}", "category": "s"} for i in range(3)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("batch", prompts, "--output", tmp_path / "clips", "--checkpoint", checkpoint)
    audiogen(*command, "--steps", 2)
    manifest = (tmp_path / "clips" / "manifest.jsonl").read_text().splitlines()
    assert len(manifest) == 3
    for row in map(json.loads, manifest):
        samples, rate = soundfile.read(tmp_path / "clips" / row["file"])
        assert samples.shape == (22050, 2) and rate == row["sample_rate"] == 44100
        assert row["category"] == "s" and row["duration"] == 0.5
    before = (tmp_path / "clips" / "manifest.jsonl").read_bytes()
    audiogen(*command, "--steps", 2)
    assert (tmp_path / "clips" / "manifest.jsonl").read_bytes() == before


@pytest.fixture(scope="module")
def latents(checkpoint, manifest, tmp_path_factory):
    output = tmp_path_factory.mktemp("second") / "latents"
    audiogen("encode-dataset", manifest, "--output", output, "--checkpoint", checkpoint)
    return output


def test_encode_dataset(checkpoint, manifest, latents):
    dataset, codec = LatentDataset(latents), ag.load_tokenizer(checkpoint)
    assert (dataset.info.sample_rate, dataset.info.latent_rate) == (44100, 100.0)
    assert (dataset.info.channels, dataset.info.tokenizer_sha256) == (6, codec.encoder_sha256)
    records = {record.audio_id: record for record in map(dataset.read, range(8))}
    for i in range(8):
        samples, _ = soundfile.read(manifest.parent / f"{i}.wav", dtype="float32")
        expected = np.asarray(codec.encode(samples[None])[0])
        np.testing.assert_allclose(
            records[f"clip{i}"].latents.astype(np.float32), expected, rtol=0.01, atol=1e-3
        )


@pytest.mark.parametrize("kind", ["latents", "audio"])
def test_train(checkpoint, manifest, latents, tmp_path, kind):
    """From its data to a model that loads, and on from there."""
    data = (
        f"data.manifests=(({str(manifest)!r}, 1.0),)"
        if kind == "audio"
        else f"data.datasets=(({str(latents)!r}, 1.0),)"
    )
    config = f"{CONFIG}:audio" if kind == "audio" else CONFIG
    audiogen(
        "train", "--config", config, "--workdir", tmp_path / "run",
        "--set", f"tokenizer={checkpoint / 'codec'}", "--set", data,
        "--set", f"data.text_tokenizer={checkpoint / 'tokenizer.json'}",
        "--set", "sample_every=2",
    )  # fmt: skip
    rows = [json.loads(row) for row in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4 and all(np.isfinite(row["loss"]) for row in rows)
    assert np.isfinite(rows[-1]["val_loss"])
    (clip,) = ag.load(tmp_path / "run" / "export").generate(PROMPTS[0], steps=2)
    assert clip.audio.shape == (22050, 2)


def test_plans(latents):
    config = load_config(CONFIG)
    plan = plan_training(config, "h200:8")
    assert plan["chips"] == 8 and plan["frames"] == 50 and plan["flops"]["model"] > 0
    assert plan["flops"]["executed"] == plan["flops"]["model"]  # nothing is rematerialised
    assert plan["flops"]["per_chip_over_ideal"] == pytest.approx(1, abs=0.1)
    assert plan["replicated"] == [] and plan["flops"]["uncounted_loops"] == []
    held, times = plan["memory"]["parameters_and_optimizer"], plan["seconds_per_step"]
    assert plan["hbm_bytes"] > plan["memory"]["arguments"] > held > 0
    assert times["kernels"] == max(times["computing"], times["memory"])
    check_fits(plan)
    batch = plan_sampling(config, "h200:8", 16, SamplingOptions(steps=2))
    assert batch["frames"] == 50 and batch["flops"]["per_clip"] > 0
    assert plan["parameters"]["trained"] == batch["parameters"]


def test_batches_are_split_over_devices(checkpoint):
    one, eight = ag.load(checkpoint), ag.load(checkpoint, devices=jax.local_devices())
    for alone, split in zip(
        *(pipeline.generate(PROMPTS, steps=2) for pipeline in (one, eight)), strict=True
    ):
        np.testing.assert_allclose(alone.audio, split.audio, atol=1e-5)
