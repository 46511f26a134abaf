"""The pipeline: clips depend on seed and id alone, lengths are kept, bad input is named."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import Request, batches

# Of 33 to 64 tokens, with and without a view: one bucket, so that tests share programs.
SCENES = [
    "<|caption|> rain falls on the roof of a house",
    "<|env|> street <|caption|> a big dog barks in the rain <|sfx|> bark",
]
SLOW = pytest.mark.slow
HISS = "<|caption|> hiss and a hum of many machines"


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return ag.load(tiny_checkpoint)


def make(pipeline, prompts, **options):
    return pipeline.generate(prompts, **{"steps": 2, **options})


def test_one_prompt(pipeline):
    (clip,) = make(
        pipeline, ag.StructuredCaption("a dog in the house", sfx="bark"), seed=5, duration=0.7
    )
    assert clip.audio.shape == (11200,) and clip.audio.dtype == np.float32
    assert (clip.id, clip.seed, clip.sample_rate) == ("0", 5, 16000)
    assert clip.prompt == "<|caption|> a dog in the house <|sfx|> bark"


def test_prompts_are_written_in_the_usual_order(pipeline):
    (clip,) = make(pipeline, SCENES[1:], duration=0.5)
    assert clip.prompt == "<|caption|> a big dog barks in the rain <|sfx|> bark <|env|> street"


def test_the_model_decides_the_duration(pipeline):
    for clip in make(pipeline, SCENES):
        # The fixture's duration head says about a second, whatever the text.
        assert len(clip.audio) % 640 == 0
        assert 0.3 < len(clip.audio) / clip.sample_rate < 3.0


def test_the_model_decides_the_duration_of_some(pipeline):
    given, predicted = make(pipeline, SCENES, duration=[0.5, None])
    assert len(given.audio) == 8000
    assert len(predicted.audio) == len(make(pipeline, SCENES)[1].audio)


def test_a_repeated_call_is_identical(pipeline):
    first, second = (make(pipeline, SCENES, seed=3, duration=0.9) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.audio, b.audio)


def test_seeds_and_ids_differ(pipeline):
    options = {"duration": 0.5, "seed": 0}
    base, same_text = make(pipeline, [SCENES[0]] * 2, **options)
    (other_seed,) = make(pipeline, SCENES[0], duration=0.5, seed=1)
    for other in (same_text, other_seed):
        assert np.corrcoef(base.audio, other.audio)[0, 1] < 0.9


def test_a_clip_is_the_same_alone_and_in_any_batch(pipeline):
    prompts = [SCENES[i % 2] for i in range(11)]
    durations = [0.4 + 0.1 * i for i in range(9)] + [1.5, 1.7]  # batches of 8, 1 and 2
    together = make(pipeline, prompts, duration=durations, seed=2)
    for row in (0, 8, 10):
        (alone,) = make(pipeline, prompts[row], duration=durations[row], seed=2, ids=[str(row)])
        assert alone.id == together[row].id
        assert alone.audio.shape == together[row].audio.shape
        np.testing.assert_allclose(together[row].audio, alone.audio, atol=1e-4)


def test_predicted_lengths_do_not_depend_on_the_batch(pipeline):
    together = make(pipeline, SCENES)
    for row, clip in enumerate(together):
        (alone,) = make(pipeline, SCENES[row], ids=[clip.id])
        np.testing.assert_allclose(alone.audio, clip.audio, atol=1e-4)


def test_a_longer_take_starts_with_the_noise_of_the_shorter(pipeline, monkeypatch):
    seen = []
    original = pipeline._sampler.sample
    monkeypatch.setattr(
        pipeline._sampler,
        "sample",
        lambda conditions, lengths, noise, *rest, **options: (
            seen.append(np.asarray(noise)) or original(conditions, lengths, noise, *rest, **options)
        ),
    )
    for seconds in (0.5, 3.0):
        make(pipeline, SCENES[0], duration=seconds)
    shorter = seen[0].shape[1]
    np.testing.assert_array_equal(seen[0][0], seen[1][0, :shorter])


def test_few_programs_for_many_lengths(pipeline):
    for seconds in (0.30, 0.37, 0.61, 0.83, 1.02):
        make(pipeline, SCENES[0], duration=seconds)
    before = len(pipeline._sampler.programs.integrate)
    for seconds in (0.41, 0.52, 0.99, 1.11, 1.27):
        make(pipeline, SCENES[0], duration=seconds)
    assert len(pipeline._sampler.programs.integrate) == before


def test_batches_cover_every_clip_once():
    frames = np.random.default_rng(0).integers(1, 300, 50)
    requests = [Request(str(i), "", int(n), int(n) * 640, ()) for i, n in enumerate(frames)]
    groups = batches(requests)
    assert sorted(int(one.id) for group in groups for one in group) == list(range(50))
    for group in groups:
        lengths = [one.frames for one in group]
        assert len(group) <= 8 and max(lengths) <= max(32, 1.5 * min(lengths))
    assert batches(requests) == groups


def test_sampling_from_ids(pipeline):
    rng = np.random.default_rng(0)
    token_ids = rng.integers(2, 300, (2, 12))
    token_mask = np.arange(12) < np.array([[12], [7]])
    latents, mask = pipeline.sample_latents(token_ids, token_mask, steps=2)
    assert latents.shape == (*mask.shape, 16) and mask[:, 0].all() and mask.any(axis=0).all()
    frames = latents.shape[1]
    noise = rng.normal(size=(2, frames + 5, 16)).astype(np.float32)
    latents, mask = pipeline.sample_latents(token_ids, token_mask, noise[:, :frames], steps=2)
    assert latents.shape == (2, frames, 16)
    np.testing.assert_array_equal(np.asarray(latents)[~np.asarray(mask)], 0)
    alone, alone_mask = pipeline.sample_latents(
        token_ids[1:, :7], token_mask[1:, :7], noise[1:], steps=2
    )
    valid = np.asarray(mask[1])
    np.testing.assert_array_equal(alone_mask[0, :frames], valid)
    np.testing.assert_allclose(latents[1][valid], alone[0, :frames][valid], atol=1e-4)
    with pytest.raises(ValueError, match="noise of shape"):
        pipeline.sample_latents(token_ids, token_mask, noise[:, :3])


def test_guidance_of_one_is_the_conditional_model(pipeline):
    """Extrapolation by 1 + eps (both halves evaluated) meets the conditional path at 1."""
    token_ids, token_mask = np.full((1, 5), 7), np.ones((1, 5), bool)
    plain, _ = pipeline.sample_latents(token_ids, token_mask, steps=2, guidance=1.0)
    nearly, _ = pipeline.sample_latents(token_ids, token_mask, steps=2, guidance=1.0 + 1e-6)
    strong, _ = pipeline.sample_latents(token_ids, token_mask, steps=2, guidance=5.0)
    np.testing.assert_allclose(plain, nearly, atol=1e-4)
    assert np.abs(np.asarray(plain) - np.asarray(strong)).max() > 1e-3


def test_view_guidance(pipeline):
    options = {"duration": 0.5, "guidance": 3.0}
    (base,) = make(pipeline, SCENES[1], **options)
    (same,) = make(pipeline, SCENES[1], view_guidance={"sfx": 3.0}, **options)
    np.testing.assert_allclose(same.audio, base.audio, atol=1e-4)
    (more,) = make(pipeline, SCENES[1], view_guidance={"sfx": 9.0}, **options)
    (both,) = make(pipeline, SCENES[1], view_guidance={"sfx": 9.0, "env": 0.0}, **options)
    # A view that the prompt does not have has nothing to remove.
    (absent,) = make(pipeline, SCENES[1], view_guidance={"music": 9.0}, **options)
    assert np.abs(more.audio - base.audio).max() > 1e-3
    assert np.abs(both.audio - more.audio).max() > 1e-3
    np.testing.assert_allclose(absent.audio, base.audio, atol=1e-4)


def test_negative_prompt(pipeline):
    options = {"duration": 0.5, "guidance": 3.0}
    (base,) = make(pipeline, SCENES[0], **options)
    (away,) = make(pipeline, SCENES[0], negative=HISS, **options)
    assert np.abs(away.audio - base.audio).max() > 1e-3
    # u + g (c - u) with the prompt itself as u is the conditional model.
    (itself,) = make(pipeline, SCENES[0], negative=SCENES[0], **options)
    (plain,) = make(pipeline, SCENES[0], duration=0.5, guidance=1.0)
    np.testing.assert_allclose(itself.audio, plain.audio, atol=1e-4)


def test_guidance_interval(pipeline):
    options = {"duration": 0.5}
    (plain,) = make(pipeline, SCENES[0], guidance=1.0, **options)
    (never,) = make(pipeline, SCENES[0], guidance=5.0, guidance_interval=(0.999, 0.9999), **options)
    np.testing.assert_allclose(never.audio, plain.audio, atol=1e-4)
    (always,) = make(pipeline, SCENES[0], guidance=5.0, **options)
    (early,) = make(pipeline, SCENES[0], guidance=5.0, guidance_interval=(0.9, 1.0), **options)
    for other in (plain, always):
        assert np.abs(early.audio - other.audio).max() > 1e-3


def test_batches_are_split_over_devices(tiny_checkpoint, pipeline):
    spread = ag.load(tiny_checkpoint, devices=jax.local_devices())
    assert spread._sampler.mesh.size == 8
    for one, other in zip(
        make(spread, SCENES, duration=0.5), make(pipeline, SCENES, duration=0.5), strict=True
    ):
        np.testing.assert_allclose(one.audio, other.audio, atol=1e-4)


@pytest.mark.parametrize("options", [{"param_dtype": "bf16"}, pytest.param({}, marks=SLOW)])
def test_bfloat16(tiny_checkpoint, pipeline, options):
    (exact,) = make(pipeline, SCENES[0], duration=0.5, guidance=2.0)
    half = ag.load(tiny_checkpoint, dtype="bf16", **options)
    (clip,) = make(half, SCENES[0], duration=0.5, guidance=2.0)
    error = np.linalg.norm(clip.audio - exact.audio) / np.linalg.norm(exact.audio)
    assert 0 < error < 0.2


def test_a_precision_that_there_is_not(tiny_checkpoint):
    with pytest.raises(ValueError, match="dtype='float16': expected 'float32' or 'bfloat16'"):
        ag.load(tiny_checkpoint, dtype="fp16")


def test_a_folder_without_text_tokenizer_samples_from_ids(tiny_checkpoint, tmp_path):
    shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer.json").unlink()
    pipeline = ag.load(tmp_path / "copy")
    assert pipeline.sample_latents(np.full((1, 5), 7), np.ones((1, 5), bool), steps=2)
    with pytest.raises(ValueError, match="no text tokenizer in .*tokenizer.json"):
        pipeline.generate(SCENES[0])


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ("<|caption rain", {}, "a tag is cut in '<|caption rain'"),
        ([], {}, "no prompts"),
        (SCENES, {"ids": ["a"]}, "expected 2 different names"),
        (SCENES, {"ids": ["a", "a"]}, "expected 2 different names"),
        (SCENES, {"duration": [1.0]}, "1 durations for 2 prompts"),
        (SCENES, {"duration": 0.0}, "duration=0.0 must be between 0.04 and 600 seconds"),
        (SCENES, {"duration": float("nan")}, "duration=nan"),
        (SCENES, {"duration": 601.0}, "duration=601.0"),
        (SCENES, {"seed": -1}, "seed=-1"),
        (SCENES, {"seed": 2**32}, "seed=4294967296"),
        (SCENES, {"seed": 0.5}, "seed=0.5"),
        (SCENES, {"seed": True}, "seed=True"),
        (SCENES, {"seed": np.float32(1)}, "must be an integer in [0, 2**32)"),
        (SCENES, {"duration": True}, "duration=True"),
        (SCENES, {"duration": "12"}, "duration=12 must be between"),
        (SCENES, {"duration": 1j}, "duration=1j must be between"),
        (SCENES, {"guidance": "5"}, "guidance='5'"),
        (SCENES, {"guidance_interval": (0.1, "1")}, "guidance_interval=(0.1, '1')"),
        (SCENES, {"guidance_interval": 0.1}, "guidance_interval=0.1"),
        (None, {}, "clip '0': no caption: give one, or a timeline"),
        ([SCENES[0], b"rain"], {}, "prompt b'rain': expected a tagged string"),
        (SCENES, {"steps": 0}, "steps=0"),
        (SCENES, {"steps": 2.5}, "steps=2.5"),
        (SCENES, {"guidance": -1.0}, "guidance=-1.0"),
        (SCENES, {"guidance": float("inf")}, "guidance=inf"),
        (SCENES, {"schedule": "cosine"}, "schedule='cosine'"),
        (SCENES, {"solver": "rk4"}, "solver='rk4'"),
        (SCENES, {"view_guidance": {"caption": 2.0}}, "view_guidance='caption'"),
        (SCENES, {"view_guidance": {"sfx": -2.0}}, "view_guidance sfx=-2.0"),
        (SCENES, {"guidance_interval": (0.6, 0.2)}, "guidance_interval=(0.6, 0.2)"),
        (SCENES, {"negative": "<|noise|"}, "a tag is cut in '<|noise|'"),
        (SCENES, {"compat": "torch"}, "compat='torch'"),
    ],
)
def test_bad_arguments(pipeline, prompts, options: dict, message: str):
    with pytest.raises(ValueError) as info:
        pipeline.generate(prompts, **options)
    assert message in str(info.value) and "\n" not in str(info.value)


def test_a_broken_clip_is_named(pipeline, monkeypatch):
    original = pipeline.codec.decode_each

    def silence_second(latents, frames):
        return jnp.asarray(original(latents, frames)).at[1].set(0)

    monkeypatch.setattr(pipeline.codec, "decode_each", silence_second)
    with pytest.raises(ValueError, match="clip 'b': the audio is silent"):
        make(pipeline, SCENES, duration=0.5, ids=["a", "b"])

    sample = pipeline._sampler.sample
    monkeypatch.setattr(pipeline._sampler, "sample", lambda *a, **k: sample(*a, **k) * np.nan)
    with pytest.raises(ValueError, match="clip 'a': the sampled latents are not finite"):
        make(pipeline, SCENES, duration=0.5, ids=["a", "b"])


def test_scalars_of_numpy_and_jax(pipeline):
    options = {"steps": 2, "seed": 3, "duration": 0.5, "guidance": 2.0}
    options |= {"view_guidance": {"sfx": 3.0}, "guidance_interval": (0.0, 0.75)}
    (base,) = pipeline.generate(SCENES[1], **options)
    for real, whole in ((np.float32, np.int64), (np.array, np.array), (jnp.bfloat16, jnp.int32)):
        (same,) = pipeline.generate(
            np.str_(SCENES[1]),
            steps=whole(2),
            seed=whole(3),
            duration=real(0.5),
            guidance=real(2),
            view_guidance={"sfx": real(3)},
            guidance_interval=np.array([real(0), real(0.75)], np.float32),
        )
        np.testing.assert_array_equal(same.audio, base.audio)
    assert type(base.seed) is int
    made = SamplingOptions(np.int64(2), np.float32(2), guidance_interval=[0, np.float32(1)])
    assert json.dumps(dataclasses.asdict(made)) == json.dumps(
        dataclasses.asdict(SamplingOptions(2, 2.0))
    )
    clips = pipeline.generate(SCENES, steps=2, duration=np.array([0.4, 0.5], np.float32))
    assert [len(clip.audio) for clip in clips] == [6400, 8000]


def test_a_clip_may_be_written_to(pipeline):
    first, second = make(pipeline, SCENES, duration=0.5)
    before = second.audio.copy()
    first.audio *= 0.5
    np.testing.assert_array_equal(second.audio, before)


def test_prompts_that_are_cut_are_told(pipeline, recwarn):
    long = ag.StructuredCaption(
        "rain", speech="a man", sfx="x" * 120, env="a street", music="drums"
    )
    clips = make(pipeline, [SCENES[1], long, long], duration=0.4, view_guidance={"env": 2})
    assert [clip.lost_views for clip in clips] == [(), *[("sfx", "music", "env")] * 2]
    (message,) = [str(warning.message) for warning in recwarn]
    assert message.startswith("prompt '<|caption|> rain <|speech|> a man <|sfx|> xxx")
    assert "more than the 128 tokens" in message and message.endswith("are sfx, music, env")


def test_missing_checkpoints(tiny_checkpoint, tmp_path):
    with pytest.raises(ValueError, match="no checkpoint 'nan': expected 'nano', a folder"):
        ag.load("nan")
    with pytest.raises(ValueError, match="holds no config.json"):
        ag.load(tmp_path)
    with pytest.raises(ValueError, match="holds a 'dashengtokenizer' checkpoint"):
        ag.load(tiny_checkpoint / "tokenizer")
    shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    config = json.loads((tmp_path / "copy" / "config.json").read_text())
    config["tokenizer_name"] = "tokenizer_16k"
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config))
    (tmp_path / "copy" / "sha256.json").unlink()  # what is changed by hand has no hashes
    with pytest.raises(ValueError, match="tokenizer_name='tokenizer_16k' is no checkpoint folder"):
        ag.load(tmp_path / "copy")
