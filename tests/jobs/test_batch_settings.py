"""Settings of a batch are checked and made plain before anything is written."""

import json

import numpy as np
import pytest

from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.jobs.generate_clips import BatchSettings


def test_settings_of_numpy_are_written_as_plain_ones():
    plain = dict(seed=3, duration=0.5, batch_size=4, refine=True)
    options = dict(steps=2, guidance=3.0, view_guidance={"sfx": 2.0}, guidance_interval=(0, 0.5))
    arrays = {name: np.asarray(value)[()] for name, value in plain.items()}
    numpy_options = SamplingOptions(
        steps=np.int64(2),
        guidance=np.float32(3),
        view_guidance={"sfx": np.float16(2)},
        guidance_interval=np.array([0, 0.5]),
    )
    found = BatchSettings(**arrays, options=numpy_options).job()
    expected = BatchSettings(**plain, options=SamplingOptions(**options)).job()
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    "wrong",
    [dict(batch_size=2.5), dict(batch_size="4"), dict(duration="1"), dict(duration=True)],
    ids=str,
)
def test_settings_of_other_types_are_refused(wrong: dict):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}="):
        BatchSettings(**wrong)
