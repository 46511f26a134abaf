import numpy as np
import pytest

from audiogen_jax.input.edits.columns import KINDS
from audiogen_jax.input.edits.instructions import _WORDINGS, drawn_instruction, instruction


def test_there_are_many_wordings_of_every_kind():
    assert _WORDINGS.keys() == set(KINDS)
    for wordings in _WORDINGS.values():
        assert len(set(wordings)) >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_wording_names_what_is_meant(kind):
    to = "some rain" if kind == "restyle" else ""
    rng = np.random.default_rng(0)
    drawn = {drawn_instruction(kind, "a dog", to, rng) for _ in range(600)}
    assert len(drawn) > 20
    for text in drawn:
        assert "dog" in text and "{" not in text and "the a " not in text
        assert kind != "restyle" or "rain" in text
    assert instruction(kind, "a dog", to) in drawn


def test_the_plain_wording():
    assert instruction("remove", "a dog barking") == "Remove a dog barking."
    assert instruction("restyle", " a dog ", "rain") == "Turn a dog into rain."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mix", "a dog"), "expected one of"),
        (("add", " "), "needs the sound"),
        (("restyle", "a dog"), "needs sound that 'a dog' becomes"),
        (("add", "a dog", "rain"), "has no sound"),
    ],
)
def test_what_cannot_be_asked_for(arguments, message):
    with pytest.raises(ValueError, match=message):
        instruction(*arguments)
