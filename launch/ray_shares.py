"""Runs a job that can be shared out on the workers of a Ray cluster, share by share.

    python -m launch.ray_shares --address auto --shares 256 -- \\
        python -m data.build_edits --out /shared/edits --train 1000000 /shared/worded/*.jsonl
    python -m launch.ray_shares --address auto --shares 64 --gpus 1 -- \\
        audiogen encode-dataset /shared/clips.jsonl --output /shared/latents

Any command that takes `--share I/N` runs so. Its output must be in a folder that all machines see,
and the package, with what it reads, must be there: from a clone,
`ray job submit --working-dir . -- python -m launch.ray_shares --address auto ...`. Shares are the
rows of a Ray dataset: a worker that is done takes the next one. A share whose worker is lost runs
again on another one and goes on where the first was; an error of the program ends the run.
Needs `pip install 'audiogen-jax[ray]'`.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence


def split_command(command: Sequence[str]) -> tuple[str, list[str]]:
    """The module of a command, whose `main` takes the arguments; ValueError if there is none."""
    match list(command):
        case ["audiogen", *arguments]:
            return "audiogen_jax.cli", arguments
        case ["python", "-m", module, *arguments]:
            return module, arguments
    raise ValueError(f"{' '.join(command)!r}: expected 'audiogen ...' or 'python -m MODULE ...'")


def run_share(command: Sequence[str], share: str) -> str:
    """Runs a command on a share "I/N" in this process; returns how it failed, "" if it did not."""
    module, arguments = split_command(command)
    try:
        importlib.import_module(module).main([*arguments, "--share", share])
    except SystemExit as ended:
        if ended.code:
            return f"share {share} of {' '.join(command)} ended with {ended.code}, see above"
    return ""


def run_shares(command: Sequence[str], shares: int, address: str, cpus: float, gpus: float) -> None:
    """Runs all shares of a command.

    Args:
      command: "audiogen ..." or "python -m MODULE ...".
      shares: in how many the job is cut; several per worker, so that none waits for another long.
      address: of the cluster, "auto" from within it; "local": this machine alone.
      cpus, gpus: that a share takes of a worker's.

    Raises:
      ValueError: no such command, Ray is not installed, or a share ended with an error.
    """
    split_command(command)
    if shares < 1:
        raise ValueError(f"shares={shares}: expected at least 1")
    try:
        ray, data = importlib.import_module("ray"), importlib.import_module("ray.data")
    except ImportError as error:
        raise ValueError(f"no Ray ({error}): pip install 'audiogen-jax[ray]'") from error
    command, folder = list(command), os.getcwd()

    def run(row: dict[str, int]) -> dict[str, object]:
        if os.path.isdir(folder):  # paths of the command are relative to it
            os.chdir(folder)
            sys.path.insert(0, folder)
        return {"share": row["item"], "error": run_share(command, f"{row['item']}/{shares}")}

    ray.init(address)
    data.DataContext.get_current().enable_progress_bars = False
    rows = data.from_items([*range(shares)], override_num_blocks=shares)
    # Lost workers are replaced without end.
    done = rows.map(run, num_cpus=cpus, num_gpus=gpus, max_retries=-1)
    for number, row in enumerate(done.iter_rows(), 1):
        if row["error"]:
            raise ValueError(row["error"])
        print(f"share {row['share']} is done, {number} of {shares}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--address", default="local", help="of the cluster; 'auto' from within it")
    parser.add_argument("--shares", type=int, default=64, help="in which the job is cut")
    parser.add_argument("--cpus", type=float, default=1.0, help="that a share takes")
    parser.add_argument("--gpus", type=float, default=0.0, help="that a share takes")
    parser.add_argument("command", nargs="+", help="after --")
    args = parser.parse_args(argv)
    try:
        run_shares(args.command, args.shares, args.address, args.cpus, args.gpus)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
