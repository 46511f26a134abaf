"""`audiogen evaluate --suite`: a folder of clips, or what a checkpoint makes, to a table."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile, read_clip_files
from audiogen_jax.evaluate.benchmarks.clip_values import (
    Transcripts,
    check_sounds,
    read_scores,
    read_transcripts,
)
from audiogen_jax.evaluate.benchmarks.examples import clips_to_hear
from audiogen_jax.evaluate.benchmarks.generation import Generation, generate
from audiogen_jax.evaluate.benchmarks.judging import judging, sheets_of
from audiogen_jax.evaluate.benchmarks.matching import Matched, match
from audiogen_jax.evaluate.benchmarks.network_answers import (
    load_networks,
    with_answers,
    without_networks,
)
from audiogen_jax.evaluate.benchmarks.options import SuiteOptions
from audiogen_jax.evaluate.benchmarks.protocol import clips_protocol
from audiogen_jax.evaluate.benchmarks.published import published
from audiogen_jax.evaluate.benchmarks.score import score
from audiogen_jax.evaluate.benchmarks.table import benchmark
from audiogen_jax.evaluate.benchmarks.tables import narrow_table, score_table, sources
from audiogen_jax.evaluate.embedders.embedder import Embedder
from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.evaluate.html import check_page, write_html
from audiogen_jax.evaluate.listening.judge import ListeningJudge
from audiogen_jax.evaluate.listening.listen import Answers, Plan, plan, rate
from audiogen_jax.evaluate.listening.load import load_judge
from audiogen_jax.evaluate.markdown import write_markdown
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.report import check_report_path, print_report, write_report
from audiogen_jax.evaluate.suite import Measurement
from audiogen_jax.files.atomic import check_writable
from audiogen_jax.input.prompts import read_prompts

PROTOCOL_FIELDS = ("suite", "options", "audio", "seed", "versions", "hardware", "git_commit")


def read_matched(options: SuiteOptions, audio: str | Path) -> Matched:
    """Reads the lists and pairs what stands in them.

    Args:
      options: name prompts and references.
      audio: the clips.

    Raises:
      OSError, ValueError: a file cannot be read, or ids do not match.
    """
    prompts = None if options.prompts is None else read_prompts(options.prompts)
    references = None if options.references is None else read_clip_files(options.references)
    clips = read_clip_files(audio)
    return match(benchmark(options.suite), clips, prompts, references, options.partial)


def evaluate_suite(
    options: SuiteOptions,
    out: str | Path,
    *,
    generation: Generation | None = None,
    embedders: Mapping[str, Embedder] | None = None,
    judge: ListeningJudge | None = None,
    cache: str | Path = "runs/judge",
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
    html: str | Path | None = None,
    examples: int = 3,
) -> dict[str, object]:
    """Scores clips by a benchmark, writes its table with the protocol, and prints it.

    Args:
      options: what is scored, and how.
      out: the report, `.json`; its tables are written beside it as `.md`.
      generation: what makes the clips where `options` has no `audio`; they are kept beside the
        report, and a start after a stop goes on.
      embedders: by name, in the place of those that `options` names.
      judge: in the place of the one that `options` names.
      cache: folder that keeps the judge's answers.
      report: called with what is done, with how much of it, and with all.
      html: the same report as a page with clips to listen to, `.html`; none is written if None.
      examples: clips that are in the page, of each category where these are scored apart.

    Returns:
      The results as the report holds them.

    Raises:
      OSError, ValueError: see `read_matched` and `score`; an embedder that is not here, or clips
        and a checkpoint both given or both missing.
    """
    out = Path(out)
    check_report_path(out, ".json")
    check_page(html, examples)
    beside, row = out.with_suffix(".md"), benchmark(options.suite)
    check_writable(beside)
    if (options.audio is None) == (generation is None):
        raise ValueError("give --audio, or prompts and a checkpoint that makes clips of them")
    if embedders is None:
        embedders = load_embedders(options.embedders)
    networks = load_networks(options)
    _read_lists(without_networks(options))  # refused before clips are made
    audio, made = options.audio, {}
    if generation is not None:
        if options.prompts is None:
            raise ValueError(f"{options.suite}: a checkpoint needs --prompts to make clips of")
        if options.references is not None:
            read_clip_files(options.references)  # refused before clips are made
        audio = str(out.with_name(f"{out.stem}_clips"))
        made = generate(generation, options.prompts, audio, options.seed, options.partial)
    assert audio is not None
    matched = read_matched(options, audio)
    heard = itertools.count(1)
    total = len(matched.clips) * (1 + len(networks)) + len(matched.references or ())

    def advance() -> None:
        report("listening", next(heard), total)

    asked = options
    options = with_answers(options, networks, matched.clips, out, advance)
    scores, transcripts = _read_lists(options, matched.clips)
    if judge is None and options.judge is not None:
        judge = load_judge(options.judge, options.judge_model)
    failures: Mapping[str, str] = {}
    if judge is not None:
        sheets = sheets_of(row, matched)
        ratings = rate(judge, sheets, Answers(cache, judge), report=partial(report, "judging"))
        scores |= ratings.scores(str(judge.identity["model"]))
        failures = ratings.failures
    measured = score(
        row,
        matched,
        embedders,
        transcripts,
        scores,
        draws=options.draws,
        seed=options.seed,
        advance=advance,
    )
    system = options.system or (
        Path(generation.checkpoint).name if generation else Path(audio).resolve().name
    )
    protocol = {
        "suite": options.suite,
        "options": asked,  # a network in the place of a list hears again when this is reproduced
        **made,
        **clips_protocol(options, matched, measured, audio),
        "embedders": {name: each.identity for name, each in embedders.items()},
        **({"transcripts_model": transcripts.model} if transcripts else {}),
        **({"judge": judging(judge)} if judge else {}),
        "seed": options.seed,
        **environment(),
    }
    results = {
        "system": system,
        "rows": measured.rows,
        "missing": measured.missing,
        "notes": measured.notes,
        "unrated": failures,
        "published": [each for each in published() if each.suite == row.name],
    }
    table = score_table(row, measured, system)
    notes = [*measured.missing, *measured.notes, *_unrated(failures), *sources(row)]
    write_report(out, protocol, {options.suite: results}, PROTOCOL_FIELDS)
    write_markdown(beside, [table], notes)
    print_report([narrow_table(row, measured, system)], notes)
    if html is not None:
        clips = clips_to_hear(row, matched, examples)
        page = Measurement(protocol["benchmark"], {}, [table], "\n".join(notes), clips)
        write_html(html, protocol, {options.suite: page})
    return {options.suite: results}


def plan_judging(options: SuiteOptions, cache: str | Path) -> Plan:
    """What a judge would be sent, without asking it.

    Args:
      options: with `audio`, `judge` and `judge_model`.
      cache: folder that keeps the judge's answers.

    Raises:
      OSError, ValueError: see `read_matched`; or no clips, or no judge, are given.
    """
    if options.audio is None or options.judge is None:
        raise ValueError("a dry run needs --audio and --judge")
    matched = read_matched(options, options.audio)
    judge = load_judge(options.judge, options.judge_model)
    return plan(sheets_of(benchmark(options.suite), matched), Answers(cache, judge))


def load_embedders(names: Sequence[str]) -> dict[str, Embedder]:
    """Embedders by what heads of columns call them: "vggish" of "vggish=FILE".

    Raises:
      ValueError: see `embedders.registry.embedder`.
    """
    kinds = [name.partition("=")[0] for name in names]
    return {
        kind if kinds.count(kind) == 1 else name: embedder(name)
        for kind, name in zip(kinds, names, strict=True)
    }


def _read_lists(
    options: SuiteOptions, clips: Sequence[ClipFile] = ()
) -> tuple[dict[str, Mapping[str, float]], Transcripts | None]:
    """Scores by name, and transcripts.

    Raises:
      OSError, ValueError: a list cannot be read, or is of other sounds than these clips.
    """
    for path in (options.transcripts, *options.scores):
        if path is not None:
            check_sounds(path, clips)
    transcripts = None if options.transcripts is None else read_transcripts(options.transcripts)
    scores: dict[str, Mapping[str, float]] = {}
    for path in options.scores:
        read = read_scores(path)
        if twice := sorted(scores.keys() & read.keys()):
            raise ValueError(f"{path}: {', '.join(twice)} are in another file of scores too")
        scores |= read
    return scores, transcripts


def _unrated(failures: Mapping[str, str]) -> list[str]:
    first = next(iter(failures), None)
    if first is None:
        return []
    return [f"the judge rates {len(failures)} clips not, as {first!r}: {failures[first]}"]
