"""The benchmarks of `audiogen evaluate --suite`, one row each."""

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark, Column

UNSTATED = "as published"
"""A network that a publication does not name, so that no other number stands in its column."""
_GENERATION = (
    Column("frechet", "vggish"),
    Column("frechet", "cnn14"),
    Column("kl_softmax", UNSTATED),
    Column("clap", UNSTATED),
)
_MECAT = ("00A", "0M0", "S00", "0MA", "S0A", "SM0", "SMA")
_SPEAKS = tuple(category for category in _MECAT if "S" in category)
_DASHENG = "Dasheng AudioGen, arXiv:2605.27838; MiDashengLM-Gen, arXiv:2608.11804, tables 3 to 8"

_ALL = (
    Benchmark(
        name="audiocaps",
        source=f"AudioCaps test set (Kim et al. 2019). {_DASHENG}",
        columns=(*_GENERATION, Column("inception", UNSTATED)),
        sample_rate=16000,
        seconds=10.0,
    ),
    Benchmark(
        name="musiccaps",
        source=f"MusicCaps (Agostinelli et al. 2023, arXiv:2301.11325). {_DASHENG}",
        columns=_GENERATION,
        sample_rate=16000,
        seconds=10.0,
    ),
    Benchmark(
        name="libritts",
        source=f"LibriTTS test-clean (Zen et al. 2019, arXiv:1904.02882). {_DASHENG}",
        columns=(Column("wer", UNSTATED), Column("score:utmosv2")),
        sample_rate=16000,
        seconds=None,
    ),
    Benchmark(
        name="seedtts",
        source="Seed-TTS-Eval (Anastassiou et al. 2024, arXiv:2406.02430)",
        columns=(
            Column("wer", "whisper-large-v3", ("EN",)),
            Column("cer", "paraformer-zh", ("ZH",)),
            Column("speaker", "wavlm-large-sv"),
        ),
        sample_rate=16000,
        seconds=None,
        categories=("EN", "ZH"),
    ),
    Benchmark(
        name="mecat",
        source=f"MECAT (Niu et al. 2025, arXiv:2507.23511), its captions as prompts. {_DASHENG}",
        columns=(
            *_GENERATION,
            Column("wer", UNSTATED, _SPEAKS),
            Column("score:utmosv2", categories=_SPEAKS),
            Column("score:pafi"),
        ),
        sample_rate=16000,
        seconds=10.0,
        categories=_MECAT,
    ),
    Benchmark(
        name="mmag",
        source="MMAG, arXiv:2608.06900, main set",
        columns=(
            Column("frechet", "cnn14"),
            Column("kl_softmax", UNSTATED),
            Column("inception", UNSTATED),
            Column("clap", UNSTATED),
            Column("wer", UNSTATED),
            Column("leakage", UNSTATED),
            Column("score:utmosv2"),
            Column("score:audiobox_pc"),
            Column("score:audiobox_pq"),
            Column("score:anyaudio_judge"),
            Column("score:speech_f1"),
            Column("score:sound_f1"),
        ),
        sample_rate=16000,
        seconds=10.0,
    ),
    Benchmark(
        name="tta-bench",
        source="TTA-Bench (Wang et al. 2025, arXiv:2509.02398)",
        columns=(
            Column("clap", "msclap"),
            Column("score:audiobox_ce"),
            Column("score:audiobox_cu"),
            Column("score:audiobox_pc"),
            Column("score:audiobox_pq"),
        ),
        sample_rate=16000,
        seconds=10.0,
        own_categories=True,
    ),
    Benchmark(
        name="audioedit",
        source="AudioEdit test set, Audio-Omni, arXiv:2604.10708",
        columns=(
            Column("frechet", "vggish"),
            Column("score:lsd"),
            Column("log_spectral"),
            Column("clap", UNSTATED),
        ),
        sample_rate=16000,
        seconds=10.0,
        categories=("add", "remove", "extract", "style"),
    ),
)
BENCHMARKS = {benchmark.name: benchmark for benchmark in _ALL}


def benchmark(name: str) -> Benchmark:
    """The benchmark of a name.

    Raises:
      ValueError: there is none.
    """
    if name not in BENCHMARKS:
        raise ValueError(f"suite {name!r}: expected nano or one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
