"""The launchers: whole scripts that act on the exit codes of a training, with flags that exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

LAUNCH = Path(__file__).parents[1] / "launch"


@pytest.fixture
def run(tmp_path):
    """Runs a script where `commands` are stubs (name -> shell lines), which list their calls."""

    def start(script: str, *arguments: str, commands: dict[str, str], **variables: str):
        for name, lines in commands.items():
            path = tmp_path / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f'#!/bin/bash\necho "{name} $*" >> {tmp_path}/calls\n{lines}\n')
            path.chmod(0o755)
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PAUSE": "0", **variables}
        done = subprocess.run([LAUNCH / script, *arguments], env=environment, timeout=60)
        calls = (tmp_path / "calls").read_text().splitlines()
        return done.returncode, calls

    return start


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.sh")), ids=lambda path: path.name)
def test_shell(path: Path):
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert path.name == "env.sh" or os.access(path, os.X_OK)


@pytest.mark.parametrize(
    ("codes", "code", "starts"),
    [([0], 0, 1), ([75, 134, 137, 0], 0, 4), ([75, 2], 2, 2), ([1], 1, 1), ([75] * 9, 75, 5)],
)
def test_restart(run, tmp_path, codes: list[int], code: int, starts: int):
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    pop = f"read -r code < {tmp_path}/codes; sed -i 1d {tmp_path}/codes; exit $code"
    ended, calls = run(
        "restart.sh", "audiogen", "train", "--x", commands={"audiogen": pop}, ATTEMPTS="5"
    )
    assert ended == code and calls == ["audiogen train --x"] * starts


@pytest.mark.parametrize(
    ("code", "before", "requeued"),
    [(0, 0, False), (75, 0, True), (134, 3, True), (2, 0, False), (75, 100, False)],
)
def test_slurm(run, code: int, before: int, requeued: bool):
    ended, calls = run(
        "slurm.sh",
        "train",
        "--config",
        "xl",
        commands={"srun": f"exit {code}", "scontrol": ""},
        SLURM_SUBMIT_DIR=str(LAUNCH.parent),
        SLURM_JOB_ID="7",
        SLURM_RESTART_COUNT=str(before),
    )
    assert ended == code
    assert calls[0] == "srun --kill-on-bad-exit=1 audiogen train --distributed --config xl"
    assert calls[1:] == ["scontrol requeue 7"] * requeued


def test_slurm_container(run):
    _, calls = run(
        "slurm.sh",
        "encode-dataset",
        "a b.jsonl",
        commands={"srun": ""},
        SLURM_SUBMIT_DIR=str(LAUNCH.parent),
        CONTAINER="registry#audiogen:cuda",
    )
    assert calls == [
        "srun --kill-on-bad-exit=1 --container-image=registry#audiogen:cuda "
        "--container-mounts=/shared:/shared audiogen encode-dataset --distributed a b.jsonl"
    ]


def test_tpu_vm(run):
    _, call = run("tpu_vm.sh", "pod", "zone", "train", "--config", "xl", commands={"gcloud": ""})
    words = " ".join(" ".join(call).split())
    assert "launch/restart.sh audiogen train --distributed --config xl" in words


def test_a_preempted_slice_is_asked_for_again(run, tmp_path):
    """Created, preempted, deleted, created, done."""
    states = ["", "ACTIVE", "SUSPENDED", "", "ACTIVE"]
    (tmp_path / "states").write_text("".join(f"{state}\n" for state in states))
    gcloud = f"""
case "$*" in
    storage*) [ -s {tmp_path}/states ] || {{ echo 0; exit; }}; exit 1 ;;
    *describe*) head -n1 {tmp_path}/states; sed -i 1d {tmp_path}/states ;;
    *create*) last="${{!#}}"; cat "${{last#*startup-script=}}" > {tmp_path}/boot ;;
esac"""
    code, calls = run(
        "tpu_queued.sh",
        *("pod", "zone", "v5litepod-256", "gs://bucket", "image:tpu", "train", "--config", "xl"),
        commands={"gcloud": gcloud},
    )
    verbs = [call.split()[4] for call in calls if "queued-resources" in call]
    assert code == 0
    assert verbs == [*("describe", "create", "describe", "describe", "delete"), *verbs[5:]]
    assert verbs[5:] == ["describe", "create", "describe", "delete"]
    boot = tmp_path / "boot"
    subprocess.run(["bash", "-n", boot], check=True)
    assert "gcloud storage cp - gs://bucket/pod.done" in boot.read_text()
    assert "train --distributed --config xl" in " ".join(boot.read_text().split())


def test_flags_exist():
    """XLA ends a process that is given a flag which it does not know."""
    script = f"source {LAUNCH}/env.sh && {sys.executable} -c 'import jax; print(jax.devices())'"
    environment = {"PATH": os.environ["PATH"], "JAX_PLATFORMS": "cpu", "HOME": "/nowhere"}
    subprocess.run(["bash", "-c", script], env=environment, check=True, timeout=120)


def test_what_is_set_stays():
    script = f"source {LAUNCH}/env.sh; echo $XLA_FLAGS $NCCL_DEBUG $AUDIOGEN_CONNECT_SECONDS"
    environment = {"XLA_FLAGS": "--mine", "NCCL_DEBUG": "INFO", "AUDIOGEN_CONNECT_SECONDS": "5"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["--mine", "INFO", "5"]


def test_jobset():
    job = yaml.safe_load((LAUNCH / "gke_jobset.yaml").read_text())
    (jobs,) = job["spec"]["replicatedJobs"]
    spec = jobs["template"]["spec"]
    assert spec["parallelism"] == spec["completions"] == 64  # hosts of four chips
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"][:2] == ["train", "--distributed"]
    assert f"--set=mesh.dcn_data={jobs['replicas']}" in container["args"]
    assert container["resources"]["limits"]["google.com/tpu"] * 64 == 16 * 16
    # What has not finished starts again without being counted, by way of the reason of the failure.
    unfinished, evicted = spec["podFailurePolicy"]["rules"]
    assert unfinished["onExitCodes"] == {
        "containerName": container["name"],
        "operator": "In",
        "values": [75, 134],
    }
    assert evicted["onPodConditions"] == [{"type": "DisruptionTarget"}]
    (rule,) = job["spec"]["failurePolicy"]["rules"]
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]
    assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"


def test_dockerfile():
    lines = (LAUNCH / "Dockerfile").read_text()
    root = LAUNCH.parent
    copied = [
        name
        for line in lines.splitlines()
        if line.startswith("COPY")
        for name in line.split()[1:-1]
    ]
    assert all((root / name).exists() for name in copied)
    assert "/opt/audiogen/launch/entry.sh" in lines


def test_they_are_thin():
    for path in LAUNCH.iterdir():
        if path.is_file():
            assert len(path.read_text().splitlines()) < 100, path.name
