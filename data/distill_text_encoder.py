"""Trains a small T5 encoder to say of texts what a sentence encoder says.

    python -m data.distill_text_encoder --teacher all-MiniLM-L6-v2 --texts corpus.txt \\
        --tokenizer datasets/tokenizer.json --out datasets/text_encoder

A text encoder that learns from a few hundred captions alone knows none but their words; this one
places "rotor blades chopping the air" beside "a helicopter" before it has heard either. Words are
matched, each by the mean state of its tokens, and the mean over the words (both by cosine). The
text tokenizers may differ. The result is a frozen or a first `text_encoder` of a generator. It goes
on where it was stopped, from `OUT/training.msgpack`.
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tokenizers
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.checkpoints.t5 import save_t5
from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.layers.apply import apply
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import Params
from data.minilm import WIDTH, Weights, hidden_states, load_teacher

SIZES = dict(d_model=256, d_kv=64, d_ff=768, num_layers=6, num_heads=4)
_TAG = r"<\|\w+\|>"
_WORD = re.compile(rf"{_TAG}|(\w+)")


class Words(NamedTuple):
    """Tokens of texts, and the words that they are of.

    Attributes:
      ids: of the tokens.
      mask: True at tokens.
      share: of each token in the mean of each word.
    """

    ids: Int[Array | np.ndarray, "b l"]
    mask: Bool[Array | np.ndarray, "b l"]
    share: Float[Array | np.ndarray, "b w l"]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of a batch.

    Attributes:
      texts: b.
      words: w; texts are cut after them.
      tokens: l, of both tokenizers; a batch is filled up to the smallest that holds it, and cut at
        the largest.
      sorted: batches whose texts are sorted by length, so that little is filled up.
    """

    texts: int = 256
    words: int = 24
    tokens: tuple[int, ...] = (24, 48)
    sorted: int = 16


def read_words(
    texts: Sequence[str], encodings: Sequence[tokenizers.Encoding], tokens: int, words: int
) -> Words:
    """Tokens by word, tags apart; a token that reaches over an edge is of both words.

    Args:
      texts: b.
      encodings: of each.
      tokens: l, longer texts are cut.
      words: w, more are left out.
    """
    ids = np.zeros((len(texts), tokens), np.int32)
    mask = np.zeros((len(texts), tokens), bool)
    share = np.zeros((len(texts), words, tokens), np.float32)
    for row, encoding in enumerate(encodings):
        count = min(len(encoding.ids), tokens)
        ids[row, :count], mask[row, :count] = encoding.ids[:count], True
        spans = (word.span() for word in _WORD.finditer(texts[row]) if word[1])
        for number, (first, last) in zip(range(words), spans, strict=False):
            inside = [
                token
                for token, (start, end) in enumerate(encoding.offsets[:count])
                if start < last and end > first
            ]
            share[row, number, inside] = 1 / max(len(inside), 1)
    return Words(ids, mask, share)


def word_loss(
    student: Float[Array, "b l d"],
    words: Words,
    teacher: Float[Array, "b m d"],
    teacher_words: Words,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """1 - cosine of words, and of the mean over words, of texts."""
    known = (words.share.sum(-1) > 0) & (teacher_words.share.sum(-1) > 0)
    given = jnp.einsum("bwl,bld->bwd", words.share, student)
    wanted = jnp.einsum("bwl,bld->bwd", teacher_words.share, teacher)
    word = jnp.where(known, _cosine(given, wanted), 0).sum() / known.sum()
    means = [jnp.where(known[:, :, None], x, 0).sum(axis=1) for x in (given, wanted)]
    text = _cosine(*means).mean()
    return 2 - word - text, {"word": word, "text": text}


def _cosine(a: Float[Array, "*b d"], b: Float[Array, "*b d"]) -> Float[Array, "*b"]:
    # The norm of nothing has no gradient, so that a little is added.
    squares = (jnp.square(a).sum(-1) + 1e-12) * (jnp.square(b).sum(-1) + 1e-12)
    return (a * b).sum(-1) * jax.lax.rsqrt(squares)


def distill(
    texts: Sequence[str],
    teacher: tuple[Weights, tokenizers.Tokenizer],
    tokenizer: tokenizers.Tokenizer,
    steps: int,
    saved: Path,
    seed: int = 0,
    sizes: Sizes = Sizes(),
    learning_rate: float = 1e-3,
    workers: int = 1,
    every: int = 100,
) -> tuple[T5Config, Params]:
    """The student after some steps, and its configuration.

    Tags such as `<|sfx|>` are shown to the student alone: the teacher never saw any.

    Args:
      texts: drawn from.
      teacher: its weights and tokenizer.
      tokenizer: of the student.
      steps: of the training.
      saved: where the training stands, written as it goes and read at the start.
      seed: of the first parameters and of the draws.
      sizes: of batches.
      learning_rate: at its highest.
      workers: processes that tokenize ahead.
      every: steps between two saves.
    """
    weights, teacher_tokenizer = jax.device_put(teacher[0]), teacher[1]
    config = T5Config(vocab_size=tokenizer.get_vocab_size(with_added_tokens=True), **SIZES)
    encoder = T5Encoder(config)
    key, head_key = jax.random.split(jax.random.key(seed))
    ids = jnp.zeros((1, 2), jnp.int32)
    params = {
        "encoder": encoder.init(key, ids, jnp.ones((1, 2), bool))["params"],
        "head": jax.random.normal(head_key, (config.d_model, WIDTH)) / config.d_model**0.5,
    }
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, steps // 20, steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98))

    def loss(params: Params, words: Words, target: Array, target_words: Words):
        states = apply(encoder, params["encoder"], words.ids, words.mask)
        return word_loss(states @ params["head"], words, target, target_words)

    @jax.jit
    def step_fn(
        weights: Weights, params: Params, state: optax.OptState, words: Words, target_words: Words
    ):
        target = hidden_states(weights, target_words.ids, target_words.mask)
        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(
            params, words, jax.lax.stop_gradient(target), target_words
        )
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, metrics

    state, first = optimizer.init(params), 0
    if saved.is_file():
        saved_state: Any = flax.serialization.from_bytes(  # a pytree like the first argument
            (state, params, first), saved.read_bytes()
        )
        state, params, first = saved_state
    since = time.monotonic()
    draw = _Draw(texts, (tokenizer.to_str(), teacher_tokenizer.to_str()), seed, sizes)
    batches = _ahead(draw, range(first, steps), workers)
    for step, (words, target_words) in enumerate(batches, first + 1):
        params, state, metrics = step_fn(weights, params, state, words, target_words)
        if step % every == 0 or step == steps:
            write_bytes(saved, flax.serialization.to_bytes((state, params, step)))
            rate = (step - first) / (time.monotonic() - since)
            print(
                f"step {step} of {steps}: word {metrics['word']:.4f}, text {metrics['text']:.4f}, "
                f"{rate:.2f} steps/s",
                flush=True,
            )
    return config, params["encoder"]


@dataclasses.dataclass(frozen=True)
class _Draw:
    """The batch of a step, a pure function of its number; see `distill` for the rest."""

    texts: Sequence[str]
    tokenizers: tuple[str, str]
    seed: int
    sizes: Sizes

    def __call__(self, number: int) -> tuple[Words, Words]:
        batch, sizes = self._texts(number), self.sizes
        both = batch, [re.sub(_TAG, " ", text) for text in batch]
        encodings = [
            _tokenizer(name).encode_batch(texts)
            for name, texts in zip(self.tokenizers, both, strict=True)
        ]
        longest = max(len(encoding.ids) for each in encodings for encoding in each)
        width = next((tokens for tokens in sizes.tokens if tokens >= longest), sizes.tokens[-1])
        student, teacher = (
            read_words(texts, each, width, sizes.words)
            for texts, each in zip(both, encodings, strict=True)
        )
        return student, teacher

    def _texts(self, number: int) -> list[str]:
        """Of a larger draw, those of about one length."""
        texts, sizes = self.texts, self.sizes
        draw, position = divmod(number, sizes.sorted)
        rng = np.random.default_rng((self.seed, draw))
        drawn = rng.integers(len(texts), size=(sizes.texts * sizes.sorted,))
        by_length = sorted(drawn.tolist(), key=lambda row: (len(texts[row]), row))
        rows = np.reshape(by_length, (sizes.sorted, sizes.texts))
        return [texts[int(row)] for row in rows[rng.permutation(sizes.sorted)[position]]]


_tokenizer = functools.lru_cache(maxsize=2)(tokenizers.Tokenizer.from_str)


def _ahead(draw: _Draw, numbers: Sequence[int], workers: int) -> Iterator[tuple[Words, Words]]:
    """The batches of these numbers in order, from processes that work ahead."""
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(
            ProcessPoolExecutor(workers, context, initializer=_set_draw, initargs=(draw,))
        )
        waiting: collections.deque[Future] = collections.deque()
        for number in numbers:
            waiting.append(pool.submit(_draw_in_worker, number))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _set_draw(draw: _Draw) -> None:
    _worker.append(draw)


def _draw_in_worker(number: int) -> tuple[Words, Words]:
    return _worker[0](number)


_worker: list[_Draw] = []
"""Of a process that draws."""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m data.distill_text_encoder", description=__doc__
    )
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="one text a line")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="tokenizer.json of the student"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the text encoder")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=100, help="steps between two saves")
    parser.add_argument("--workers", type=int, default=1, help="processes that tokenize ahead")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        texts = [line for path in args.texts for line in path.read_text().splitlines() if line]
        tokenizer = tokenizers.Tokenizer.from_file(str(args.tokenizer))
        teacher, saved = load_teacher(args.teacher), args.out / "training.msgpack"
        config, params = distill(
            texts,
            teacher,
            tokenizer,
            args.steps,
            saved,
            args.seed,
            workers=args.workers,
            every=args.every,
        )
        save_t5(args.out, config, jax.device_get(params))
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
