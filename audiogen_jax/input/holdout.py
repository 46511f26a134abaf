"""Which clips are held out for validation where nobody has chosen any."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path


def held_out(
    clip_ids: Sequence[str], share: float, recordings: Mapping[str, str | None] | None = None
) -> set[str]:
    """Chooses clips by the hashes of their ids, whatever their order.

    A clip stays on its side when others are added, but for the only one of a small set.

    Args:
      clip_ids: of all clips.
      share: of the clips to hold out, in [0, 1].
      recordings: id -> what the clip was cut from, where that is known: all clips of a recording
        are on one side.

    Returns:
      About that share, at least one and not all of them; none if `share` is 0 or there is one clip
      or recording.
    """
    names = {clip_id: (recordings or {}).get(clip_id) or clip_id for clip_id in clip_ids}
    places = {name: _place(name) for name in names.values()}
    if not share or len(places) < 2:
        return set()
    first, last = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    chosen = ({name for name in places if places[name] < share} | {first}) - {last}
    return {clip_id for clip_id, name in names.items() if name in chosen}


def held_out_of(
    source: str | Path,
    clip_ids: Sequence[str],
    share: float,
    recordings: Mapping[str, str | None] | None = None,
) -> set[str]:
    """`held_out` of a set that has no validation split, with a warning that says so."""
    chosen = held_out(clip_ids, share, recordings)
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
