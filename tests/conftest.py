"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_processes import WarmProcesses

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes an hour, unless `-m` names it."""
    if "crash_all" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("crash_all")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def warm_processes() -> Iterator[WarmProcesses]:
    processes = WarmProcesses()
    yield processes
    processes.close()


@pytest.fixture(scope="module", autouse=True)
def _few_starts(request: pytest.FixtureRequest, warm_processes: WarmProcesses) -> Iterator[None]:
    """Workers and ExifTools go from test to test, but in modules marked `own_processes`."""
    if request.node.get_closest_marker("own_processes"):
        yield
        return
    with warm_processes.used():
        yield


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real photos, where there is one."""
    folder = Path(os.environ.get("LIGHTKEEP_TEST_MEDIA", REPOSITORY.parent / "shared" / "media"))
    if not (folder / "expected.json").is_file():
        pytest.skip(f"no real photos at {folder} (LIGHTKEEP_TEST_MEDIA names another folder)")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that no test touches what this user remembers."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "LIGHTKEEP_LIBRARY", "LIGHTKEEP_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return home
