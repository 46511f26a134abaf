"""Caption views of single recordings: several phrasings each, from what the source states."""

from collections.abc import Mapping
from typing import Any

Views = dict[str, str | list[str]]

# label: (further captions, view, phrasings of the view); the source's own caption comes first.
ESC10 = {
    "dog": ("A dog barks.", "sfx", ["a dog barking", "dog barks"]),
    "crying_baby": ("A baby cries.", "sfx", ["a baby crying", "a crying baby"]),
    "clock_tick": ("A clock ticks.", "sfx", ["a ticking clock", "a clock ticking"]),
    "sneezing": ("Someone sneezes.", "sfx", ["a person sneezing", "a sneeze"]),
    "helicopter": ("A helicopter flies.", "sfx", ["a helicopter", "helicopter rotor noise"]),
    "chainsaw": ("A chainsaw is running.", "sfx", ["a chainsaw", "a running chainsaw"]),
    "rooster": ("A rooster crows.", "sfx", ["a rooster crowing", "a crowing rooster"]),
    "rain": ("Rain is falling.", "env", ["rain", "rain falling"]),
    "sea_waves": ("Waves of the sea.", "env", ["sea waves", "waves at the shore"]),
    "crackling_fire": ("A fire crackles.", "env", ["a crackling fire", "fire crackling"]),
}
AMBIENCE = {
    "birds": ("Birds sing outside.", ["birds chirping", "birdsong outdoors"]),
    "boat": ("On board of a boat.", ["a boat on the water", "the sounds of a boat"]),
    "city": ("The noise of a city.", ["a city street", "city noise"]),
    "construction": ("Construction work.", ["a construction site", "construction noise"]),
    "crickets": ("Crickets at night.", ["crickets chirping", "a night with crickets"]),
    "dishes": ("Someone washes dishes.", ["dishes being washed", "washing of dishes"]),
    "farm": ("On a farm.", ["a farm", "farm ambience"]),
    "fireplace": ("A fire crackles.", ["a crackling fire", "a fire in a fireplace"]),
    "leaves": ("Leaves rustle.", ["rustling leaves", "leaves in the wind"]),
    "owl": ("Owls hoot at night.", ["owls hooting", "a night with owls"]),
    "rain": ("Rain is falling.", ["rain", "rain falling"]),
    "restaurant": ("People talk in a restaurant.", ["a busy restaurant", "restaurant chatter"]),
    "running_tap": ("Water runs from a tap.", ["water running from a tap", "a running tap"]),
    "sea_waves": ("Waves of the sea.", ["sea waves", "waves at the shore"]),
    "storm": ("Thunder and rain.", ["a thunderstorm", "thunder"]),
    "stream": ("Water flows in a stream.", ["a stream of water", "flowing water"]),
    "train": ("A train runs.", ["a train on the rails", "a running train"]),
    "whale": ("A whale sings.", ["a whale singing", "a whale under water"]),
    "wind": ("The wind blows.", ["wind", "blowing wind"]),
}
WHO = {"male": "A man", "female": "A woman"}
NOT_INSTRUMENTS = {"band", "vocals", "voice"}
LONGEST_QUOTE = 60
"""Characters of a transcript that a caption quotes in full."""


def views_of(source: str, row: Mapping[str, Any]) -> Views:
    """The caption views of one clip of the set `source`.

    Raises:
      ValueError: a set or label without phrasings.
    """
    if source == "esc10":
        further, view, phrasings = _known(ESC10, row["label"], source)
        return {"caption": [*_sound_captions(row["caption"]), further], view: phrasings}
    if source == "ambience":
        further, phrasings = _known(AMBIENCE, row["label"], source)
        return {"caption": [row["caption"], further], "env": phrasings}
    if source == "sfx_cc":
        return {"caption": _sound_captions(row["caption"]), "sfx": [_phrase(row["caption"])]}
    if source in ("fsdd", "words"):
        return word_views(row["transcript"], row.get("gender"))
    if source == "speech":
        return sentence_views(row["transcript"], row["gender"])
    if source == "music":
        return _music_views(row)
    raise ValueError(f"no phrasings for the set {source!r}: add them to data/views.py")


def word_views(word: str, gender: str | None, synthetic: bool = False) -> Views:
    """Views of one spoken word or short phrase.

    Args:
      word: what is said.
      gender: "male", "female", or anything else for unknown.
      synthetic: said by a speech synthesiser, and called so.
    """
    voice = f"{gender} voice" if gender in WHO else "voice"
    if synthetic:
        captions = [f'A synthetic {voice} says "{word}".', f"A computer voice says {word}."]
        return {"caption": captions, "speech": [f"a synthetic {voice}"], "asr": word}
    who = WHO.get(gender or "", "A person")
    captions = [
        f'{who} says the word "{word}".',
        f'{who} says "{word}".',
        f"A voice says {word}.",
        f"{who} saying {word}.",
    ]
    return {"caption": captions, "speech": [f"a {voice}", f"{who.lower()} speaking"], "asr": word}


def sentence_views(transcript: str, gender: str | None) -> Views:
    """Views of a read sentence."""
    who = WHO.get(gender or "", "A person")
    captions = [f"{who} speaking in English.", f"{who} reads a sentence aloud."]
    if len(transcript) <= LONGEST_QUOTE:
        captions.append(f'{who} says "{transcript}"')
    voice = f"a {gender} voice" if gender in WHO else "a voice"
    return {
        "caption": captions,
        "speech": [voice, f"{who.lower()} speaking English", f"{voice} reading aloud"],
        "asr": transcript,
    }


def _music_views(row: Mapping[str, Any]) -> Views:
    captions, phrasings = [row["caption"]], [_phrase(row["caption"])]
    instruments = [name for name in row["instruments"] or () if name not in NOT_INSTRUMENTS]
    if instruments:
        *others, last = instruments[:4]
        played = f"{', '.join(others)} and {last}" if others else last
        music = f"music with {played}" if others else f"{played} music"
        captions.append(f"{_capital(music)}.")
        phrasings.append(music)
    genre = row["genre"].removesuffix(" song").removesuffix(" (tracker)").removesuffix(" music")
    if genre not in ("instrument sample", "song"):
        captions.append(f"{_capital(genre)} music.")
        phrasings.append(f"{genre} music")
    return {"caption": captions, "music": phrasings}


def _known(table: Mapping[str, Any], label: str, source: str) -> Any:
    if label not in table:
        raise ValueError(f"no phrasings for label {label!r} of {source}: add it to data/views.py")
    return table[label]


def _sound_captions(caption: str) -> list[str]:
    return [caption, f"The sound of {_phrase(caption)}."]


def _phrase(caption: str) -> str:
    """ "A dog barking." -> "a dog barking"."""
    return caption[0].lower() + caption[1:].rstrip(".")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
