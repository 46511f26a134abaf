"""What an edit is asked for with: one plain sentence, or one of many wordings."""

import numpy as np

PLAIN_RATE = 0.25
"""Of the drawn instructions, those in the plain wording, in which models are asked."""
_ARTICLES = ("a ", "an ", "the ", "some ")

_PLAIN = {
    "add": "Add {what}.",
    "remove": "Remove {what}.",
    "extract": "Extract {what}.",
    "restyle": "Turn {what} into {to}.",
}
# {what} is a noun phrase ("a dog barking"), {the} the same with "the" for its article, {to} what it
# becomes. {end} is nothing, or a word of politeness at the end of a request.
_WORDINGS = {
    "add": (
        "Add {what} to the clip{end}.",
        "Add {what} to the input audio{end}.",
        "add {what}",
        "add '{what}'",
        "Put {what} into this recording{end}.",
        "Mix in {what}{end}.",
        "Mix {what} into the background{end}.",
        "Overlay {what}{end}.",
        "Insert {what} here{end}.",
        "Layer {what} over what is there{end}.",
        "Let there also be {what}.",
        "Let me hear {what} as well{end}.",
        "I want {what} in it, too.",
        "It should also have {what}.",
        "The same scene, but with {what}.",
        "Keep everything and add {what}{end}.",
        "Now with {what} in the background.",
        "{what} should be heard as well",
        "There is {what} missing: add it.",
        "Could you bring in {what}?",
        "Drop {what} on top of this{end}.",
        "Leave the rest as it is, with {what} added.",
        "more: {what}",
    ),
    "remove": (
        "Remove {what} from the clip{end}.",
        "Remove {the} from the input audio{end}.",
        "remove {what}",
        "remove '{what}'",
        "Take out {the}{end}.",
        "Take {the} out of the recording{end}.",
        "Get rid of {the}{end}.",
        "Delete {the}{end}.",
        "Erase {the} from the background{end}.",
        "Silence {the}{end}.",
        "Mute {the} and keep everything else{end}.",
        "Keep everything but {the}.",
        "Everything but {what}.",
        "The same scene without {the}.",
        "I do not want to hear {what}.",
        "Make {the} go away{end}.",
        "Clean up this recording: no {bare}.",
        "Without {the}, please.",
        "{the} should be gone",
        "Cut {the} and leave the rest as it is{end}.",
        "Suppress {the}{end}.",
        "Could you remove {the}?",
        "no more {bare}",
    ),
    "extract": (
        "Extract {what} from the clip{end}.",
        "Extract {the} from the input audio{end}.",
        "extract {what}",
        "extract '{what}'",
        "Isolate {the}{end}.",
        "Keep only {the}{end}.",
        "Only {what}, nothing else.",
        "Just {the}.",
        "Remove everything but {the}{end}.",
        "Remove everything except {what}{end}.",
        "Separate {the} from the rest{end}.",
        "Pull out {the}{end}.",
        "Give me {the} alone{end}.",
        "Let me hear nothing but {the}{end}.",
        "I want {the} by itself.",
        "I only want to hear {what}.",
        "{the} on its own",
        "Mute all but {the}{end}.",
        "Take away what is around {the}{end}.",
        "A clean recording of {the} is what I need.",
        "Bring {the} out of the background and drop the rest{end}.",
        "Could you single out {the}?",
        "solo: {what}",
    ),
    "restyle": (
        "Change {what} to {to}{end}.",
        "Change the sound of '{what}' to '{to}'{end}.",
        "change {what} into {to}",
        "Replace {the} with {to}{end}.",
        "Replace '{what}' by '{to}'.",
        "Swap {the} for {to}{end}.",
        "Exchange {the} for {to}{end}.",
        "Make {the} {to}.",
        "Make it {to} instead of {what}.",
        "Instead of {what} I want {to}.",
        "Put {to} where {the} is{end}.",
        "Put {to} in the place of {the}{end}.",
        "Convert {the} into {to}{end}.",
        "Transform {the} into {to}{end}.",
        "Let {the} become {to}.",
        "Where there is {what}, let me hear {to}{end}.",
        "The same scene, with {to} for {the}.",
        "Take out {the} and have {to} there{end}.",
        "{the} should be {to}",
        "Not {what} but {to}.",
        "Substitute {to} for {the}{end}.",
        "Could you turn {the} into {to}?",
        "{what} -> {to}",
    ),
}
_ENDS = ("", "", "", "", ", please", " for me", " now")


def instruction(kind: str, what: str, to: str | None = None) -> str:
    """The plain instruction of an edit, in which a model is asked when nobody words it.

    Args:
      kind: "add", "remove", "extract" or "restyle".
      what: the named sound, a noun phrase.
      to: what it becomes, of "restyle".

    Raises:
      ValueError: no such kind, no sound, or `to` where nothing becomes something else.
    """
    if kind not in _PLAIN:
        raise ValueError(f"kind={kind!r}: expected one of {tuple(_PLAIN)}")
    if not what.strip():
        raise ValueError(f"{kind} needs the sound that is meant, such as what='a dog barking'")
    if (kind == "restyle") != bool(to and to.strip()):
        needs = "needs" if kind == "restyle" else "has no"
        raise ValueError(f"{kind} {needs} sound that {what!r} becomes: to={to!r}")
    return _PLAIN[kind].format(what=what.strip(), to=(to or "").strip())


def drawn_instruction(kind: str, what: str, to: str, rng: np.random.Generator) -> str:
    """An instruction in one of many wordings; see `instruction`."""
    plain = instruction(kind, what, to)
    if rng.random() < PLAIN_RATE:
        return plain
    wordings = _WORDINGS[kind]
    wording = wordings[int(rng.integers(len(wordings)))]
    end = _ENDS[int(rng.integers(len(_ENDS)))]
    bare = _without_article(what)
    the = f"the {bare}" if bare != what else what
    text = wording.format(what=what, the=the, bare=bare, to=to, end=end)
    return text if wording[0].islower() else text[0].upper() + text[1:]


def _without_article(phrase: str) -> str:
    article = next((word for word in _ARTICLES if phrase.lower().startswith(word)), "")
    return phrase[len(article) :]
