"""Files of torch before 1.6: read whole, and nothing in them is ever run."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest

from audiogen_jax.checkpoints.torch_stream import MAGIC, read_torch_stream
from tests.checkpoints.test_torch_file import WRITTEN, Writes

STREAM = WRITTEN / "stream.pt"


def test_what_torch_wrote():
    tensors = read_torch_stream(STREAM, "model_state")
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(tensors["plain"], plain)
    np.testing.assert_array_equal(tensors["view"], plain[1:, ::2])
    assert tensors["half"].dtype == np.float16 and (tensors["half"] == 1).all()
    assert read_torch_stream(STREAM, "other")["big"].shape == (5,)


def test_cut_short(tmp_path):
    whole = STREAM.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut.pt cannot be read"):
            read_torch_stream(tmp_path / "cut.pt", "model_state")
    with pytest.raises(ValueError, match="absent"):
        read_torch_stream(STREAM, "absent")
    with pytest.raises(FileNotFoundError):
        read_torch_stream(tmp_path / "absent.pt", "model_state")


@pytest.mark.parametrize("before", [0, 3])
def test_calls_are_not_made(tmp_path, before):
    begins = [MAGIC, 1001, {"little_endian": True}][:before]
    content = OrderedDict(model_state=Writes(tmp_path / "ran"))
    path = tmp_path / "calls.pt"
    path.write_bytes(b"".join(pickle.dumps(value, protocol=2) for value in [*begins, content]))
    with pytest.raises(ValueError, match="asks for shutil.copyfile"):
        read_torch_stream(path, "model_state")
    assert not (tmp_path / "ran").exists()
