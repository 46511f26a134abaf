"""What can be done with a sound in a recording; apart, so that `--help` needs no jax."""

from typing import Literal

EditKind = Literal["add", "remove", "extract", "restyle"]
