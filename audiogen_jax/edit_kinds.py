"""What can be done with a recording; apart, so that `--help` needs no jax."""

from collections.abc import Mapping
from typing import Literal

EditKind = Literal["add", "remove", "extract", "restyle"]
STEMS: Mapping[str, str] = {
    "voice": "speech",
    "events": "sound effects",
    "music": "music",
    "ambience": "background noise",
}
"""What a recording is shared out among, and what an editor is asked to extract for each."""
