"""The demo's scene: the prompt of the Makefile, one seed after another."""

import dataclasses
import shlex
from pathlib import Path

import numpy as np

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS, Task
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites import demo_scene
from audiogen_jax.evaluate.suites.demo_scene import EXPECTED, PROMPT, SECONDS, DemoScene
from tests.evaluate.suites.test_real_mixtures import recording, said
from tests.evaluate.suites.test_timing import Late


def test_the_prompt_is_that_of_the_makefile():
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    demo = makefile.partition("demo: ")[2].partition("@echo")[0].replace("\\\n", " ")
    words = shlex.split(demo.partition("generate")[2])
    options = dict(zip(words[::2], words[1::2], strict=False))
    views = {view: text for view, text in vars(PROMPT).items() if text}
    assert views == {view: options[f"--{view}"] for view in views}
    assert float(options["--duration"]) == SECONDS and int(options["--seed"]) == 0


@dataclasses.dataclass
class Seeded(Late):
    """Generates clips that hold their seed."""

    def generate(self, prompts, *, seed, ids, duration, **options):
        assert list(prompts) == [PROMPT] and ids == ["0"] and duration == SECONDS
        return [dataclasses.make_dataclass("Clip", ["audio"])(np.full(100, float(seed)))]


def test_shares(monkeypatch):
    heard = []

    def shares_heard(expected, clips, listeners, sample_rate):
        assert expected == [EXPECTED] * 3 and listeners.passing
        heard.append(clips)
        return {"all": share_of(len(heard), 3)}

    tasks = (Task("digits", DIGITS), Task("sounds", SOUNDS))
    monkeypatch.setattr(demo_scene, "tasks_of", lambda training: tasks)
    monkeypatch.setattr(demo_scene, "cached_judge", lambda *arguments: None)
    monkeypatch.setattr(demo_scene, "shares_heard", shares_heard)
    monkeypatch.setattr(demo_scene, "heard_in", lambda clip, *others: f"{clip[0]:g}")
    monkeypatch.setattr(demo_scene, "chances", lambda *arguments: {"all": 0.01})
    recordings = [
        said("seven", "val"),
        recording("dog", "val", 5.0, {"caption": ("dog",), "sfx": ("a dog",)}),
        recording("rain", "val", 5.0, {"caption": ("rain",), "env": ("rain",)}),
    ]
    model = Model(Seeded(), Seeded())  # type: ignore[arg-type]
    measurement = DemoScene(seeds=3).run(model, recordings, Context(Path(), seed=7, examples=2))
    assert [each.verdict for each in measurement.examples] == ["7", "9"]
    assert measurement.examples[1].title == "seed 9"
    assert [*measurement.examples[0].clips] == ["generated", "real"]
    generated, real, rebuilt = heard
    assert [clip[0] for clip in generated] == measurement.protocol["seeds"] == [7, 8, 9]
    assert all(len(clip) == 5 * 16000 for clip in real)
    assert not np.array_equal(real[0], real[1])
    np.testing.assert_array_equal(real, rebuilt)
    assert measurement.results["generated_to_real"] == {"all": 0.5}
    assert not DemoScene().run(model, recordings[1:], Context(Path())).results
