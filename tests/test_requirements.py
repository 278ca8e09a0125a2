"""The lists of packages: compiled, with hashes, and neither more nor less than what is used."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# Name on the registry -> name in an import, where they differ.
IMPORT_NAMES = {
    "prometheus-client": "prometheus_client",
    "axe-playwright-python": "axe_playwright_python",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "pyexiftool": "exiftool",
}
NOT_IMPORTED = {
    "jinja2": "the language of templates/, rendered through Flask",
    "mypy": "run by .ci/run",
    "ruff": "run by .ci/run",
    "pytest-xdist": "a plugin of pytest, used by ./lightkeep test",
    "tzdata": "what zoneinfo reads where the system has no time zones",
    "types-defusedxml": "types for mypy",
}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def read_wanted(name: str) -> set[str]:
    lines = (REPOSITORY / name).read_text().splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-"))]
    return {re.split(r"[<>=]", line)[0] for line in wanted}


def read_locked(name: str) -> dict[str, str]:
    """Package -> its entry: version, marker and hashes."""
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {re.split(r"[=<>\[ ]", line)[0]: line for line in lines}


def list_imported(*patterns: str) -> set[str]:
    """The packages from outside that the matching files import."""
    own = {path.stem for path in REPOSITORY.glob("*.py")} | {"web", "tests", "benchmarks"}
    names: set[str] = set()
    for pattern in patterns:
        for path in REPOSITORY.glob(pattern):
            own.add(path.stem)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.split(".")[0])
    # _typeshed is known to type checkers alone.
    return names - own - sys.stdlib_module_names - {"_typeshed"}


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_wanted_package_is_locked(name: str) -> None:
    assert read_wanted(f"{name}.in") <= read_locked(f"{name}.txt").keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_has_one_version_and_hashes(name: str) -> None:
    for package, entry in read_locked(name).items():
        assert re.match(rf"{re.escape(package)}==[\w.+!]+ ", entry), entry[:60]
        assert HASH.search(entry), package


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_no_address_of_a_machine_stands_in_a_list(name: str) -> None:
    assert "://" not in (REPOSITORY / name).read_text()


def test_both_lists_agree_on_versions() -> None:
    run, dev = read_locked("requirements.txt"), read_locked("requirements-dev.txt")
    assert {name: dev[name] for name in run.keys() & dev.keys()} == {
        name: run[name] for name in run.keys() & dev.keys()
    }


def test_what_the_house_imports_is_what_it_asks_for() -> None:
    wanted = {
        IMPORT_NAMES.get(name, name)
        for name in read_wanted("requirements.in") - NOT_IMPORTED.keys()
    }
    assert list_imported("*.py", "web/**/*.py") == wanted


def test_what_the_tests_import_is_asked_for() -> None:
    wanted = read_wanted("requirements.in") | read_wanted("requirements-dev.in")
    imported = list_imported("tests/**/*.py", "benchmarks/*.py", "packaging/*.py")
    assert imported <= {IMPORT_NAMES.get(name, name) for name in wanted}


def test_no_package_for_tests_is_asked_for_in_vain() -> None:
    wanted = read_wanted("requirements-dev.in") - NOT_IMPORTED.keys()
    imported = list_imported("tests/**/*.py", "benchmarks/*.py", "packaging/*.py")
    assert {IMPORT_NAMES.get(name, name) for name in wanted} <= imported
