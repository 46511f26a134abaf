"""A number of Python, numpy or jax: the same settings, which hold Python's."""

import dataclasses
import inspect
import json

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ml_collections import ConfigDict

import audiogen_jax as ag
from audiogen_jax.evaluate import run
from audiogen_jax.models.language_model import Decoding
from audiogen_jax.models.prompting import Sound
from audiogen_jax.scalars import as_integer, as_number, as_python
from audiogen_jax.train.config import load_config
from audiogen_jax.train.stages import parse_config

REALS = (np.float16, np.float32, np.float64, np.array, jnp.float32, jnp.bfloat16, jnp.asarray)
WHOLES = (np.int16, np.int64, np.uint32, np.array, jnp.int32, jnp.asarray)


def unchecked(kind, *values):
    """Without the check of annotations that the tests add, which knows numbers of Python alone."""
    made = object.__new__(kind)
    inspect.unwrap(kind.__init__)(made, *values)
    return made


NUMBERS = {
    "Event": lambda real, whole: ag.Event(real(0.25), real(2), "sfx"),
    "events": lambda real, whole: ag.Event(whole(1), whole(2), "sfx"),
    "SamplingOptions": lambda real, whole: ag.SamplingOptions(
        whole(4), real(2.5), "sway", "euler", None, {"sfx": real(3)}, (real(0), real(0.75)),
        real(0.5), real(2),
    ),
    "BatchSettings": lambda real, whole: ag.BatchSettings(
        seed=whole(3), duration=real(0.5), batch_size=whole(4)
    ),
    "Delivery": lambda real, whole: ag.Delivery(
        real(-16), real(-1), whole(24000), whole(2), real(0.5)
    ),
    "Decoding": lambda real, whole: unchecked(Decoding, whole(3), real(0.5), real(0.75)),
    "Share": lambda real, whole: ag.Share(whole(1), whole(3)),
    "Sound": lambda real, whole: unchecked(Sound, np.ones(4, np.float32), whole(16000)),
    "Source": lambda real, whole: ag.Source(
        np.ones(4, np.float32), ((real(0), real(1)),), real(0.5), whole(16000)
    ),
}  # fmt: skip


def plain(settings: object) -> str:
    """The settings in JSON, which knows no other numbers; of arrays, their values."""
    return json.dumps(
        dataclasses.asdict(settings),  # type: ignore[call-overload]
        default=lambda value: value.tolist() if np.ndim(value) else repr(value),
    )


@pytest.mark.parametrize("kind", NUMBERS)
@given(st.sampled_from(REALS), st.sampled_from(WHOLES))
def test_settings_hold_numbers_of_python(kind, real, whole):
    make = NUMBERS[kind]
    assert plain(make(real, whole)) == plain(make(float, int))


@pytest.mark.parametrize(("real", "whole"), [(np.float32, np.int64), (jnp.bfloat16, jnp.asarray)])
def test_trainings_hold_numbers_of_python(real, whole):
    """In fields, pairs, unions with None, sizes of models, and in the scenes mixed live."""
    values = load_config("nano_generator:speech", ["init=nano", "text_encoder=nano"]).to_dict()

    def settings(real, whole, true):
        data = values["data"] | {
            "buckets": (real(1), whole(2)),
            "max_tokens": (whole(8), whole(16)),
            "batch_sizes": [whole(8), whole(4)],
            "manifests": (("a.jsonl", real(2)), ("b.jsonl", whole(1))),
            "scenes": values["data"]["scenes"]
            | {"weight": real(0.5), "buckets": (real(1), whole(0))},
        }
        model = {"audiogen": values["model"]["audiogen"] | {"dit_depth": whole(4), "edits": true}}
        changes = {"steps": whole(8), "ema_decay": real(0.5), "data": data, "model": model}
        return parse_config(ConfigDict(values | changes))

    assert repr(settings(real, whole, np.bool_(True))) == repr(settings(float, int, True))


REFUSED = (True, np.bool_(True), jnp.asarray(True), "1", b"1", 1j, np.complex64(1), None, [1], (),
           np.ones(1), np.ones((1, 1)), jnp.float32, np.dtype(float), {}, [1, [2]])  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_is_no_number(value):
    assert as_number(value) is None and as_integer(value) is None
    with pytest.raises(ValueError, match="start of an event"):
        ag.Event(value, 2, "sfx")
    with pytest.raises(ValueError, match="share"):
        ag.Share(value, 3)
    with pytest.raises(ValueError, match="top_p="):
        unchecked(Decoding, 3, 1.0, value)
    with pytest.raises(ValueError, match="sample_rate="):
        unchecked(Sound, np.ones(4, np.float32), value)


@given(st.floats(allow_nan=False) | st.integers())
@example(10**400)
@example(-(10**400))
def test_numbers_of_python_stay(value):
    assert as_python(value) is value
    number, infinite = as_number(value), float("inf")
    assert number == (value if abs(value) < 2**1023 else infinite if value > 0 else -infinite) or (
        number == value
    )
    assert as_integer(value) == (value if isinstance(value, int) else None)
    assert as_python(np.bool_(True)) is True and as_python("1") == "1"


def test_a_seed_of_an_evaluation_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="seed=1.5 must be an integer"):
        run.evaluate_checkpoint(
            "nano", "none.jsonl", tmp_path / "r.json", cache=tmp_path, seed=1.5  # type: ignore
        )  # fmt: skip
