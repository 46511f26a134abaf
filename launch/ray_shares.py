"""Runs a job that can be shared out on the workers of a Ray cluster, share by share.

    python -m launch.ray_shares --address auto --shares 256 --cpus 1 -- \\
        python -m data.build_edits --out /shared/edits --train 1000000 /shared/worded/*.jsonl
    python -m launch.ray_shares --address auto --shares 64 --gpus 1 -- \\
        audiogen encode-dataset /shared/clips.jsonl --output /shared/latents

Any command that takes `--share I/N` runs so: `audiogen batch`, `audiogen encode-dataset`,
`data.build_edits`, `data.build_real_edits`. Its output must be in a folder that all machines see,
and the package, with what it reads, must be there: from a clone,
`ray job submit --working-dir . -- python -m launch.ray_shares --address auto ...`. Shares are the
rows of a Ray dataset: a worker that is done takes the next one. A share whose worker is lost runs
again on another one and goes on where the first was, so that nothing is lost or made twice; an
error of the program ends the run with its message. Without `--address` this machine alone is the
cluster. Needs `pip install 'audiogen-jax[ray]'`.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence


def run_share(command: Sequence[str], index: int, count: int) -> None:
    """Runs a command on one share, in this process.

    Args:
      command: "audiogen ..." or "python -m MODULE ...".
      index, count: of the share.

    Raises:
      RuntimeError: the command ended with an error.
      ValueError: another command.
    """
    module, arguments = split_command(command)
    try:
        importlib.import_module(module).main([*arguments, "--share", f"{index}/{count}"])
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise RuntimeError(
                f"share {index}/{count} of {' '.join(command)} ended with {ended.code}"
            ) from ended


def split_command(command: Sequence[str]) -> tuple[str, list[str]]:
    """The module of a command, whose `main` takes the arguments.

    Raises:
      ValueError: it is no command of this repository.
    """
    match list(command):
        case ["audiogen", *arguments]:
            return "audiogen_jax.cli", arguments
        case ["python", "-m", module, *arguments]:
            return module, arguments
    raise ValueError(f"{' '.join(command)!r}: expected 'audiogen ...' or 'python -m MODULE ...'")


def run_shares(command: Sequence[str], shares: int, address: str, cpus: float, gpus: float) -> None:
    """Runs all shares of a command.

    Args:
      command: see `run_share`.
      shares: in how many the job is cut; several per worker, so that none waits for another long.
      address: of the cluster, "auto" from within it; "local": this machine alone.
      cpus, gpus: that a share takes of a worker's.

    Raises:
      ValueError: no such command, or Ray is not installed.
      RuntimeError: a share ended with an error.
    """
    split_command(command)
    if shares < 1:
        raise ValueError(f"shares={shares}: expected at least 1")
    try:
        ray = importlib.import_module("ray")
        data = importlib.import_module("ray.data")
    except ImportError as error:
        raise ValueError(
            f"Ray is not installed ({error}): pip install 'audiogen-jax[ray]'"
        ) from error
    command, folder = list(command), os.getcwd()

    def run(row: dict[str, int]) -> dict[str, int]:
        if os.path.isdir(folder):  # paths of the command are relative to it
            os.chdir(folder)
            sys.path.insert(0, folder)
        run_share(command, row["item"], shares)
        return row

    ray.init(address)
    data.DataContext.get_current().enable_progress_bars = False
    rows = data.from_items([*range(shares)], override_num_blocks=shares)
    # Lost workers are replaced without end; errors of the program are not tried again.
    done = rows.map(run, num_cpus=cpus, num_gpus=gpus, max_retries=-1)
    for number, row in enumerate(done.iter_rows(), 1):
        print(f"share {row['item']} is done, {number} of {shares}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m launch.ray_shares",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--address", default="local", help="of the cluster; 'auto' from within it")
    parser.add_argument("--shares", type=int, default=64, help="in which the job is cut")
    parser.add_argument("--cpus", type=float, default=1.0, help="that a share takes")
    parser.add_argument("--gpus", type=float, default=0.0, help="that a share takes")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --")
    args = parser.parse_args(argv)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    try:
        run_shares(command, args.shares, args.address, args.cpus, args.gpus)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    except RuntimeError as error:
        parser.exit(1, f"error: {str(error).strip().splitlines()[-1]}\n")


if __name__ == "__main__":
    main()
