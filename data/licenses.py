"""Licences of clips and of mixes made from them."""

from collections.abc import Iterable

STRICTNESS = {
    "CC0-1.0": 0,
    "Public-Domain": 1,
    "MIT": 2,
    "LicenseRef-CMU-Arctic": 3,
    "CC-BY-3.0": 4,
    "CC-BY-4.0": 5,
    "CC-BY-SA-3.0": 6,
    "CC-BY-SA-4.0": 7,
}
"""Free of conditions < attribution < share-alike. BY-SA 3.0 allows adaptations under 4.0."""


def strictest(licenses: Iterable[str]) -> str:
    """The licence under which a mix of clips may be passed on: share-alike spreads.

    Raises:
      ValueError: an unknown licence, or none at all.
    """
    names = set(licenses)
    if unknown := sorted(names - set(STRICTNESS)):
        raise ValueError(f"unknown licences {unknown}: expected some of {list(STRICTNESS)}")
    if not names:
        raise ValueError("a mix needs at least one clip to have a licence")
    return max(names, key=STRICTNESS.__getitem__)
