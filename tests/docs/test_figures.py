"""Figures of the documents stand, rounded, in a committed result that their section names."""

import json
import re
from collections.abc import Collection, Iterator

import pytest
from safetensors import safe_open

from tests.docs.test_documents import ROOT

PAGES = ("README.md", *(f"docs/{n}.md" for n in ("numbers", "evaluation", "editing", "sampling")))
FOLDERS = (ROOT, ROOT / "tests" / "benchmarks")
RESULT = re.compile(r"\bresults/[\w-]+\.json")
SCALES = {
    "%": 100, "of 100": 100, "ms": 1e3, "GB": 1e-9, "GiB": 2**-30, "TFLOP": 1e-12,
    "TFLOP/s": 1e-12, "M": 1e-6, "million": 1e-6,
}  # fmt: skip
"""Unit -> how many of it one of the results is, where those are in units without a prefix."""
UNITS = (*SCALES, "dB", "s", "times", "clips/s", "pairs/s", "core-hours")
NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|https?://\S+|arXiv:[\d., ]+", re.DOTALL)
FIGURE = re.compile(
    rf"(?<![\w.:/^-])(-?\d+(?:\.\d+)?)(?: ?({'|'.join(map(re.escape, UNITS))})(?![\w/]))?(?!\w)"
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
SETTINGS = {
    "README.md": {
        "4.0": "of a licence",
        "29.4 million": "counted below",
    },
    "docs/numbers.md": {
        "0.1": "a version",
        "0.2": "a version",
        "2.13": "a version of PyTorch",
        "10 s": "length of a clip",
        "5 s": "length of a clip",
        "40 %": "a case that is calculated",
        "3.05": "billions of parameters, as published",
    },
    "docs/evaluation.md": {
        "0.2 s": "a tolerance",
        "2 s": "a window",
        "1.6 s": "a window",
        "0.96 s": "a window",
        "30 s": "a window",
        "10 s": "length of a clip",
        "0.2": "a version of torchvggish",
        "95 %": "of intervals and thresholds",
        "1 %": "a tolerance; chance of two times ten classes",
        "3 s": "what DNSMOS takes, a round number",
        "2.0": "of a licence",
        "3 dB": "level of a mixture",
        "9 dB": "level of a mixture",
        "20 dB": "level of a mixture",
        "80 %": "a goal",
        "70 %": "a goal",
        "0.85": "a goal",
        "0.1": "a version",
        "85 %": "a threshold of the text",
        "10 %": "chance of ten classes",
    },
    "docs/editing.md": {
        "40 dB": "a threshold",
        "3 dB": "level of a mixture",
        "0.8": "a factor of speed",
        "1.2 times": "a factor of speed",
        "0.3": "a threshold",
        "10 s": "length of a clip",
        "5 %": "of rows",
    },
    "docs/sampling.md": {"20 ms": "of a crossfade", "40 ms": "length of a frame"},
}
"""What looks like a figure and was not measured."""


def sections(text: str) -> Iterator[str]:
    """Each heading with what stands under it."""
    return (part for part in re.split(r"(?m)^(?=#{1,6} )", text) if part.strip())


def figures(section: str) -> list[tuple[str, str]]:
    """Numbers with a unit or with decimals, and their units, in prose and tables."""
    prose = NOT_PROSE.sub(" ", section)
    return [(n, unit) for n, unit in FIGURE.findall(prose) if unit or "." in n]


def units(section: str) -> set[str]:
    """Those that a section names, such as in the head of a table whose cells have none."""
    return {unit for unit in SCALES if re.search(rf"(?<!\w){re.escape(unit)}(?![\w/])", section)}


def numbers(value: object) -> Iterator[float]:
    """All that a result holds, in its names and texts too."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from numbers(name)
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, str):
        yield from map(float, NUMBER.findall(value))
    elif isinstance(value, int | float):
        yield float(value)


def committed(section: str) -> list[float]:
    """The numbers of all results that a section names."""
    found = []
    for name in dict.fromkeys(RESULT.findall(section)):
        (path,) = (folder / name for folder in FOLDERS if (folder / name).is_file())
        found += numbers(json.loads(path.read_text()))
    return found


def stands_in(figure: str, units: Collection[str], results: list[float]) -> bool:
    """Whether a result rounds to a figure, in one of the units or in units without a prefix."""
    value, _, decimals = figure.partition(".")
    step = 10.0 ** -len(decimals)
    if not decimals and "%" not in units and len(value) > 2:  # 2600 of 2630
        step = 10.0 ** min(len(value) - len(value.rstrip("0")), len(value) - 2)
    half = step / 2 * (1 + 1e-9)
    scales = {1.0, *(SCALES.get(unit, 1.0) for unit in units)}
    return any(abs(x * scale - float(figure)) <= half for x in results for scale in scales)


@pytest.mark.parametrize("page", PAGES)
def test_figures_are_committed(page: str):
    missing = []
    for section in sections((ROOT / page).read_text()):
        results = committed(section)
        missing += [
            f"{section.splitlines()[0]}: {figure}"
            for number, unit in figures(section)
            if (figure := f"{number} {unit}".strip()) not in SETTINGS[page]
            and not stands_in(number, [unit] if unit else units(section), results)
        ]
    assert not missing, f"name a committed result in the section, or explain in SETTINGS: {missing}"


def test_parameters_of_nano():
    count = 0
    for path in (ROOT / "audiogen_jax" / "nano").rglob("*.safetensors"):
        with safe_open(path, "numpy") as file:
            for name in file.keys():
                size = 1
                for length in file.get_slice(name).get_shape():
                    size *= length
                count += size
    assert f"{count / 1e6:.1f} million parameters" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("figure", "unit", "result", "stands"),
    [
        ("0.98", "", 0.9849, True),
        ("0.98", "", 0.9851, False),
        ("94", "%", 0.94, True),
        ("94", "%", 0.9451, False),
        ("100", "%", 0.96, False),
        ("2600", "clips/s", 2630.1, True),
        ("2600", "clips/s", 2651.0, False),
        ("-23", "dB", -23.4, True),
        ("23", "dB", -23.4, False),
        ("154", "ms", 0.1538, True),
        ("45.7", "GB", 45732787200, True),
    ],
)
def test_rounding(figure: str, unit: str, result: float, stands: bool):
    assert stands_in(figure, [unit], [result]) == stands


def test_the_reader_sees():
    text = "# A\n`1.5`\n```\n2.5 s\n```\n[3.5](4.5) takes 5.5 s, 7 of 9.\n## B\n| -6.25 | 8 % |\n"
    assert [figures(each) for each in sections(text)] == [
        [("3.5", ""), ("5.5", "s")],
        [("-6.25", ""), ("8", "%")],
    ]
    assert committed("no result") == []
    assert 0.4618236108486675 in committed("`results/omni.json`")
    with pytest.raises(ValueError, match="not enough values"):
        committed("[this](tests/benchmarks/results/absent.json)")
