"""Locks of shares, and what a folder remembers of its job."""

import json
import subprocess
import sys

import pytest

from audiogen_jax.jobs.job import Share, check_job, lock_share

HOLDER = """
import sys
from pathlib import Path
from audiogen_jax.jobs.job import Share, lock_share
lock = lock_share(Path(sys.argv[1]), Share(1, 2))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_gives_its_share_back(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], text=True, **pipes)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(OSError, match="another process is running this share"):
            lock_share(tmp_path, Share(1, 2))
        lock_share(tmp_path, Share(0, 2)).release()
    finally:
        holder.kill()
        holder.communicate()
    lock_share(tmp_path, Share(1, 2)).release()


def test_shares():
    assert Share.parse("1/4") == Share(1, 4)
    assert (Share().suffix, Share(1, 4).suffix) == ("", "-00001-of-00004")
    for text in ("4/4", "-1/4", "1", "a/b", "1/2/3"):
        with pytest.raises(ValueError, match=f"share '{text}': expected I"):
            Share.parse(text)


@pytest.mark.parametrize(("before", "now"), [("fp32", "float32"), ("bfloat16", "bf16")])
def test_two_names_of_a_dtype_are_one_job(tmp_path, before, now):
    check_job(tmp_path, {"dtype": before, "seed": 0})
    check_job(tmp_path, {"dtype": now, "seed": 0})
    assert json.loads((tmp_path / "job.json").read_text())["dtype"] == before
    with pytest.raises(ValueError, match="another job: dtype was '.*' and is 'float16'; seed was"):
        check_job(tmp_path, {"dtype": "fp16", "seed": 1})
