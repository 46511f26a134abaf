"""The text of an optimised HLO module as computations of instructions, and how often each runs."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4,
    "f32": 4, "s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16,
}  # fmt: skip
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\](\{[^}]*\})?")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\((.*)$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|branch_computations)=\{?((?:%[\w.\-]+(?:, )?)+)"
)
_OF_ELEMENTS = ("reduce", "all-reduce", "sort")
"""Opcodes whose computations combine two numbers."""
_ROUNDS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Instruction(NamedTuple):
    """One line: its name, the types of its result, what it does, operands and attributes."""

    name: str
    result: str
    opcode: str
    rest: str

    @property
    def operands(self) -> list[str]:
        """Names of the instructions whose results it reads."""
        return re.findall(r"%([\w.\-]+)", self.rest.split("), ")[0])

    @property
    def called(self) -> list[str]:
        """Names of the computations that it runs."""
        matches = (match[1] for match in _CALLED.finditer(self.rest))
        return [name for names in matches for name in re.findall(r"%([\w.\-]+)", names)]


Computations = dict[str, list[Instruction]]


class Shape(NamedTuple):
    """One array of a result.

    Attributes:
      bytes: of all its numbers, without the padding of tiles.
      sizes: of its axes.
      on_chip: it never is in HBM: the compiler gave it a place in a chip's own memory.
    """

    bytes: int
    sizes: tuple[int, ...]
    on_chip: bool


def shapes(text: str) -> Iterator[Shape]:
    """The arrays that a result consists of."""
    for kind, sizes, layout in _SHAPE.findall(text):
        if kind in _BYTES:
            axes = tuple(int(size) for size in sizes.split(",") if size)
            yield Shape(_BYTES[kind] * math.prod(axes), axes, "S(" in layout)


def parse(text: str) -> tuple[Computations, str]:
    """All computations by name, and the name of the one that is run."""
    computations: Computations = {}
    entry, current = "", None
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            current = computations.setdefault(match[2], [])
            entry = match[2] if match[1] else entry
        elif current is not None and (match := _INSTRUCTION.match(line)):
            current.append(Instruction(*match.groups()))
    if not entry:
        raise ValueError("no ENTRY computation: expected the text of an optimised HLO module")
    return computations, entry


def count_runs(
    computations: Computations,
    name: str,
    times: int,
    runs: dict[str, int],
    loops: set[str],
) -> None:
    """Adds how often a computation and what it calls run."""
    runs[name] = runs.get(name, 0) + times
    for instruction in computations[name]:
        rounds = times
        if instruction.opcode == "while":
            known = rounds_of(instruction, computations)
            rounds = times * (known or 1)
            if known is None:
                loops.add(instruction.name)
        for called in instruction.called:
            if called in computations and instruction.opcode not in _OF_ELEMENTS:
                count_runs(computations, called, rounds, runs, loops)


def rounds_of(loop: Instruction, computations: Computations) -> int | None:
    """How often a loop runs: as XLA notes, or from the bound and the step of its counter."""
    if known := _ROUNDS.search(loop.rest):
        return int(known[1])
    called = dict(re.findall(r"(condition|body)=%([\w.\-]+)", loop.rest))
    condition = computations.get(called.get("condition", ""), [])
    bounds = _constants(condition)
    counters = [
        re.search(r"index=(\d+)", instruction.rest)
        for instruction in condition
        if instruction.opcode == "get-tuple-element"
        and instruction.result.startswith(("s32[]", "u32[]"))
    ]
    if len(bounds) != 1 or len(counters) != 1 or counters[0] is None:
        return None
    step = _increment(computations.get(called.get("body", ""), []), int(counters[0][1]))
    return next(iter(bounds.values())) // step


def _constants(body: list[Instruction]) -> dict[str, int]:
    """The whole numbers that a computation names."""
    return {
        instruction.name: int(instruction.rest.split(")")[0])
        for instruction in body
        if instruction.opcode == "constant" and instruction.result.startswith(("s32[]", "u32[]"))
    }


def _increment(body: list[Instruction], counter: int) -> int:
    """What a round adds to the counter: 1 but in loops that XLA unrolled in part."""
    instructions, constants = (
        {instruction.name: instruction for instruction in body},
        _constants(body),
    )
    results = re.findall(r"%([\w.\-]+)", body[-1].rest.split(")")[0]) if body else []
    last = instructions.get(results[counter]) if counter < len(results) else None
    if last is None or last.opcode != "add":
        return 1
    operands = re.findall(r"%([\w.\-]+)", last.rest.split(")")[0])
    return next((constants[name] for name in operands if name in constants), 1)
