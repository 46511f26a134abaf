"""Audio-Omni trained on latents and on prompts that its frozen parts have read before."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.omni_generator import load_omni
from audiogen_jax.checkpoints.registry import PROMPTS, load_generator
from audiogen_jax.cli import main
from audiogen_jax.files.content_hashes import HASHES
from audiogen_jax.infer.codec import Codec
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.manifest import read_manifest
from audiogen_jax.jobs.encode_latents import encode_dataset
from audiogen_jax.jobs.encode_prompts import PromptEncoder
from audiogen_jax.models.omni.conditioners.mel import draw_span, hide_span
from audiogen_jax.models.omni.encoded_prompts import MEL, SYNC, TRANSCRIPT
from audiogen_jax.models.omni.instructions import FILE
from audiogen_jax.models.prompting import PromptInputs, Ragged
from audiogen_jax.train.batches import host_batch, open_batches
from audiogen_jax.train.config import load_config
from audiogen_jax.train.objectives.flow_matching import FlowMatching, replaced
from audiogen_jax.train.stages import parse_config
from tests import tiny_omni
from tests.films import write_video
from tests.train.conftest import ROOT, metrics_rows

CONFIG = tiny_omni.CONFIG
SECONDS = CONFIG.sample_size / CONFIG.sample_rate
CLIPS = {  # columns of what is asked for
    "rain": {"caption": "rain"},
    "wind": {"caption": ["wind", "a gale"], "sfx": "wind"},
    "words": {"caption": "a voice", "transcript": "Hello"},
    "said": {"caption": "a voice", "speech": "calm", "asr": "Good day"},
    "heard": {"caption": "more of this", "audio": "rain.wav"},
    "seen": {"caption": "a film", "video": "film.mp4"},
    "edited": {"edit": "remove", "what": "rain", "source": "long.wav"},
    "held out": {"caption": "rain", "split": "val"},
}


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as error:
        main([str(argument) for argument in arguments])
    return int(error.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint, clips of all kinds, and their dataset."""
    folder = tmp_path_factory.mktemp("omni")
    tiny_omni.write_checkpoint(folder / "model")
    rng, rows = np.random.default_rng(0), []
    write_video(folder / "film.mp4", np.arange(5) / 25)
    lengths = {"long": 4000} | {name: 1600 + 100 * i for i, name in enumerate(CLIPS)}
    for name, length in lengths.items():
        samples = 0.1 * rng.standard_normal((length, 2))
        soundfile.write(folder / f"{name}.wav", samples, CONFIG.sample_rate, "FLOAT")
        row = {"audio_id": name, "path": f"{name}.wav", "duration": length / CONFIG.sample_rate}
        if name in CLIPS:
            rows.append(json.dumps(row | CLIPS[name]))
    (folder / "clips.jsonl").write_text("\n".join(rows))
    assert encode(folder, folder / "model", "latents") == 0
    return folder


def encode(folder, model, name) -> int:
    return run(
        *("encode-dataset", folder / "clips.jsonl", "-o", folder / name),
        *("--checkpoint", folder / "model" / "codec", "--prompts-with", model),
        *("--max-seconds", SECONDS, "--pad-seconds", SECONDS),
    )


def test_latents_are_drawn_as_the_release_does_or_are_means(folder):
    codec = Codec.load(folder / "model" / "codec")
    audio = soundfile.read(folder / "long.wav", dtype="float32")[0]
    posterior = codec.codec.posterior(codec._encoder, jnp.asarray(audio[None]))
    mean, deviation = (np.asarray(each)[0] for each in posterior)
    rows = [{"audio_id": n, "path": "long.wav", "duration": 0.5, "caption": n} for n in "ab"]
    (folder / "twice.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = {}
    for name, options in {"drawn": (), "again": (), "mean": ("--posterior", "mean")}.items():
        command = ("encode-dataset", folder / "twice.jsonl", "-o", folder / name, *options)
        assert run(*command, "--checkpoint", folder / "model" / "codec") == 0
        dataset = LatentDataset(folder / name)
        assert dataset.info.posterior == ("mean" if name == "mean" else "sample")
        made[name] = [dataset.read(i).latents.astype(np.float32) for i in range(2)]
    assert np.abs(made["mean"] - mean).max() < 0.02 * np.abs(mean).max()
    np.testing.assert_array_equal(made["drawn"], made["again"])
    scores = (np.array(made["drawn"]) - mean) / deviation
    assert 0.8 < scores.std() < 1.2 and abs(np.corrcoef(*scores.reshape(2, -1))[0, 1]) < 0.3


def test_of_several_phrasings_the_first_is_read_and_said_to_be(folder):
    with pytest.warns(UserWarning, match="1 of 8 clips have several phrasings"):
        done = encode_dataset(
            [folder / "clips.jsonl"],
            folder / "latents",
            checkpoint=folder / "model" / "codec",
            prompts_with=folder / "model",
            max_seconds=SECONDS,
            pad_seconds=SECONDS,
        )
    assert done.made == 0  # all are there already


def test_what_reads_prompts_may_be_cut_over_devices(folder):
    """What is stored of a prompt is the same, and no device holds the thinker."""
    _, record, *_ = read_manifest(folder / "clips.jsonl")
    audio = soundfile.read(record.path, dtype="float32")[0]
    stored = []
    for sharding in ("dp", "fsdp"):
        encoder = PromptEncoder.load(folder / "model", np.float32, sharding)
        prompts = encoder.read(record, folder, audio, CONFIG.sample_rate)
        stored.append(encoder.arrays(encoder.submit(prompts)))
    assert stored[0].keys() == stored[1].keys()
    for name, array in stored[0].items():
        expected = array.astype(np.float32)
        error = np.abs(stored[1][name].astype(np.float32) - expected).max()
        assert error <= 2**-8 * np.abs(expected).max()
    leaves = jax.tree.leaves(encoder._params)
    on_first = sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves)
    assert on_first < 0.3 * sum(leaf.nbytes for leaf in leaves)


def overrides(folder, model="model") -> list[str]:
    return [
        f"data.datasets=(({str(folder / 'latents')!r}, 1.0),)",
        f"data.buckets=({SECONDS},)",
        "data.batch_sizes=(8,)",
        f"tokenizer={folder / 'model' / 'codec'}",
        f"text_encoder={folder / model}",
    ]


def settings(folder, *changes, **sizes):
    config = load_config(f"{ROOT}/configs/omni.py:smoke", [*overrides(folder), *changes])
    with config.unlocked():
        config.model.omni = dataclasses.asdict(CONFIG) | sizes
    return config


@pytest.fixture(scope="module")
def objective(folder):
    config = parse_config(settings(folder))
    return FlowMatching(config, config.make_generator())


@pytest.fixture(scope="module")
def batch(objective):
    arrays = host_batch(next(open_batches(objective.config.data, "train", 0)))
    return arrays.clip_ids, arrays.arrays


@pytest.fixture(scope="module")
def losses_of(objective):
    return jax.jit(objective._losses)


def test_what_is_stored_is_what_the_model_conditions_on(folder):
    """The condition of stored arrays is that of the inputs, but for the rounding of the arrays."""
    dataset = LatentDataset(folder / "latents")
    records = {record.audio_id: record for record in map(dataset.read, range(len(dataset)))}
    assert all(len(record.latents) == CONFIG.window for record in records.values())
    has = {name: {*record.prompt} - {"features"} for name, record in records.items()}
    assert has == {
        **{name: set() for name in ("rain", "wind", "heard", "held out")},
        **{name: {TRANSCRIPT, MEL} for name in ("words", "said")},
        "seen": {SYNC},
        "edited": {MEL},
    }
    loaded = load_generator(
        folder / "model",
        dtype=np.float32,
        param_dtype=np.float32,
        put=jax.device_put,
        for_sampling=False,
    )
    generator, reader = loaded.generator, loaded.reader
    condition = jax.jit(generator.condition)
    for name, inputs in (
        ("rain", PromptInputs(caption=StructuredCaption("rain"))),
        ("seen", PromptInputs(caption=StructuredCaption("a film"), video=folder / "film.mp4")),
    ):
        expected = condition(loaded.params, reader.read(inputs).prompts)
        arrays = {
            key: Ragged(value[None], np.array([len(value)]))
            for key, value in records[name].prompt.items()
        }
        found = condition(loaded.params, generator.stored_prompts(arrays))
        count = len(records[name].prompt["features"])
        tokens = np.asarray(expected.context)[:, :count]
        assert np.abs(np.asarray(found.context)[:, :count] - tokens).max() < 0.03
        assert np.abs(np.asarray(found.prefix) - np.asarray(expected.prefix)).max() < 0.03
        assert np.asarray(found.context_mask).sum() == np.asarray(expected.context_mask).sum()


def test_the_loss_is_that_of_the_equations(objective, batch, losses_of):
    """x = (1 - t) z + t e, target e - z, mean of squares; masks and drops by hand, in numpy."""
    (_, arrays), generator = batch, objective.generator
    template = jax.eval_shape(generator.init, jax.random.key(0))
    params = tiny_omni.random_like(template, 5)
    keys = jax.random.split(jax.random.key(1), 3)
    arrays = arrays._replace(drop_condition=np.arange(8) % 4 == 1)
    clips = objective._examples(jax.tree.map(jnp.asarray, arrays), keys[0], keys[1])
    frames = jnp.sum(jnp.asarray(arrays.lengths))
    losses = losses_of(params, {}, clips, keys[2], frames)

    data = np.asarray(arrays.latents, np.float64)
    noise, time = np.asarray(clips.noise, np.float64), np.asarray(clips.sigma, np.float64)
    x = (1 - time)[:, None, None] * data + time[:, None, None] * noise
    prompts = clips.prompts
    mel, spoken = np.array(prompts.mel), np.asarray(prompts.has_transcript)
    starts, shares = draw_span(keys[2], mel.shape[1], len(mel), (0.7, 1.0))
    for row in np.flatnonzero(spoken):
        first, count = int(starts[row]), int(np.floor(mel.shape[1] * float(shares[row])))
        mel[row, first : first + count] = 0
    assert spoken.any() and not spoken.all()

    @jax.jit
    def velocity_of(network, x, mel, drop):
        def call(method, *arguments):
            return generator._network.apply({"params": network}, *arguments, method=method)

        said = prompts.transcript, prompts.has_transcript
        context, mask = call("context", *prompts.features, *said)
        context = context * ~drop[:, None, None]
        return call(
            "velocity", x, clips.sigma, context, mask, call("prefix", prompts.sync, mel), None
        )

    velocity = velocity_of(
        params["omni"], jnp.asarray(x, jnp.float32), jnp.asarray(mel), arrays.drop_condition
    )
    expected = np.mean(np.square(np.asarray(velocity, np.float64) - (noise - data)))
    np.testing.assert_allclose(float(losses["loss"]), expected, rtol=1e-5)


def test_a_halved_start(objective, batch, losses_of):
    """With branches of zeros v = x W_in W_out, at a quarter here; the loss in closed form."""
    (_, arrays), generator = batch, objective.generator
    halved = dataclasses.replace(generator, halved_init=True)
    half = jax.jit(halved.init)(jax.random.key(3))["omni"]
    assert float(half["dit"]["blocks"]["attention_norm"]["scale"].min()) == 0.5
    assert float(half["sync"]["norm"]["scale"].min()) == 1
    leaves = half["dit"]["blocks"]["attention"]
    assert not np.asarray(leaves["out"]["kernel"]).any()
    assert np.asarray(leaves["query"]["kernel"]).any()
    keys = jax.random.split(jax.random.key(1), 3)
    clips = objective._examples(jax.tree.map(jnp.asarray, arrays), keys[0], keys[1])
    frames = jnp.sum(jnp.asarray(arrays.lengths))
    loss = losses_of({"omni": half}, {}, clips, keys[2], frames)["loss"]
    data, noise = np.asarray(arrays.latents, np.float64), np.asarray(clips.noise, np.float64)
    time = np.asarray(clips.sigma, np.float64)[:, None, None]
    w_in, w_out = (np.asarray(half["dit"][f"project_{n}"]["kernel"]) for n in ("in", "out"))
    velocity = ((1 - time) * data + time * noise) @ w_in @ w_out
    np.testing.assert_allclose(float(loss), np.mean((velocity - noise + data) ** 2), rtol=1e-4)


def test_what_is_hidden_of_a_voice():
    """Shares are even between both ends, spans lie anywhere; without a key the end is hidden."""
    for least, most in ((0.7, 1.0), (0.2, 0.75)):
        drawn = draw_span(jax.random.key(0), 1723, 4000, (least, most))
        hidden = np.asarray(hide_span(jnp.ones((500, 1723, 1)), *(each[:500] for each in drawn)))
        starts, shares = map(np.asarray, drawn)
        assert shares.min() >= least and shares.max() <= most
        assert abs(shares.mean() - (least + most) / 2) < 0.01
        rates = 1 - hidden.mean(axis=(1, 2))
        np.testing.assert_allclose(rates, np.floor(1723 * shares[:500]) / 1723, atol=1e-6)
        room = 1723 - np.floor(1723 * shares)
        assert abs((starts / np.maximum(room, 1)).mean() - 0.5) < 0.02
    starts, shares = draw_span(None, 100, 2, (0.7, 1.0))
    assert np.asarray(hide_span(jnp.ones((2, 100, 1)), starts, shares)).sum(axis=1).tolist() == [
        [15],
        [15],
    ]


def test_only_voices_are_hidden(objective, batch):
    (ids, arrays), generator = batch, objective.generator
    params = tiny_omni.random_like(jax.eval_shape(generator.init, jax.random.key(0)), 5)
    prompts = generator.stored_prompts(jax.tree.map(jnp.asarray, arrays.prompts))
    condition = jax.jit(lambda key: generator.condition(params, prompts, dropout_key=key))
    first, second = (np.asarray(condition(jax.random.key(i)).prefix) for i in range(2))
    changed = {name for name, a, b in zip(ids, first, second, strict=True) if (a != b).any()}
    assert changed == {"words", "said"} & {*ids} and changed
    condition = condition(jax.random.key(0))
    without = generator.unconditional(condition)
    dropped = replaced(condition, without, jnp.ones(8, bool))
    assert not np.asarray(dropped.context).any()
    np.testing.assert_array_equal(dropped.prefix, condition.prefix)


def test_full_size():
    """Every parameter of the release but one that it never uses."""
    config = parse_config(load_config(f"{ROOT}/configs/omni.py"))
    objective = FlowMatching(config, config.make_generator())
    state = jax.eval_shape(objective.init_state, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(state.params)) == 3_046_958_416 - 236 * 768
    assert config.make_generator().config.mask_ratio_start == 0.7
    paper = parse_config(load_config(f"{ROOT}/configs/omni.py:paper")).make_generator().config
    assert (paper.mask_ratio_start, paper.mask_ratio_end) == (0.2, 0.75)


def test_another_key_is_refused(folder, tmp_path, capfd):
    other = tmp_path / "other"
    tiny_omni.write_checkpoint(other)
    text = {"sound": {"system": "Be loud", "user": "{text}"}}
    keys = [PROMPTS["audio_omni"].sha256(CheckpointFolder(other))]
    assert keys[0] == PROMPTS["audio_omni"].sha256(CheckpointFolder(folder / "model"))
    (other / FILE).write_text(json.dumps(text))
    keys.append(PROMPTS["audio_omni"].sha256(CheckpointFolder(other)))
    assert keys[1] != keys[0]
    (other / HASHES).unlink()
    values = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(values | {"n_mels": 16}))
    assert PROMPTS["audio_omni"].sha256(CheckpointFolder(other)) not in keys
    (other / "config.json").write_text(json.dumps(values))
    config = settings(folder, f"text_encoder={other}")
    objective = FlowMatching.load(parse_config(config), lambda: ())
    with pytest.raises(
        ValueError, match=r"prompts that were read by .*, expected .*another thinker"
    ):
        open_batches(objective.config.data, "train", 0, prompts_sha256=objective.facts["prompts"])
    assert encode(folder, other, "latents") == 2
    assert "prompts was " in capfd.readouterr().err


def test_datasets_and_models_without_prompts_say_so(folder, tmp_path):
    with pytest.raises(ValueError, match="reads texts, set it to False"):
        config = load_config(f"{ROOT}/configs/xl.py:smoke", ["data.encoded_prompts=True"])
        with config.unlocked():
            config.data.text_tokenizer = None
        parse_config(config).make_generator()
    with pytest.raises(ValueError, match="text_encoder is not set"):
        parse_config(settings(folder, "text_encoder="))
    bare = [*("encode-dataset", folder / "clips.jsonl", "-o", tmp_path / "bare")]
    assert run(*bare, "--checkpoint", folder / "model" / "codec") == 0
    data = f"data.datasets=(({str(tmp_path / 'bare')!r}, 1.0),)"
    with pytest.raises(ValueError, match="holds no prompts: encode its audio again"):
        open_batches(parse_config(settings(folder, data)).data, "train", 0)


def test_training(folder, tmp_path, capfd):
    """Two steps from the command line; the export reads prompts."""
    (tmp_path / "omni_tiny.py").write_text(
        "from audiogen_jax.train.config import load_config\n"
        "def get_config(arg):\n"
        f"    config = load_config({f'{ROOT}/configs/omni.py:smoke'!r})\n"
        "    with config.unlocked():\n"
        f"        config.model.omni = {dataclasses.asdict(CONFIG)!r}\n"
        "    return config\n"
    )
    sets = [part for text in overrides(folder) for part in ("--set", text)]
    config = tmp_path / "omni_tiny.py"
    arguments = ["train", "--config", config, *sets, "--set", "model.halved_init=True"]
    code = run(*arguments, "--workdir", tmp_path / "run")
    assert code == 0, capfd.readouterr().err
    rows = metrics_rows(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2]
    assert all(np.isfinite(row["loss"]) for row in rows) and "val_loss" in rows[-1]
    export = tmp_path / "run" / "export"
    config, params = load_omni(CheckpointFolder(export))
    assert config == dataclasses.replace(CONFIG, thinker="thinker")
    assert PROMPTS["audio_omni"].sha256(CheckpointFolder(export)) == PROMPTS["audio_omni"].sha256(
        CheckpointFolder(folder / "model")
    )
    loaded = load_generator(
        export, dtype=np.float32, param_dtype=np.float32, put=np.asarray, for_sampling=True
    )
    assert loaded.reader is not None and loaded.reader.see is not None


@pytest.mark.slow
def test_fine_tuning(folder, tmp_path, capfd):
    """Sizes, codec and prompts are those of the model to go on from."""
    model = folder / "model"
    arguments = ["train", "--config", "omni:finetune", "--set", "steps=1", "--set", f"init={model}"]
    for text in (*overrides(folder)[:3], "optimizer.warmup_steps=0", "dtype=float32"):
        arguments += ["--set", text]
    assert run(*arguments, "--workdir", tmp_path) == 0, capfd.readouterr().err
    (row,) = metrics_rows(tmp_path)
    assert np.isfinite(row["loss"])
