"""An ExifTool that stops, dies, hangs or talks nonsense costs a photo nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from edit_box import needs_exiftool, opened_box
from pictures import make_jpeg

import exiftool_process
from exiftool_process import ExifTool, find_exiftool

pytestmark = needs_exiftool

TIMEOUT_S = 2.0
# Stands between ExifTool and the program, and passes commands on until one makes a copy.
WRAPPER = """#!/usr/bin/env python3
import ctypes, os, signal, subprocess, sys

def die_with_me():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

tool = subprocess.Popen([{tool!r}, *sys.argv[1:]], stdin=subprocess.PIPE, preexec_fn=die_with_me)

def next_line():
    return sys.stdin.buffer.readline()

def swallow_command():
    for line in iter(next_line, b"-echo4\\n"):
        pass
    tool.stdin.write(b"-ver\\n-echo4\\n")

for line in iter(next_line, b""):
    if line == b"-o\\n" and not os.path.exists({spent!r}):
        open({spent!r}, "w").close()
        with open(next_line().strip(), "wb") as copy:
            copy.write(b"\\xff\\xd8 half")
        {fault}
    else:
        tool.stdin.write(line)
    tool.stdin.flush()
"""
FAULTS = {
    "is stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "is killed": "tool.kill(); os.kill(os.getpid(), signal.SIGKILL)",
    "hangs": "signal.pause()",
    "says that it is done": "swallow_command()",
    "talks nonsense": "sys.stdout.write('{ready' * 9000); sys.stdout.flush(); os._exit(3)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exiftool_that_fails_in_a_write_leaves_the_photo_and_the_wish(
    home: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    root = home / "photos"
    make_jpeg(root / "a.jpg", 1, rating=4)
    wrapper, spent = home / "wrapper", home / "spent"
    wrapper.write_text(WRAPPER.format(tool=find_exiftool(), spent=str(spent), fault=FAULTS[fault]))
    wrapper.chmod(0o755)
    monkeypatch.setattr(exiftool_process, "DEFAULT_TIMEOUT_S", TIMEOUT_S)
    with opened_box(root, workers=1) as box:
        real = box.library.exiftool.find()
        tool = ExifTool(str(wrapper), timeout_s=TIMEOUT_S)
        monkeypatch.setattr(box.library.exiftool, "begun", tool)
        before, photo_id = box.bytes("a.jpg"), box.photo("a.jpg").id
        began = time.monotonic()
        answer = box.library.favorites.rate(photo_id, 5)
        assert time.monotonic() - began < TIMEOUT_S + 8
        assert spent.exists()
        assert box.bytes("a.jpg") == before
        assert (answer.rating, answer.kept_in) == (5, "sidecar")
        assert list(box.hashes()) == ["a.jpg", "a.jpg.xmp"]
        (edit,) = box.library.list_edits()
        assert edit.reason
        monkeypatch.setattr(box.library.exiftool, "begun", real)
        tool.close()
        # The next one is written into the photo, and both places say it.
        box.library.favorites.rate(photo_id, 3)
        box.index()
        assert box.bytes("a.jpg") != before
        assert box.photo("a.jpg").rating == 3
        box.library.favorites.rate(photo_id, 0)
        assert not (root / "a.jpg.xmp").exists()
        assert box.photo("a.jpg").rating is None
