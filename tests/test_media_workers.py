"""The pool: order, bounds, and what one bad file may cost."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path

import pytest

from errors import PictureError, WorkerCrashedError, WorkerTimeoutError
from job_queue import Priority
from media_workers import BATCHES_AHEAD, WorkerFailure, WorkerPool

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=2, memory_mb=256, file_timeout_s=20) as pool:
        yield pool


# --- what the workers are asked to do ------------------------------------------------


def double(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


def double_unless_bad(numbers: Sequence[int]) -> list[int]:
    for number in numbers:
        if number == 7:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 13:
            raise ValueError("unlucky")
        if number == 21:
            time.sleep(3600)
    return double(numbers)


def answer_too_little(numbers: Sequence[int]) -> list[int]:
    return list(numbers[1:])


def read_null_pointer() -> None:
    ctypes.string_at(0)


def allocate(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def spin() -> None:
    while True:
        pass


def refuse() -> None:
    raise PictureError("It has no pixels.")


class TwoWordError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def raise_what_cannot_travel() -> None:
    raise TwoWordError("does not", "unpickle")


def return_what_cannot_travel() -> Callable[[], int]:
    return lambda: 1


def sleep_and_note(folder: str, seconds: float) -> int:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(seconds)
    return os.getpid()


# --- one call --------------------------------------------------------------------------


def test_a_call_runs_in_another_process(pool: WorkerPool) -> None:
    assert pool.run(os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("function", "args", "cause"),
    [
        (read_null_pointer, (), "SIGSEGV"),
        (os._exit, (3,), "exit status 3"),
        (sys.exit, (4,), "exit status 4"),
        (os.kill, (0, signal.SIGKILL), "SIGKILL"),
        (allocate, (600,), "more memory"),
    ],
)
def test_a_worker_that_dies_costs_only_its_call(
    pool: WorkerPool, function: Callable[..., object], args: tuple[object, ...], cause: str
) -> None:
    # os.kill(0, …) ends the whole process group, which must be the worker's alone.
    with pytest.raises(WorkerCrashedError, match=cause):
        pool.run(function, *args)
    assert pool.run(double, [21]) == [42]


def test_a_call_that_fits_the_memory_limit_is_answered(pool: WorkerPool) -> None:
    assert pool.run(allocate, 100) == 100 << 20


@pytest.mark.parametrize(("function", "args"), [(time.sleep, (3600,)), (spin, ())])
def test_a_hang_is_ended_after_its_time(
    pool: WorkerPool, function: Callable[..., object], args: tuple[object, ...]
) -> None:
    started = time.monotonic()
    with pytest.raises(WorkerTimeoutError, match=r"0\.3 s"):
        pool.run(function, *args, timeout_s=0.3)
    assert time.monotonic() - started < 5
    assert pool.run(double, [1]) == [2]


def test_an_error_of_the_function_keeps_its_type_and_words(pool: WorkerPool) -> None:
    with pytest.raises(PictureError, match="It has no pixels"):
        pool.run(refuse)
    with pytest.raises(FileNotFoundError) as caught:
        pool.run(os.stat, "/no/such/file")
    assert caught.value.errno == 2
    assert "In a worker" in caught.value.__notes__[0]


def test_an_error_or_a_result_that_cannot_be_pickled_is_named(pool: WorkerPool) -> None:
    with pytest.raises(RuntimeError, match="TwoWordError: does not unpickle"):
        pool.run(raise_what_cannot_travel)
    with pytest.raises((AttributeError, RuntimeError), match="lambda"):
        pool.run(return_what_cannot_travel)
    assert pool.run(double, [1]) == [2]


def test_a_worker_killed_while_idle_is_replaced() -> None:
    with WorkerPool(workers=1, memory_mb=256, file_timeout_s=20) as pool:
        first = pool.run(os.getpid)
        os.kill(first, signal.SIGKILL)
        time.sleep(0.1)
        assert pool.run(os.getpid) != first


def test_submit_gives_a_future(pool: WorkerPool) -> None:
    assert pool.submit(double, [4]).result(20) == [8]


def test_a_person_who_waits_comes_before_work_that_waits() -> None:
    with WorkerPool(workers=1, memory_mb=256, file_timeout_s=20) as pool:
        done: list[Priority] = []
        blocker = pool.submit(time.sleep, 0.3)
        calls = []
        for priority in reversed(Priority):
            call = pool.submit(double, [1], priority=priority)
            call.add_done_callback(partial(_note, done, priority))
            calls.append(call)
        blocker.result()
        for call in calls:
            call.result()
    assert done == [Priority.VIEW, Priority.WORK, Priority.AHEAD]


def _note(done: list[Priority], priority: Priority, call: Future[list[int]]) -> None:
    assert call.result() == [2]
    done.append(priority)


def test_limits_are_set_in_every_worker(pool: WorkerPool) -> None:
    with open(f"/proc/{pool.run(os.getpid)}/limits", encoding="ascii") as limits:
        soft = {line[:26].strip(): line[26:47].strip() for line in limits}
    assert soft["Max core file size"] == "0"
    assert soft["Max open files"] == "128"
    assert soft["Max file size"] == str(16 << 20)
    assert 256 << 20 < int(soft["Max address space"]) < 512 << 20
    assert 20 <= int(soft["Max cpu time"]) < 1000


# --- batches ---------------------------------------------------------------------------


def test_batches_keep_the_order(pool: WorkerPool) -> None:
    results = list(pool.map_batches(double, range(103), batch_size=10))
    assert results == [(number, 2 * number) for number in range(103)]


def test_no_items_give_no_results(pool: WorkerPool) -> None:
    assert list(pool.map_batches(double, [])) == []


def test_only_the_guilty_items_of_a_batch_fail() -> None:
    with WorkerPool(workers=2, memory_mb=256, file_timeout_s=1.5) as pool:
        results = dict(pool.map_batches(double_unless_bad, range(40), batch_size=20))
    failures = {n: r.reason for n, r in results.items() if isinstance(r, WorkerFailure)}
    assert list(results) == list(range(40))
    assert failures.keys() == {7, 13, 21}
    assert "SIGSEGV" in failures[7]
    assert "ValueError: unlucky" in failures[13]
    assert "1.5 s" in failures[21]
    assert all(results[n] == 2 * n for n in range(40) if n not in failures)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_item_may_be_given_more_time_than_others(tmp_path: Path, batch_size: int) -> None:
    seconds = [0.0, 2.5, 0.0]
    with WorkerPool(workers=2, memory_mb=256, file_timeout_s=1.5) as pool:

        def run(extra_s: Callable[[tuple[str, float]], float]) -> list[bool]:
            items = [(str(tmp_path), each) for each in seconds]
            results = pool.map_batches(_sleep_batch, items, batch_size=batch_size, extra_s=extra_s)
            return [isinstance(result, WorkerFailure) for _, result in results]

        assert run(lambda item: 5 * item[1]) == [False, False, False]
        if batch_size == 1:
            assert run(lambda item: 0.0) == [False, True, False]


def test_of_items_that_take_long_a_batch_holds_few(pool: WorkerPool) -> None:
    def extra_s(number: int) -> float:
        return 0.5 if number < 10 else 9.0

    results = dict(pool.map_batches(_count_batch, range(12), batch_size=4, extra_s=extra_s))
    assert list(results.values()) == [3] * 9 + [2, 2, 1]


def _count_batch(batch: Sequence[int]) -> list[int]:
    return [len(batch)] * len(batch)


def test_extra_time_is_given_also_when_a_batch_is_repeated_singly(tmp_path: Path) -> None:
    with WorkerPool(workers=1, memory_mb=256, file_timeout_s=0.5) as pool:
        results = dict(
            pool.map_batches(
                _sleep_unless_none,
                [0.9, None],
                batch_size=2,
                extra_s=lambda seconds: 5.0 if seconds else 0.0,
            )
        )
    assert results[0.9] == 0.9
    assert isinstance(results[None], WorkerFailure)


def _sleep_unless_none(batch: Sequence[float | None]) -> list[float]:
    for seconds in batch:
        time.sleep(seconds)  # type: ignore[arg-type]  # None is what goes wrong
    return [seconds for seconds in batch if seconds]


def test_a_function_that_answers_for_too_few_items_is_caught(pool: WorkerPool) -> None:
    results = [result for _, result in pool.map_batches(answer_too_little, [1, 2])]
    assert all(isinstance(result, WorkerFailure) for result in results)


def test_items_are_taken_only_as_results_are_wanted(pool: WorkerPool) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = pool.map_batches(double, numbers(), batch_size=10)
    next(results)
    assert len(taken) <= 10 * (BATCHES_AHEAD * pool.workers + 1) < 1000
    results.close()


def test_closing_the_generator_ends_what_is_under_way(tmp_path: Path) -> None:
    with WorkerPool(workers=2, memory_mb=256, file_timeout_s=60) as pool:
        results = pool.map_batches(
            _sleep_batch, [(str(tmp_path), s) for s in (0, 30, 30, 30, 30)], batch_size=1
        )
        next(results)
        _wait_until(lambda: len(list(tmp_path.iterdir())) >= 2)
        started = time.monotonic()
        results.close()
        assert pool.run(double, [1]) == [2]
        assert time.monotonic() - started < 5


def _sleep_batch(batch: Sequence[tuple[str, float]]) -> list[int]:
    return [sleep_and_note(folder, seconds) for folder, seconds in batch]


# --- the end ---------------------------------------------------------------------------


def test_closing_the_pool_cancels_calls_and_ends_the_workers(tmp_path: Path) -> None:
    pool = WorkerPool(workers=1, memory_mb=256, file_timeout_s=60)
    running = pool.submit(sleep_and_note, str(tmp_path), 60)
    waiting = pool.submit(time.sleep, 60)
    _wait_until(lambda: any(tmp_path.iterdir()))
    worker = int(next(tmp_path.iterdir()).name)
    pool.close()
    pool.close()
    for future in (running, waiting):
        with pytest.raises(CancelledError):
            future.result(5)
    assert not Path(f"/proc/{worker}").exists()
    with pytest.raises(CancelledError):
        pool.run(double, [1])


HANGING_SCRIPT = """
import sys, time
from media_workers import WorkerPool
if __name__ == "__main__":
    print("main runs", flush=True)
    pool = WorkerPool(workers=2, memory_mb=256, file_timeout_s=600)
    import os
    print(pool.run(os.getpid), flush=True)
    pool.run(time.sleep, 600)
"""
UNGUARDED_SCRIPT = """
print("main runs", flush=True)
from media_workers import WorkerPool
import os
pool = WorkerPool(workers=2, memory_mb=256, file_timeout_s=60)
for number in pool.map_batches(sorted, [3, 1], batch_size=1):
    print(number)
"""


@pytest.mark.crash
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "hang.py"
    script.write_text(HANGING_SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "main runs\n"
        parent.stdout.readline()
        _wait_until(lambda: len(_children(parent.pid)) >= 1)
        time.sleep(0.5)  # the second worker may be starting
        workers = _children(parent.pid)
        assert workers
        parent.send_signal(how)
        parent.wait(10)
        _wait_until(lambda: not any(_is_alive(worker) for worker in workers))


@pytest.mark.parametrize("by_stdin", [False, True])
def test_the_main_program_is_not_run_again_by_the_workers(tmp_path: Path, by_stdin: bool) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED_SCRIPT)
    result = subprocess.run(
        [sys.executable, "-" if by_stdin else str(script)],
        input=UNGUARDED_SCRIPT if by_stdin else None,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.splitlines() == ["main runs", "(3, 3)", "(1, 1)"]
    assert result.stderr == ""


def test_many_threads_may_use_one_pool(pool: WorkerPool) -> None:
    answers: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(pool.run(double, [n])))
        for n in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [[2 * n] for n in range(30)]


def _children(pid: int) -> list[int]:
    listing = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True
    )
    return [int(line) for line in listing.stdout.split()]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass within 10 s"
        time.sleep(0.02)


class _StopError(Exception):
    """What a person's cancel raises."""


def test_a_check_that_raises_ends_what_is_under_way_within_a_second(tmp_path: Path) -> None:
    asked = time.monotonic() + 0.5

    def check() -> None:
        if time.monotonic() > asked:
            raise _StopError

    with WorkerPool(workers=1, memory_mb=256, file_timeout_s=60) as pool:
        assert pool.run(os.getpid) != os.getpid()  # the worker has started
        with pytest.raises(_StopError):
            list(pool.map_batches(_sleep_batch, [(str(tmp_path), 30.0)], check=check))
        assert time.monotonic() - asked < 1
        assert list(pool.map_batches(_sleep_batch, [(str(tmp_path), 0.0)]))
        assert time.monotonic() - asked < 10
