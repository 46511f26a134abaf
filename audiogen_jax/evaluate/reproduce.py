"""A result again from what its report says of itself, and whether it comes out the same."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from audiogen_jax.evaluate.benchmarks.generation import Generation
from audiogen_jax.evaluate.benchmarks.options import SuiteOptions
from audiogen_jax.evaluate.benchmarks.run import evaluate_suite
from audiogen_jax.evaluate.comparison import (
    TOLERANCE,
    Check,
    Difference,
    added,
    checked,
    differing_inputs,
    other_data,
)
from audiogen_jax.evaluate.determinism import make_deterministic
from audiogen_jax.evaluate.registry import SUITES
from audiogen_jax.evaluate.run import evaluate_checkpoint
from audiogen_jax.evaluate.suite import Suite
from audiogen_jax.files.json_object import read_object
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.train.typed_config import typed

COMMITTED = Path("results")
"""Of a clone: reports that have a name."""
RUN = ("checkpoint", "manifest", "seed", "sampling", "suites")
"""What the protocol of `evaluate_checkpoint` says of how it was made."""


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What became of a report.

    Attributes:
      inputs: what differs, in the order of `INPUTS`, then by suite.
      checks: every number of the report.
      added: names of numbers that the report lacks.
    """

    inputs: list[Difference]
    checks: list[Check]
    added: list[str]

    @property
    def other_data(self) -> list[str]:
        """Hashes of weights, sounds and lists that are not those of the report."""
        return other_data(self.inputs)

    @property
    def matches(self) -> bool:
        """Whether every number does; of other data each has to be equal, as intervals are those of
        chance and of machines."""
        outcomes = ("equal",) if self.other_data else ("equal", "within")
        return all(check.outcome in outcomes for check in self.checks)


def reproduce(
    result: str | Path,
    *,
    checkpoint: str | Path | None = None,
    manifest: str | Path | None = None,
    cache: str | Path = "runs/judge",
    out: str | Path | None = None,
    tolerance: float = TOLERANCE,
) -> Reproduction:
    """Evaluates again as a report says, and compares every number.

    A number with an interval matches within it, another within a tolerance; whole numbers that
    count something match exactly.

    Args:
      result: the report, or the name of one in `results`.
      checkpoint: in the place of the one that the report names.
      manifest: likewise, where the recordings lie elsewhere.
      cache: as of `evaluate_checkpoint`.
      out: the new report, `.json`; not kept if None.
      tolerance: relative, of numbers without an interval.

    Raises:
      ValueError: no such report, one without numbers or that does not say how it was made, or
        `evaluate_checkpoint` refuses it.
      OSError: a file cannot be read or written.
    """
    path = find_report(result)
    before = read_object(path)
    protocol, results = _mapping(before.get("protocol", {})), _mapping(before.get("results", {}))
    if not checked(results, results):
        raise ValueError(f"{path} holds no numbers to reproduce")
    numerics = protocol.get("numerics")
    if isinstance(numerics, Mapping) and numerics.get("deterministic_ops"):
        make_deterministic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json" if out is None else Path(out)
        _again(protocol, path, out, checkpoint, manifest, cache)
        now = json.loads(out.read_text("utf-8"))
    return Reproduction(
        differing_inputs(protocol, now["protocol"]),
        checked(results, now["results"], tolerance),
        added(results, now["results"]),
    )


def find_report(result: str | Path) -> Path:
    """The file of a report, given by its path or its name in `results`.

    Raises:
      FileNotFoundError: there is none.
    """
    path, committed = Path(result), COMMITTED / f"{result}.json"
    if path.suffix != ".json" and committed.is_file():
        return committed
    if not path.is_file():
        names = sorted(file.stem for file in COMMITTED.glob("*.json"))
        raise FileNotFoundError(
            f"no report at {path}: expected a .json of `audiogen evaluate`, or a name of one in "
            f"{COMMITTED}/ ({', '.join(names) or 'none here'})"
        )
    return path


def _again(
    protocol: Mapping[str, object],
    path: Path,
    out: Path,
    checkpoint: str | Path | None,
    manifest: str | Path | None,
    cache: str | Path,
) -> None:
    """Writes the new report."""
    try:
        if "run" in protocol:
            run = _mapping(protocol["run"])
            if lacks := [name for name in RUN if name not in run]:
                raise ValueError(f'"run" in its protocol lacks {lacks}')
            suites = _suites(_mapping(run["suites"]))
            sampling = typed(SamplingOptions, _mapping(run["sampling"]), "sampling")
        elif "suite" in protocol and "options" in protocol:
            if manifest is not None:
                raise ValueError("a manifest is given, and there is none to take the place of")
            options = typed(SuiteOptions, _mapping(protocol["options"]), "options")
            generation = None
            if options.audio is None:
                made = _mapping(protocol.get("generation"))
                made = made if checkpoint is None else {**made, "checkpoint": str(checkpoint)}
                generation = typed(Generation, made, "generation")
            elif checkpoint is not None:
                raise ValueError("a checkpoint is given, and clips of a folder were scored")
            evaluate_suite(options, out, generation=generation, cache=cache)
            return
        else:
            raise ValueError(
                'there is no "run" in its protocol: reports of version 0.1, and those of '
                "benchmarks, do not say how they were made, and have to be made anew"
            )
    except ValueError as error:
        raise ValueError(f"{path} cannot be reproduced: {error}") from None
    evaluate_checkpoint(
        checkpoint or str(run["checkpoint"]),
        manifest or str(run["manifest"]),
        out,
        cache=cache,
        suites=suites,
        seed=run["seed"],  # pyright: ignore[reportArgumentType]
        options=sampling,
    )


def _suites(settings: Mapping[str, object]) -> list[Suite]:
    if unknown := sorted(set(settings) - set(SUITES)):
        raise ValueError(f"it measured {unknown}, which are no suites of this version")
    return [
        typed(type(SUITES[name]), _mapping(values), f"suites.{name}")
        for name, values in settings.items()
    ]


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r}: expected an object with keys")
    return value
