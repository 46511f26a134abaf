"""Options of sampling: the same of all commands and of the Python interface, from one class."""

import dataclasses
import inspect
import re
from typing import get_args

import pytest
import typer
from typer.exceptions import TyperException

from audiogen_jax.cli import app
from audiogen_jax.cli.options import sampling_options
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.infer.options import SamplingOptions, Schedule, Solver
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.signatures import attribute_docs


@pytest.fixture
def sampling_panel(monkeypatch, capsys):
    """Command -> option -> what `--help` shows of it, of the options of sampling."""
    monkeypatch.setenv("COLUMNS", "400")

    def show(command: str) -> dict[str, str]:
        app([command, "--help"], standalone_mode=False)
        _, panel = capsys.readouterr().out.split("─ Sampling ─")
        rows = " ".join(re.findall(r"^│ (.*?) +│$", panel, re.MULTILINE))
        options = re.findall(r"--([a-z-]+) +(.*?)(?= --|$)", rows)
        return {name.replace("-", "_"): " ".join(text.split()) for name, text in options}

    return show


@pytest.mark.parametrize("command", ["generate", "batch", "evaluate", "plan"])
def test_commands_have_the_options_of_the_class(sampling_panel, command: str):
    shown, docs = sampling_panel(command), attribute_docs(SamplingOptions)
    fields = dataclasses.fields(SamplingOptions)
    assert list(shown) == list(docs) == [field.name for field in fields]
    for field in fields:
        assert docs[field.name] in shown[field.name]
        if isinstance(field.default, int | float | str):
            assert f"[default: {field.default}]" in shown[field.name]
    assert "<" + "|".join(SOLVERS) + ">" in shown["solver"]
    assert "<" + "|".join(SCHEDULES) + ">" in shown["schedule"]
    assert "[default: 0:1]" in shown["guidance_interval"]
    assert shown == sampling_panel("generate")


def test_python_has_the_defaults_of_the_class():
    parameters = inspect.signature(Pipeline.generate).parameters
    defaults = dataclasses.asdict(SamplingOptions())
    for name, default in defaults.items():
        assert (parameters[name].default or None) == (default or None), name


def test_every_choice_is_known():
    assert get_args(Solver) == tuple(SOLVERS) and get_args(Schedule) == tuple(SCHEDULES)
    for solver in SOLVERS:
        for schedule in SCHEDULES:
            assert SamplingOptions(4, solver=solver, schedule=schedule).plan().sigmas.shape == (5,)


@pytest.fixture
def read():
    """Command line -> the options that a command gets."""

    def run(*arguments: str) -> SamplingOptions:
        app = typer.Typer()
        got: list[SamplingOptions] = []

        @app.command()
        @sampling_options
        def command(options: SamplingOptions, name: str = "") -> None:
            got.append(options)

        app([*arguments], standalone_mode=False)
        return got[0]

    return run


def test_no_options_are_the_defaults(read):
    assert read() == read("--name", "x") == SamplingOptions()


def test_options_are_read(read):
    assert read(
        *("--steps", "4", "--guidance", "2", "--solver", "unipc", "--schedule", "logistic"),
        *("--negative", "<|env|> hall <|caption|> noise", "--guidance-interval", "0.1:0.9"),
        *("--view-guidance", "speech=7", "--view-guidance", "env=1.5", "--compat", "release"),
    ) == SamplingOptions(
        steps=4,
        guidance=2.0,
        solver="unipc",
        schedule="logistic",
        negative="<|caption|> noise <|env|> hall",
        guidance_interval=(0.1, 0.9),
        view_guidance={"speech": 7.0, "env": 1.5},
        compat="release",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--view-guidance", "speech"), "--view-guidance 'speech': expected VIEW=SCALE"),
        (("--view-guidance", "asr=2"), "view_guidance='asr': expected one of"),
        (("--guidance-interval", "0.5"), "--guidance-interval '0.5': expected two numbers"),
        (("--guidance-interval", "0.5:0.2"), "guidance_interval=\\(0.5, 0.2\\) must be"),
        (("--negative", "noise <|"), "a tag is cut in 'noise <|'"),
    ],
)
def test_wrong_options_are_named(read, arguments, message: str):
    with pytest.raises(ValueError, match=message.replace("|", "[|]")):
        read(*arguments)


def test_a_choice_that_is_none_is_named(read):
    with pytest.raises(TyperException, match="'rk4'"):
        read("--solver", "rk4")
