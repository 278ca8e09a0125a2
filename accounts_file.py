"""accounts.json as a file: read strictly, written whole, with a lock between processes.

It is 0600. What is not just as it was written here is refused: half a book would be half a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from errors import AccountsError
from whole_file import replace_file

ACCOUNTS_NAME: Final = "accounts.json"
LOCK_NAME: Final = "accounts.lock"
_MOST_BYTES: Final = 1 << 20
_VERSION: Final = 1
_PASSWORD_HASH: Final = re.compile(r"scrypt:\d{1,9}:\d{1,3}:\d{1,3}\$[^$]+\$[0-9a-f]+")
_KEY_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Token:
    """A key for programs, known by its name. created_at: ISO 8601 in UTC; hash: SHA-256."""

    name: str
    hash: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Session:
    """hash: SHA-256 of the cookie; used_at: seconds since 1970, a day old at most in use."""

    hash: str
    used_at: int


@dataclass(frozen=True, slots=True)
class Book:
    """What accounts.json says."""

    password: str | None = None
    sessions: tuple[Session, ...] = ()
    tokens: tuple[Token, ...] = ()


Stamps = tuple[int, int, int, int]
NOTHING: Final = Book()


@contextlib.contextmanager
def hold_book(path: Path) -> Iterator[None]:
    """Nobody else changes the book at `path` meanwhile. Raises `AccountsError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        lock = os.open(path.with_name(LOCK_NAME), flags, 0o600)
    except OSError as error:
        raise _refuse_unwritable(error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def find_stamps(path: Path) -> Stamps | None:
    """What tells one state of the file from another; None where there is no file."""
    try:
        return _stamps_of(os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refuse_unreadable(error) from error


def read_book(path: Path) -> tuple[Stamps | None, Book]:
    """The file's stamps and what it says; no stamps and nothing where there is none.

    Raises `AccountsError` where it is damaged or cannot be read.
    """
    stamps, data = _read_file(path)
    return stamps, NOTHING if stamps is None else _parse(data)


def write_book(path: Path, book: Book) -> None:
    """Replace the file, on the disk when this returns. Raises `AccountsError`."""
    text = json.dumps({"version": _VERSION, **asdict(book)}, indent=1) + "\n"
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise _refuse_unwritable(error) from error


def _refuse_unreadable(error: OSError) -> AccountsError:
    return AccountsError(
        f"{ACCOUNTS_NAME}, which holds the password, cannot be read: {error.strerror}. Nobody is "
        "let in until it can. Your photos are not touched by this."
    )


def _refuse_unwritable(error: OSError) -> AccountsError:
    return AccountsError(
        f"{ACCOUNTS_NAME}, which holds the password, cannot be written: {error.strerror}. "
        "Nothing was changed."
    )


def _refuse_damaged() -> AccountsError:
    return AccountsError(
        f"{ACCOUNTS_NAME}, which holds the password, is damaged. Nobody is let in until it is "
        "mended: move it out of the library's data folder and set a password anew with "
        "./lightkeep password. Your photos are not touched by this."
    )


def _stamps_of(result: os.stat_result) -> Stamps:
    return result.st_ino, result.st_size, result.st_mtime_ns, result.st_ctime_ns


def _read_file(path: Path) -> tuple[Stamps | None, bytes]:
    """The stamps and the bytes of the file; no stamps where there is none. Follows no link."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None, b""
    except OSError as error:
        raise _refuse_unreadable(error) from error
    try:
        result = os.fstat(descriptor)
        if not stat.S_ISREG(result.st_mode):
            raise _refuse_damaged()
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return _stamps_of(result), file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _refuse_unreadable(error) from error
    finally:
        os.close(descriptor)


def _parse(data: bytes) -> Book:
    try:
        values = json.loads(data)
        if len(data) > _MOST_BYTES or values["version"] != _VERSION:
            raise _refuse_damaged()
        password = values["password"]
        if password is not None and not _PASSWORD_HASH.fullmatch(password):
            raise _refuse_damaged()
        sessions = tuple(_parse_session(value) for value in values["sessions"])
        return Book(password, sessions, tuple(_parse_token(value) for value in values["tokens"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refuse_damaged() from error


def _parse_session(value: Any) -> Session:
    if not _KEY_HASH.fullmatch(value["hash"]) or type(value["used_at"]) is not int:
        raise _refuse_damaged()
    return Session(value["hash"], value["used_at"])


def _parse_token(value: Any) -> Token:
    name, hashed, created_at = value["name"], value["hash"], value["created_at"]
    if not _KEY_HASH.fullmatch(hashed) or not isinstance(name, str):
        raise _refuse_damaged()
    datetime.fromisoformat(created_at)
    return Token(name, hashed, created_at)
