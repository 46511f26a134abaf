"""Rows of a table are imported when they are asked for."""

import subprocess
import sys

from audiogen_jax.checkpoints import registry
from audiogen_jax.checkpoints.table import Table


def test_rows_are_looked_up_once_and_others_can_be_added():
    table: Table[object] = Table({"a": "json:dumps", "b": 2})
    assert "a" in table and sorted(table) == ["a", "b"] and len(table) == 2
    import json

    assert table["a"] is json.dumps and table["b"] == 2
    table["c"] = 3
    del table["b"]
    assert dict(table) == {"a": json.dumps, "c": 3}


def test_every_row_of_the_registry_exists():
    tables = (
        registry.CODECS,
        registry.GENERATORS,
        registry.LANGUAGE_MODELS,
        registry.PROMPTS,
        registry.FOLDERS,
    )
    for table in tables:
        for kind in table:
            assert not isinstance(table[kind], str)


def test_loading_one_family_imports_no_other():
    script = (
        "import sys, audiogen_jax.checkpoints.registry, audiogen_jax.infer.pipeline\n"
        "sys.exit(any('omni_family' in name or 'thinker' in name for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
