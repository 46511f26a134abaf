from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.scenes.library import SceneLibrary, role_of


def clip(name: str, seconds: float, label: str | None = None, speaker: str | None = None, **views):
    views = {view: (text,) for view, text in views.items()}
    return AudioRecord(name, Path(name), seconds, views, "train", 1, None, label, speaker)


def test_labels_are_drawn_evenly_and_manifests_by_weight():
    many = [clip(f"dog-{i}", 1.0, "dog", sfx="a dog") for i in range(50)]
    few = [clip("bell", 1.0, "bell", sfx="a bell")]
    other = [clip("door", 1.0, "door", sfx="a door")]
    library = SceneLibrary([(many + few, 3.0), (other, 1.0)])
    rng = np.random.default_rng(0)
    counts = Counter(library.draw("sfx", rng).label for _ in range(1000))
    assert counts["dog"] == pytest.approx(375, abs=50)
    assert counts["bell"] == pytest.approx(375, abs=50)
    assert counts["door"] == pytest.approx(250, abs=50)


def test_without_labels_clips_are_drawn_evenly():
    library = SceneLibrary([([clip(str(i), 1.0, sfx="x") for i in range(4)], 1.0)])
    rng = np.random.default_rng(0)
    counts = Counter(library.draw("sfx", rng).audio_id for _ in range(400))
    assert len(counts) == 4 and min(counts.values()) > 70


def test_nothing_longer_than_asked():
    clips = [clip(f"{i}", i / 10, f"label {i % 3}", asr="a", speech="b") for i in range(1, 30)]
    library = SceneLibrary([(clips, 1.0)])
    rng = np.random.default_rng(0)
    drawn = {library.draw("speech", rng, 0.55).duration for _ in range(200)}
    assert drawn == {0.1, 0.2, 0.3, 0.4, 0.5}
    with pytest.raises(ValueError, match="no speech clip of at most 0.05 s"):
        library.draw("speech", rng, 0.05)
    assert library.roles(0.05) == () and library.roles() == ("speech",)


def test_roles():
    assert role_of(clip("a", 1.0, sfx="x", music="y")) == "sfx"
    assert role_of(clip("a", 1.0, speech="a voice", asr="hello", env="street")) == "speech"
    assert role_of(clip("a", 1.0, speech="a voice")) is None  # what is said is not known
    assert role_of(clip("a", 1.0, caption="something")) is None


def test_words_of_a_speaker():
    clips = [
        clip("a", 0.5, speaker="x", speech="v", asr="one"),
        clip("b", 5.0, speaker="x", speech="v", asr="a long sentence"),
        clip("c", 0.5, speaker="y", speech="v", asr="two"),
    ]
    library = SceneLibrary([(clips, 1.0)])
    assert [word.audio_id for word in library.words_of("x")] == ["a"]
    assert library.words_of("nobody") == ()
