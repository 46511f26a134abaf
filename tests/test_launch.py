"""The launchers are whole scripts that end in the same command."""

import subprocess
from pathlib import Path

import pytest
import yaml

LAUNCH = Path(__file__).parents[1] / "launch"


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.sh")), ids=lambda path: path.name)
def test_shell(path: Path):
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert "audiogen train --distributed" in path.read_text()


def test_jobset():
    job = yaml.safe_load((LAUNCH / "gke_jobset.yaml").read_text())
    template = job["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert template["parallelism"] == template["completions"] == 64  # hosts of four chips
    (container,) = template["template"]["spec"]["containers"]
    assert container["command"] == ["audiogen", "train", "--distributed"]
    assert container["resources"]["limits"]["google.com/tpu"] * 64 == 16 * 16


def test_they_are_thin():
    for path in LAUNCH.iterdir():
        if path.is_file():
            assert len(path.read_text().splitlines()) < 80, path.name
