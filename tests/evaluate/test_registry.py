"""Suites by name, with their settings."""

import pytest

from audiogen_jax.evaluate.registry import SUITES, select
from audiogen_jax.evaluate.suites.demo_scene import DemoScene
from audiogen_jax.evaluate.suites.editing import Editing
from audiogen_jax.evaluate.suites.enhancement import Enhancement
from audiogen_jax.evaluate.suites.free_worded import FreeWorded
from audiogen_jax.evaluate.suites.nano_classes import NanoClasses
from audiogen_jax.evaluate.suites.nano_mixtures import NanoMixtures
from audiogen_jax.evaluate.suites.reconstruction import Reconstruction
from audiogen_jax.evaluate.suites.timing import Timing
from audiogen_jax.evaluate.suites.understanding import Understanding


def test_all_in_the_order_of_the_report_and_by_name():
    suites = [
        Reconstruction(),
        NanoClasses(),
        NanoMixtures(),
        FreeWorded(),
        Timing(),
        DemoScene(),
        Editing(),
        Enhancement(),
        Understanding(),
    ]
    assert select() == list(SUITES.values()) == suites
    assert [suite.name for suite in select(["mixtures", "reconstruction"])] == [
        "reconstruction",
        "mixtures",
    ]


def test_each_suite_takes_the_settings_that_it_has():
    assert select(["generation", "mixtures"], per_class=3, pairs=4, per_group=5) == [
        NanoClasses(per_class=3),
        NanoMixtures(pairs=4),
    ]
    assert NanoClasses().per_class == 10


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (["speed"], {}, "expected some of"),
        ([], {"clips": 3}, "clips"),
        ([], {"per_group": 0}, "per_group=0 must be at least 1"),
        ([], {"per_class": 0}, "per_class=0 must be at least 1"),
        ([], {"pairs": 0}, "pairs=0 must be at least 1"),
        ([], {"timed": 0}, "timed=0 must be at least 1"),
        ([], {"seeds": 0}, "seeds=0 must be at least 1"),
        ([], {"head_seeds": 0}, "head_seeds=0 must be at least 1"),
        ([], {"mode": "fast"}, "mode='fast': expected one of"),
        ([], {"xares": "absent"}, "xares='absent': no such file or folder"),
    ],
)
def test_refusals(names, settings, message):
    with pytest.raises(ValueError, match=message):
        select(names, **settings)
