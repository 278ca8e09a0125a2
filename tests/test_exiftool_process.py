"""ExifTool behind a deadline: matching, hangs, deaths, names that are traps."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import exiftool_process
from errors import FileProblem, PictureError
from exiftool_process import BATCH_FILES, ExifTool, find_exiftool
from exiftool_transport import ExifToolFailedError
from metadata import TAGS_READ
from work_meter import WorkMeter, measuring

REPOSITORY = Path(__file__).resolve().parent.parent

# Speaks the protocol and says each file's own path as its maker; over some names it
# misbehaves. It notes every command in the file `log` beside itself.
FAKE = """\
#!{python}
import json, os, sys, time
log = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "log"), "a", buffering=1)
print("start", file=log)
arguments = []
for line in sys.stdin:
    line = line.rstrip("\\n")
    if not line.startswith("-execute"):
        arguments.append(line)
        continue
    paths = [a for a in arguments if a.startswith("/")]
    if "-ver" in arguments:
        print("{version}")
    elif paths:
        print("read", len(paths), file=log)
        for path in paths:
            if "hang" in path:
                time.sleep(60)
            if "die" in path:
                os._exit(1)
            if "flood" in path:
                while True:
                    sys.stdout.write("x" * 65536)
        if any("nonsense" in path for path in paths):
            print("no JSON")
        else:
            shown = [p for p in paths if "silent" not in p]
            answer = [{{"SourceFile": p.replace("spelled", "odd"), "IFD0:Make": p}} for p in shown]
            print(json.dumps(answer))
    post = [a for a in arguments if a.startswith("=")][0].replace("${{status}}", "0")
    print("some warning", file=sys.stderr)
    sys.stderr.write(post + "\\n")
    sys.stderr.flush()
    print("{{ready" + line[len("-execute"):] + "}}", flush=True)
    arguments = []
"""


@pytest.fixture
def make_fake(tmp_path: Path) -> Iterator[Callable[..., ExifTool]]:
    """Makes an `ExifTool` that runs the fake one."""
    made = []

    def make(version: str = "12.57", timeout_s: float = 1.0) -> ExifTool:
        script = tmp_path / "fake" / "exiftool"
        script.parent.mkdir(exist_ok=True)
        script.write_text(textwrap.dedent(FAKE.format(python=sys.executable, version=version)))
        script.chmod(0o755)
        made.append(ExifTool(str(script), timeout_s=timeout_s))
        return made[-1]

    yield make
    for exiftool in made:
        exiftool.close()


@pytest.fixture
def real() -> Iterator[ExifTool]:
    if find_exiftool() is None:
        pytest.skip("ExifTool is not installed")
    exiftool = ExifTool()
    yield exiftool
    exiftool.close()


def make_files(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).write_bytes(b"x")
    return [str(folder / name) for name in names]


def read_log(tmp_path: Path) -> list[str]:
    return (tmp_path / "fake" / "log").read_text().splitlines()


def make_jpeg(path: Path, make: str) -> str:
    exif = Image.Exif()
    exif[0x010F] = make
    Image.new("RGB", (8, 8)).save(path, "JPEG", exif=exif)
    return str(path)


def test_many_files_are_read_in_few_commands(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool = make_fake()
    paths = make_files(tmp_path, *(f"{index}.jpg" for index in range(BATCH_FILES + 10)))
    assert exiftool.read_tags([*paths, paths[0]]) == {path: {"IFD0:Make": path} for path in paths}
    assert exiftool.version == "12.57"
    assert read_log(tmp_path) == ["start", f"read {BATCH_FILES}", "read 10"]


def test_nothing_is_started_before_it_is_needed(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    assert make_fake().read_tags([]) == {}
    assert not (tmp_path / "fake" / "log").exists()


@pytest.mark.parametrize("trap", ["hang", "die", "flood", "nonsense", "silent"])
def test_only_the_guilty_file_is_a_problem(
    trap: str, tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool = make_fake()
    paths = make_files(tmp_path, "a.jpg", f"{trap}.jpg", "c.jpg")
    started = time.monotonic()
    answers = exiftool.read_tags(paths)
    assert time.monotonic() - started < 10
    assert list(answers) == paths
    guilty = answers[paths[1]]
    assert isinstance(guilty, FileProblem)
    assert guilty.path == paths[1]
    assert guilty.reason.startswith("ExifTool cannot read the file")
    assert [answers[paths[0]], answers[paths[2]]] == [
        {"IFD0:Make": paths[0]},
        {"IFD0:Make": paths[2]},
    ]
    assert exiftool.read_tags(paths[:1]) == {paths[0]: {"IFD0:Make": paths[0]}}


def test_an_answer_for_one_file_is_its_own_however_the_name_is_spelled(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    paths = make_files(tmp_path, "a.jpg", "spelled.jpg")
    answers = make_fake().read_tags(paths)
    assert answers[paths[1]] == {"IFD0:Make": paths[1]}


def test_a_killed_process_is_replaced(tmp_path: Path, make_fake: Callable[..., ExifTool]) -> None:
    exiftool = make_fake()
    paths = make_files(tmp_path, "a.jpg", "b.jpg")
    exiftool.read_tags(paths)
    process = exiftool._process
    assert process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    assert exiftool.read_tags(paths) == {path: {"IFD0:Make": path} for path in paths}


def test_commands_and_restarts_are_counted_also_for_the_operation_that_asks(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool, meter = make_fake(), WorkMeter()
    paths = make_files(tmp_path, "a.jpg", "die.jpg", "c.jpg")
    with measuring(meter):
        exiftool.read_tags(paths[:1])
    exiftool.read_tags(paths[:1])
    assert (exiftool.calls, exiftool.restarts) == (2, 0)
    exiftool.read_tags(paths)
    # All three at once, and each for itself.
    assert (exiftool.calls, exiftool.restarts) == (6, 2)
    counted = meter.as_dict()["exiftool"]
    assert (counted["calls"], counted["files"]) == (1, 1)


def test_names_that_could_say_something_else_never_reach_exiftool(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool = make_fake()
    newline, returned = make_files(tmp_path, "a\n-ver.jpg", "b\r.jpg")
    fifo, folder, link = (str(tmp_path / name) for name in ("f.jpg", "d.jpg", "l.jpg"))
    os.mkfifo(fifo)
    os.mkdir(folder)
    os.symlink(returned, link)
    absent = str(tmp_path / "absent.jpg")
    not_utf8 = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")
    Path(not_utf8).write_bytes(b"x")
    refused = [newline, returned, "relative.jpg", "-x.jpg", f"{absent}\0", fifo, folder, link]
    answers = exiftool.read_tags([*refused, absent, not_utf8])
    assert all(isinstance(answer, FileProblem) for answer in answers.values())
    assert not (tmp_path / "fake" / "log").exists()


@pytest.mark.parametrize(("version", "safe"), [("12.37", False), ("12.38", True)])
def test_a_name_ending_in_a_pipe_goes_only_to_a_version_that_does_not_run_it(
    version: str, safe: bool, tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    (path,) = make_files(tmp_path, "touch x |")
    assert isinstance(make_fake(version).read_tags([path])[path], dict) == safe


@pytest.mark.parametrize("version", ["12.14", "nonsense", ""])
def test_an_exiftool_too_old_or_something_else_is_refused(
    version: str, tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool = make_fake(version)
    with pytest.raises(ExifToolFailedError):
        _ = exiftool.version
    (path,) = make_files(tmp_path, "a.jpg")
    assert isinstance(exiftool.read_tags([path])[path], FileProblem)


def test_a_program_that_is_no_exiftool_is_a_problem_of_each_file(tmp_path: Path) -> None:
    exiftool = ExifTool("/bin/true", timeout_s=1)
    (path,) = make_files(tmp_path, "a.jpg")
    assert isinstance(exiftool.read_tags([path])[path], FileProblem)
    exiftool.close()


def test_many_threads_may_read_at_once_and_end_before_the_process(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool = make_fake(timeout_s=10)
    paths = make_files(tmp_path, *(f"{index}.jpg" for index in range(8)))
    answers: dict[str, object] = {}

    def read(path: str) -> None:
        answers.update(exiftool.read_tags([path]))

    threads = [threading.Thread(target=read, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
        thread.join() if thread is threads[0] else None
    for thread in threads:
        thread.join()
    assert answers == {path: {"IFD0:Make": path} for path in paths}
    assert read_log(tmp_path).count("start") == 1


def test_the_process_ends_when_its_owner_is_killed(
    tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    make_fake()
    script = str(tmp_path / "fake" / "exiftool")
    code = (
        "import sys, time; from exiftool_process import ExifTool\n"
        f"tool = ExifTool({script!r}); tool.version\n"
        "print(tool._process._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    child = int(owner.stdout.readline())
    assert _is_running(child)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 5
    while _is_running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(child)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_closing_twice_is_harmless(tmp_path: Path, make_fake: Callable[..., ExifTool]) -> None:
    exiftool = make_fake()
    exiftool.read_tags(make_files(tmp_path, "a.jpg"))
    exiftool.close()
    exiftool.close()
    with pytest.raises(RuntimeError):
        exiftool.read_tags(make_files(tmp_path, "a.jpg"))


def test_exiftool_is_found_by_the_variable_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path, chosen = tmp_path / "bin" / "exiftool", tmp_path / "other" / "tool"
    for program in (on_path, chosen):
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho 12.57\n")
        program.chmod(0o755)
    monkeypatch.setattr(exiftool_process, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.delenv("LIGHTKEEP_EXIFTOOL", raising=False)
    assert find_exiftool() == str(on_path)
    monkeypatch.setenv("LIGHTKEEP_EXIFTOOL", str(chosen))
    assert find_exiftool() == str(chosen)
    monkeypatch.setenv("LIGHTKEEP_EXIFTOOL", str(tmp_path / "absent"))
    assert find_exiftool() == str(on_path)
    on_path.rename(tmp_path / "bundled")
    assert find_exiftool() == str(tmp_path / "bundled")
    (tmp_path / "bundled").unlink()
    assert find_exiftool() is None
    with pytest.raises(FileNotFoundError):
        ExifTool()


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\necho 12.14\n",
        "#!/bin/sh\necho nonsense\n",
        "#!/bin/sh\n",
        "#!/bin/sh\necho 12.57; exit 2\n",
        "#!/no/such/perl\n",
        "no program at all",
    ],
)
def test_an_exiftool_that_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "exiftool"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setattr(exiftool_process, "BUNDLED", tmp_path / "absent")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("LIGHTKEEP_EXIFTOOL", str(program))
    assert find_exiftool() is None
    time.sleep(0.01)  # a repaired program is another file to look at
    program.write_text("#!/bin/sh\necho 12.57\n")
    assert find_exiftool() == str(program)


def test_a_preview_is_a_jpeg_or_nothing() -> None:
    jpeg = b"\xff\xd8\xff\xe0rest"
    packed = "base64:" + base64.b64encode(jpeg).decode()
    assert exiftool_process._decode_jpeg(packed) == jpeg
    png = "base64:" + base64.b64encode(b"\x89PNG\r\n").decode()
    for value in (png, packed[:-3], packed[7:], "base64:", "base64:é", "", 5, None, ["x"]):
        assert exiftool_process._decode_jpeg(value) == b""


@pytest.mark.parametrize("trap", ["hang", "die", "flood", "nonsense"])
def test_a_preview_over_which_exiftool_fails_is_refused_in_words(
    trap: str, tmp_path: Path, make_fake: Callable[..., ExifTool]
) -> None:
    exiftool = make_fake()
    bad, silent, fine = make_files(tmp_path, f"{trap}.dng", "silent.dng", "a.dng")
    with pytest.raises(PictureError, match="ExifTool cannot read the file"):
        exiftool.extract_preview(bad)
    assert exiftool.extract_preview(silent) is None
    assert exiftool.extract_preview(fine) is None
    with pytest.raises(PictureError, match="no regular file"):
        exiftool.extract_preview(str(tmp_path))


# -- the real one ----------------------------------------------------------------------------


def test_the_real_exiftool_tells_twins_in_two_spellings_apart(
    tmp_path: Path, real: ExifTool
) -> None:
    names = [
        unicodedata.normalize("NFC", "é.jpg"),
        unicodedata.normalize("NFD", "é.jpg"),
        " leading space.jpg",
        "#hash.jpg",
        "-ver.jpg",
        "trailing space ",
        "100% $HOME `ls` *?.jpg",
        "tab\there.jpg",
        'quote".jpg',
    ]
    paths = [make_jpeg(tmp_path / name, f"Maker {index}") for index, name in enumerate(names)]
    answers = real.read_tags(paths)
    for index, path in enumerate(paths):
        tags = answers[path]
        assert isinstance(tags, dict)
        assert tags["IFD0:Make"] == f"Maker {index}"
        assert tags["File:ImageWidth"] == 8
        assert tags.keys() <= set(TAGS_READ)


def test_the_real_exiftool_says_which_file_is_no_picture(tmp_path: Path, real: ExifTool) -> None:
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    good = make_jpeg(tmp_path / "good.jpg", "Acme")
    answers = real.read_tags([str(empty), good])
    assert isinstance(answers[str(empty)], FileProblem)
    assert isinstance(answers[good], dict)


def test_no_configuration_of_the_person_is_run(
    tmp_path: Path, real: ExifTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    witness = tmp_path / "witness"
    (home / ".ExifTool_config").write_text(f'open(my $f, ">", "{witness}"); 1;\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("EXIFTOOL_HOME", str(home))
    monkeypatch.setenv("PERL5OPT", "-MNoSuchModule")
    path = make_jpeg(tmp_path / "a.jpg", "Acme")
    assert isinstance(real.read_tags([path])[path], dict)
    assert not witness.exists()
    if shutil.which("exiftool") == find_exiftool():
        monkeypatch.delenv("PERL5OPT")
        subprocess.run(["exiftool", "-ver"], check=True, stdout=subprocess.DEVNULL)
        assert witness.exists(), "the configuration would not have been run anyway"
