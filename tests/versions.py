"""Versions of the direct dependencies here; with --lowest, each has to be its lower bound."""

import argparse
import importlib.metadata
import platform
import sys

from packaging.requirements import Requirement


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lowest", action="store_true")
    lowest = parser.parse_args().lowest
    print(f"Python {platform.python_version()}")
    wrong = []
    requirements = map(Requirement, importlib.metadata.requires("audiogen-jax") or ())
    for requirement in sorted(filter(wanted, requirements), key=lambda found: found.name):
        installed = importlib.metadata.version(requirement.name)
        print(f"{requirement.name} {installed} ({requirement.specifier})")
        bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        if bounds and not Requirement(f"x=={bounds[0]}").specifier.contains(installed):
            wrong.append(f"{requirement.name} {installed} is not the lower bound {bounds[0]}")
    if lowest and wrong:
        print(*wrong, sep="\n", file=sys.stderr)
    return int(lowest and bool(wrong))


def wanted(requirement: Requirement) -> bool:
    """Whether it is installed for the package or its tests: not an accelerator's or a tool's."""
    if requirement.name == "audiogen-jax":  # an extra that names another extra
        return False
    return requirement.marker is None or requirement.marker.evaluate({"extra": "test"})


if __name__ == "__main__":
    sys.exit(main())
