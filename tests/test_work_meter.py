"""work_meter: what work costs, counted for the operation of the thread that does it."""

from __future__ import annotations

import threading

from work_meter import WorkMeter, measuring, note


def test_work_is_counted_by_kind_with_its_rate() -> None:
    meter = WorkMeter()
    with measuring(meter):
        note("hash", 1.5, files=20, bytes=1_000)
        note("hash", 0.5, files=20, bytes=500)
        note("database", 0.25, calls=2)
    assert meter.as_dict() == {
        "hash": {"files": 40, "bytes": 1_500, "calls": 0, "seconds": 2.0, "files_per_s": 20.0},
        "database": {"files": 0, "bytes": 0, "calls": 2, "seconds": 0.25, "files_per_s": 0.0},
    }


def test_work_outside_of_an_operation_is_nobodys() -> None:
    meter = WorkMeter()
    note("hash", 1.0)
    with measuring(meter):
        pass
    note("hash", 1.0)
    assert meter.as_dict() == {}


def test_each_thread_counts_for_its_own_operation() -> None:
    ours, theirs = WorkMeter(), WorkMeter()

    def work() -> None:
        note("tags", 5.0)
        with measuring(theirs):
            note("tags", 1.0, files=1)

    with measuring(ours):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        note("tags", 2.0, files=2)
    assert ours.as_dict()["tags"]["files"] == 2
    assert theirs.as_dict()["tags"] == {
        "files": 1,
        "bytes": 0,
        "calls": 0,
        "seconds": 1.0,
        "files_per_s": 1.0,
    }
