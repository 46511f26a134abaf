"""A generator with files beside it that make others of it: for few steps, and for edits."""

import json
import shutil

import jax
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.checkpoints.adapters import Adapters, save_adapters
from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.evaluate.suite import Model
from audiogen_jax.infer.options import FEW, SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch
from audiogen_jax.models import lora
from audiogen_jax.models.parameter_trees import leaves_beyond
from tests.benchmarks import few_steps
from tests.benchmarks.sampling import calls, rows_of

RAIN = "<|caption|> rain"
SAMPLING = dict(duration=0.3, seed=1)


@pytest.fixture(scope="module")
def folder(tiny_checkpoint, tmp_path_factory):
    """The tiny generator with adapters of both forms that change its velocity."""
    folder = tmp_path_factory.mktemp("forms") / "model"
    shutil.copytree(tiny_checkpoint, folder)
    generator = ag.load(folder).generator
    base, few, editor = (
        jax.eval_shape(each.init, jax.random.key(0))["audiogen"]
        for each in (generator, generator.as_distilled("flow_map"), generator.as_editor())
    )
    rng = np.random.default_rng(0)

    def draw(tree):
        return jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), tree)

    matrices = draw(jax.eval_shape(lambda: lora.init_adapters(jax.random.key(0), base, 2)))
    for name, whole, form in (
        ("few_steps", few, "flow_map"),
        ("editor", editor, "edits"),
    ):
        added = draw(leaves_beyond(whole, base))
        save_adapters(folder / f"{name}.safetensors", Adapters(matrices, 1.0, added, form))
    return folder


@pytest.fixture(scope="module")
def pipeline(folder):
    return ag.load(folder)


def test_few_steps_are_taken_by_the_form_for_them(pipeline, tiny_checkpoint):
    plain = ag.load(tiny_checkpoint)
    for options, few in (
        (SamplingOptions(steps=4), True),
        (SamplingOptions(steps=2, guidance=3.0), True),
        (SamplingOptions(steps=3), False),
        (SamplingOptions(steps=4, solver="ab2"), False),
        (SamplingOptions(steps=4, negative=RAIN), False),
        (SamplingOptions(steps=8, compat="release"), False),
    ):
        chosen = pipeline.for_options(options)
        assert (chosen.generator.distilled == "flow_map") is few
        assert (chosen is pipeline) is not few
        assert plain.for_options(options) is plain
    (few,) = pipeline.generate(RAIN, steps=4, **SAMPLING)
    (same,) = pipeline.for_options(SamplingOptions(steps=4)).generate(RAIN, steps=4, **SAMPLING)
    np.testing.assert_array_equal(few.audio, same.audio)
    (many,), (usual,) = (
        each.generate(RAIN, steps=4, solver="ab2", **SAMPLING) for each in (pipeline, plain)
    )
    np.testing.assert_array_equal(many.audio, usual.audio)
    assert np.abs(few.audio - many.audio).max() > 1e-3


def test_the_generator_itself_says_how_long_clips_of_its_form_are(pipeline):
    prompts = [RAIN, "<|caption|> a man talks for a long time <|asr|> one two three four five"]

    def lengths(by, **options):
        return [len(clip.audio) for clip in by.generate(prompts, steps=4, seed=1, **options)]

    form = pipeline.for_options(SamplingOptions(steps=4))
    assert lengths(pipeline) == lengths(form) == lengths(pipeline, solver="ab2")
    assert lengths(Pipeline(form.loaded)) != lengths(form)  # its adapters shift what it predicts


def test_nobody_says_how_many_steps(pipeline, tiny_checkpoint, tmp_path):
    plain, usual = ag.load(tiny_checkpoint), SamplingOptions()
    assert (pipeline.settled(usual).steps, plain.settled(usual).steps) == (8, 25)
    assert pipeline.settled(usual, from_source=True).steps == 25
    assert pipeline.settled(SamplingOptions(solver="ab2")).steps == 25
    assert pipeline.settled(SamplingOptions(steps=3)).steps == 3
    for by, steps in ((pipeline, 8), (plain, 25)):
        (clip,), (same,) = by.generate(RAIN, **SAMPLING), by.generate(RAIN, steps=steps, **SAMPLING)
        np.testing.assert_array_equal(clip.audio, same.audio)
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"audio_id": "a", "caption": "rain"}))
    folder = pipeline.loaded.folders[0]
    settings = BatchSettings(duration=0.3)
    run_batch(tmp_path / "prompts.jsonl", tmp_path / "clips", settings, checkpoint=folder)
    assert json.loads((tmp_path / "clips" / "job.json").read_text())["steps"] == 8


def test_a_report_says_that_a_student_sampled(pipeline, tiny_checkpoint):
    few, many = SamplingOptions(steps=4), SamplingOptions(steps=4, solver="ab2")
    model, plain = (Model(each.codec, each) for each in (pipeline, ag.load(tiny_checkpoint)))
    assert model.form(few) == "few_steps.safetensors"
    assert model.form(many) is plain.form(few) is Model(pipeline.codec).form(few) is None


def test_the_benchmark_of_sampling_has_a_row_for_each(pipeline, tiny_checkpoint):
    rows = {row.name: calls(pipeline, row.options) for row in rows_of(pipeline)}
    assert [rows[f"student {steps}"] for steps in FEW] == [*FEW]
    assert (rows["unipc 12"], rows["guidance 1"], rows["guidance of sfx 8"]) == (24, 25, 75)
    plain = {row.name for row in rows_of(ag.load(tiny_checkpoint))}
    assert {*rows} - plain == {f"student {steps}" for steps in FEW}


def test_few_steps_are_timed_beside_many(pipeline, tiny_checkpoint):
    rows = few_steps.measure(pipeline, 1, 1, 0.3)
    assert [row["calls"] for row in rows.values()] == [50, 8, 4, 8]
    assert rows["euler 25"]["ratio"] == 1
    with pytest.raises(ValueError, match="has no form of few steps"):
        few_steps.measure(ag.load(tiny_checkpoint), 1, 1)


def test_a_batch_takes_few_steps_too(folder, pipeline, tmp_path):
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"audio_id": "0", "caption": RAIN}))
    options = SamplingOptions(steps=4)
    settings = BatchSettings(seed=1, duration=0.3, options=options, suffix=".flac")
    run_batch(tmp_path / "prompts.jsonl", tmp_path / "clips", settings, checkpoint=folder)
    (few,) = pipeline.generate(RAIN, steps=4, **SAMPLING)
    import soundfile

    made, _ = soundfile.read(tmp_path / "clips" / "0.flac", dtype="float32")
    np.testing.assert_allclose(made, few.audio, atol=1e-4)


def test_edits_are_made_by_the_form_for_them(pipeline, tiny_checkpoint):
    """As `tests/data/test_pack_form.py` hears."""
    editor = pipeline.stem_editor
    assert pipeline.edits and editor is not None
    assert editor.sampler.generator.edits and not pipeline.generator.edits
    plain = ag.load(tiny_checkpoint)
    assert not plain.edits
    with pytest.raises(ValueError, match="edits nothing by instruction"):
        plain.edit("extract", np.zeros(4800, np.float32), 16000, what="rain")


def test_copies_keep_the_forms(folder, tmp_path):
    convert_checkpoint(folder, tmp_path / "copy")
    for name in ("few_steps.safetensors", "editor.safetensors"):
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()
    with pytest.raises(ValueError, match="form 'edits': give the export of their training"):
        convert_checkpoint(folder, tmp_path / "b", adapters=folder / "editor.safetensors")


def test_files_that_do_not_fit(folder, tiny_checkpoint, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, model, ignore=shutil.ignore_patterns("sha256.json"))
    target = model / "few_steps.safetensors"
    shutil.copyfile(folder / "editor.safetensors", target)
    few = SamplingOptions(steps=4)
    with pytest.raises(ValueError, match="of form 'edits', expected one of"):
        ag.load(model).for_options(few)
    target.unlink()
    save_adapters(target, Adapters({}, 1.0, {}, "flow_map"))
    with pytest.raises(ValueError, match="guidance_embed/fc1/bias' is None, expected"):
        ag.load(model).for_options(few)
    ones = np.ones((2, 2), np.float32)
    wrong = {"dit/mid_block/mlp/proj_in/kernel": {"lora_a": ones, "lora_b": ones}}
    target.unlink()
    save_adapters(target, Adapters(wrong, 1.0, {}, "flow_map"))
    with pytest.raises(ValueError, match="few_steps.safetensors: adapters of"):
        ag.load(model).for_options(few)
