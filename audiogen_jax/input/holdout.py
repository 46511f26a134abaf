"""Which clips are held out for validation where nobody has chosen any."""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path


def held_out(clip_ids: Sequence[str], share: float) -> set[str]:
    """Chooses clips by the hashes of their ids, whatever their order.

    A clip stays on its side when others are added, but for the only one of a small set.

    Args:
      clip_ids: of all clips.
      share: of the clips to hold out, in [0, 1].

    Returns:
      About that share, at least one and not all of them; none if `share` is 0 or there is one clip.
    """
    if not share or len(set(clip_ids)) < 2:
        return set()
    places = {clip_id: _place(clip_id) for clip_id in clip_ids}
    first, last = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    return ({clip_id for clip_id in places if places[clip_id] < share} | {first}) - {last}


def held_out_of(source: str | Path, clip_ids: Sequence[str], share: float) -> set[str]:
    """`held_out` of a set that has no validation split, with a warning that says so."""
    chosen = held_out(clip_ids, share)
    if chosen:
        warnings.warn(
            f"{source} has no validation split: {len(chosen)} of its {len(clip_ids)} clips are "
            f"held out of training (data.holdout={share:g})",
            stacklevel=2,
        )
    return chosen


def _place(clip_id: str) -> float:
    """Of a clip in [0, 1), as if drawn."""
    digest = hashlib.sha256(clip_id.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64
