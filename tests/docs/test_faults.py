"""Every fault of tests/README.md names tests that are there."""

import re

import pytest

from tests.docs.test_documents import ROOT

PAGE = ROOT / "tests" / "README.md"
ROWS = [line for line in PAGE.read_text().splitlines() if re.match(r"\| (?!fault |---)", line)]
TEST = re.compile(r"(tests/[\w/]+\.py)?(?:::(\w+))?")


def absent(cell: str) -> list[str]:
    """The tests that a cell names and nobody wrote; a file stands for the names after it too."""
    missing, path = [], ""
    for name in cell.split(", "):
        match = TEST.match(name.strip())
        assert match is not None
        path = match[1] or path
        file = ROOT / path
        if not path or not file.is_file():
            missing.append(name)
        elif match[2] and f"def {match[2]}(" not in file.read_text():
            missing.append(name)
    return missing


def test_the_page_has_rows():
    assert len(ROWS) > 100 and all(row.count(" | ") == 2 for row in ROWS)


def test_their_tests_exist():
    tests = [row.strip("| ").split(" | ")[2] for row in ROWS]
    assert [name for cell in tests for name in absent(cell)] == []


@pytest.mark.parametrize(
    ("cell", "missing"),
    [
        ("tests/docs/test_faults.py::test_nothing", 1),
        ("tests/docs/test_nothing.py", 1),
        ("tests/docs/test_faults.py, ::test_their_tests_exist, ::test_nothing", 1),
        ("by hand", 1),
        ("tests/docs/test_faults.py::test_their_tests_exist (slow)", 0),
    ],
)
def test_the_reader_sees(cell: str, missing: int):
    assert len(absent(cell)) == missing
