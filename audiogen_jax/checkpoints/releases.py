"""Published weights that are no part of this package: how large they are, under which licence."""

from collections.abc import Iterable
from typing import NamedTuple


class Release(NamedTuple):
    """A repository of the hub.

    Attributes:
      bytes: of the tensors that are read, in the types that the release has them in.
      licence: of the weights.
      beside: what else the repository holds.
    """

    bytes: int
    licence: str
    beside: str = ""

    def __str__(self) -> str:
        beside = f" beside {self.beside}" if self.beside else ""
        return f"{self.bytes / 1e9:.1f} GB{beside}, {self.licence}"


AUDIO_OMNI = {
    # https://huggingface.co/HKUSTAudio/Audio-Omni
    "HKUSTAudio/Audio-Omni": Release(22_220_097_416, "CC BY-NC 4.0, not for commercial use"),
}
_SPEECH = "a talker and a vocoder that are not read"
QWEN_OMNI = {
    # https://huggingface.co/Qwen/Qwen2.5-Omni-3B and -7B
    "Qwen/Qwen2.5-Omni-3B": Release(
        9_406_928_896, "Qwen Research License, not for commercial use", _SPEECH
    ),
    "Qwen/Qwen2.5-Omni-7B": Release(17_863_627_776, "Apache-2.0", _SPEECH),
}
QWEN2 = {
    # https://huggingface.co/Qwen/Qwen2.5-0.5B
    "Qwen/Qwen2.5-0.5B": Release(988_065_536, "Apache-2.0"),
}
SYNCHFORMER_BYTES = 489_762_816
"""Of the half of synchformer_state_dict.pth that is read."""
_ALL = AUDIO_OMNI | QWEN_OMNI | QWEN2


def how_to_get(names: Iterable[str]) -> str:
    """Some releases, and how they come here, in one line."""
    lines = " or ".join(f"{name} ({_ALL[name]})" for name in names)
    return (
        f"expected {lines}; name one as the checkpoint to download it, or download it with "
        "`hf download NAME`"
    )


def about(name: str) -> str:
    """A repository, with its size and licence where they are known."""
    return f"{name} ({_ALL[name]})" if name in _ALL else name
