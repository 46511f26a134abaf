"""What a `tokenizer.json` of others may hold: nothing that takes unbounded time or memory.

The library runs what the file says: replacements that multiply a text, and regular expressions that
backtrack. What T5's, mT5's and our own files have passes, and so do chains that are as tame.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterator

from audiogen_jax.files.jsonl import Row

MOST_IDS = 2**22
_MOST_GROWTH = 1024
"""Of a text by all normalizers together."""
_UNICODE_GROWTH = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18, "BertNormalizer": 4, "Lowercase": 3}
# Characters, or one class that is repeated: matched in linear time, whatever the text.
_ATOM = (
    r"(?:\\[pP]\{\w+\}|\\[sSdDwWnrt]|\\[\\.+*?()\[\]{}|^$]|\[(?:[^\[\]\\]|\\.)+\]"
    r"|[^\\()\[\]{}*+?|.^$])"
)
_LINEAR = re.compile(rf"{_ATOM}+|{_ATOM}(?:[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})")
_NORMALIZERS = frozenset(
    "BertNormalizer ByteLevel Lowercase NFC NFD NFKC NFKD Nmt Precompiled Prepend Replace Sequence "
    "Strip StripAccents".split()
)
_PRE_TOKENIZERS = frozenset(
    "BertPreTokenizer ByteLevel CharDelimiterSplit Digits FixedLength Metaspace Punctuation "
    "Sequence Split UnicodeScripts Whitespace WhitespaceSplit".split()
)
_PARTS = {
    "normalizer": ("normalizers", _NORMALIZERS),
    "pre_tokenizer": ("pretokenizers", _PRE_TOKENIZERS),
}


def check_limits(
    contents: Row, vocab_size: int | None = None, special_tokens: Collection[str] = ()
) -> None:
    """Checks the contents of a `tokenizer.json` before the library reads them.

    Args:
      contents: of the file.
      vocab_size: of the text encoder that is to read the ids; `MOST_IDS` if None.
      special_tokens: that have embeddings of their own, whatever their ids.

    Raises:
      ValueError: a rule may take any time or memory or gives other ids at each call, or an id is
        out of the vocabulary; it is named.
    """
    growth = 1.0
    for part, (chain, allowed) in _PARTS.items():
        for component in _components(contents.get(part), chain, part):
            kind = component.get("type")
            if kind not in allowed:
                raise ValueError(
                    f"{part} {str(kind)[:60]!r} is not known: expected {sorted(allowed)}"
                )
            growth *= _growth(component, part)
    if growth > _MOST_GROWTH:
        raise ValueError(
            f"its normalizers make up to {growth:.3g} characters of one, expected at most "
            f"{_MOST_GROWTH}"
        )
    model = contents.get("model")
    if isinstance(model, dict) and model.get("dropout"):
        raise ValueError(f"dropout={model['dropout']!r}: other ids at each call, expected none")
    most = MOST_IDS if vocab_size is None else min(vocab_size, MOST_IDS)
    for number in _ids(contents, model, special_tokens):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < most:
            raise ValueError(beyond(number, most))


def beyond(number: object, most: int) -> str:
    """The error of a token id that a text encoder does not have."""
    return (
        f"it has the token id {str(number)[:30]}, but the text encoder has ids 0 to {most - 1}: it "
        "is the tokenizer of another one"
    )


def _components(part: object, chain: str, name: str) -> Iterator[Row]:
    """The parts of a chain, one after another."""
    if part is None:
        return
    if not isinstance(part, dict):
        raise ValueError(f"{name} must be an object, got {str(part)[:60]!r}")
    yield part
    if part.get("type") == "Sequence":
        for inner in part.get(chain) or ():
            yield from _components(inner, chain, name)


def _growth(component: Row, part: str) -> float:
    """How many characters it can make of one."""
    kind = component["type"]
    if kind == "Precompiled":
        return _longest_replacement(component.get("precompiled_charsmap"))
    if kind not in ("Replace", "Split"):
        return _UNICODE_GROWTH.get(kind, 1)
    pattern = component.get("pattern")
    if not isinstance(pattern, dict) or len(pattern) != 1:
        raise ValueError(f"{part} {kind}: {str(pattern)[:60]} is no pattern of one String or Regex")
    ((form, text),) = pattern.items()
    text = str(text)
    if form == "Regex" and not _LINEAR.fullmatch(text):
        raise ValueError(
            f"{part} {kind}: the time that the pattern {text[:60]!r} takes has no bound: expected "
            "characters, or one class that is repeated"
        )
    content = len(str(component.get("content", "")))
    # What may be empty matches between all characters.
    return max(1.0, content / len(text)) if form == "String" and text else 1.0 + content


def _longest_replacement(table: str | None) -> float:
    """Of a table of sentencepiece: size of a trie, the trie, replacements that end in a zero."""
    try:
        blob = base64.b64decode(table or "", validate=True)
    except (binascii.Error, TypeError, ValueError) as error:  # of another type, too
        raise ValueError(f"Precompiled: its table is damaged ({error})") from error
    start = 4 + int.from_bytes(blob[:4], "little")
    if blob and start > len(blob):
        raise ValueError("Precompiled: its table is cut short")
    return float(max(1, *map(len, blob[start:].split(b"\0"))))


def _ids(contents: Row, model: object, special_tokens: Collection[str]) -> Iterator[object]:
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        yield from vocabulary.values()
    elif isinstance(vocabulary, list) and vocabulary:
        yield len(vocabulary) - 1
    for token in contents.get("added_tokens") or ():
        if not isinstance(token, dict):
            yield None
        elif token.get("content") not in special_tokens:
            yield token.get("id")
    processor = contents.get("post_processor")
    for steps in [processor, *_steps(processor)]:
        special = steps.get("special_tokens") if isinstance(steps, dict) else None
        for token in special.values() if isinstance(special, dict) else ():
            yield from (token.get("ids") or ()) if isinstance(token, dict) else ()


def _steps(processor: object) -> list[object]:
    steps = processor.get("processors") if isinstance(processor, dict) else None
    return steps if isinstance(steps, list) else []
