"""The recordings this project trains on: what each set is, its licence and its checksum.

A mirror is a folder (or web address) with one subfolder per set, each holding `manifest.jsonl` and
16 kHz mono 16-bit FLAC clips. The manifest gives every clip its author, licence, source, changes
and sha256; the sha256 of the manifest itself is pinned here, so a mirror cannot drift unnoticed.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Source:
    """One set of recordings.

    Attributes:
      name: the subfolder of the mirror.
      content: what it holds.
      licenses: SPDX names of the licences that occur; each clip names its own.
      origin: where the recordings come from.
      clips: number of clips.
      manifest_sha256: of the bytes of `manifest.jsonl`.
    """

    name: str
    content: str
    licenses: tuple[str, ...]
    origin: str
    clips: int
    manifest_sha256: str


SOURCES = (
    Source(
        "ambience",
        "5 s excerpts of places and weather",
        ("CC-BY-3.0", "CC-BY-4.0", "CC0-1.0", "Public-Domain"),
        "https://github.com/rafaelmardojai/blanket and five smaller collections",
        78,
        "c7e58447a1e83b29805fb4f7c8125fafe845e84799707e486dca844feec1eb2b",
    ),
    Source(
        "esc10",
        "ten classes of environmental sound, 5 s each, folds 1-4 (Piczak, ACM MM 2015)",
        ("CC-BY-3.0", "CC0-1.0"),
        "https://github.com/karolpiczak/ESC-50",
        318,
        "44b9d23a63a5c94bb0150b063bb8dbb9e1df7ac92be9684f0d979cd0f482b194",
    ),
    Source(
        "fsdd",
        "spoken digits, five speakers (Free Spoken Digit Dataset); no energy above 4 kHz",
        ("CC-BY-SA-4.0",),
        "https://github.com/Jakobovski/free-spoken-digit-dataset",
        900,
        "beb5d76d49871f88b6fda287dc2b2742e6fa76e7fc323715c0db76c22e30e166",
    ),
    Source(
        "music",
        "8 s of rendered scores, rule-made loops and recordings",
        ("CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC0-1.0", "MIT", "Public-Domain"),
        "https://github.com/OpenScore, loops made for this project, and nine collections",
        138,
        "aa7b9a2a8bb42e466e69c8ddbfcaf17dfd44efca2c8735563335f453603d0dff",
    ),
    Source(
        "sfx_cc",
        "short sound effects",
        ("CC-BY-3.0", "CC-BY-4.0", "CC0-1.0"),
        "https://github.com/rse/soundfx, MultiCraft/repixture, Kenney and Freesound authors",
        176,
        "6b9fcd381d9dcd4f13594bd7946f83d322e90ce034159a42b59c03304ba25a57",
    ),
    Source(
        "speech",
        "read English with transcripts: LJ Speech, VCTK, Asterisk prompts and others",
        ("CC-BY-4.0", "CC-BY-SA-3.0", "LicenseRef-CMU-Arctic", "Public-Domain"),
        "https://keithito.com/LJ-Speech-Dataset, https://doi.org/10.7488/ds/2645 and others",
        120,
        "a78a2b4df3cfe08c1cee9945e8290ba9f918f00cf045601eb2cc4310b1935713",
    ),
    Source(
        "words",
        "single words, many speakers (Speech Commands v0.02, Warden 2018)",
        ("CC-BY-4.0",),
        "https://arxiv.org/abs/1804.03209",
        132,
        "e617e5d6ee252377b4639ecd68021fd2182f8da7cf9163e8110d43595c783ed8",
    ),
)


def sources_named(names: str | None) -> tuple[Source, ...]:
    """Picks sets by a comma-separated list; None picks all.

    Raises:
      ValueError: an unknown name.
    """
    if names is None:
        return SOURCES
    known = {source.name: source for source in SOURCES}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"unknown sources {unknown}: expected some of {sorted(known)}")
    return tuple(known[name] for name in wanted)
