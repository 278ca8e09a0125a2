"""Who may come in: the password, sessions and tokens of a library, in DATA_DIR/accounts.json.

The terminal changes that file while a server runs, and the server notices by the file's stamps.
What cannot be read opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from accounts_file import (
    ACCOUNTS_NAME,
    NOTHING,
    Book,
    Session,
    Stamps,
    Token,
    find_stamps,
    hold_book,
    read_book,
    write_book,
)
from errors import AccountsError, InvalidRequestError, NotFoundError, TooManyAttemptsError
from login_throttle import LoginThrottle

SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 1024
SESSION_IDLE_S: Final = 30 * 86_400
_TOUCH_EVERY_S: Final = 86_400
_MOST_SESSIONS: Final = 100
_MOST_TOKENS: Final = 100
_LONGEST_NAME: Final = 64
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in base64

logger = logging.getLogger(__name__)


class Accounts:
    """The accounts of one library. Thread-safe, and safe beside other processes.

    now: seconds since 1970. Every method but the constructor raises `AccountsError` where
    accounts.json is damaged, cannot be read or written, or had a password and has none any more.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        now: Callable[[], float] = time.time,
        throttle: LoginThrottle | None = None,
    ) -> None:
        self._path = data_dir / ACCOUNTS_NAME
        self._now = now
        self._throttle = throttle or LoginThrottle()
        # scrypt takes 32 MB: many at once would use up a small machine.
        self._one_check = threading.Semaphore(1)
        self._known: tuple[Stamps | None, Book] = (None, NOTHING)
        self._had_password = False

    # -- the password --------------------------------------------------------------------------

    def has_password(self) -> bool:
        return self._look().password is not None

    def set_password(self, password: str) -> None:
        """Set the password, and end every session; tokens stay.

        Raises `InvalidRequestError` for one that is too short or too long.
        """
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise InvalidRequestError(
                f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters. "
                "Nothing was changed."
            )
        try:
            password.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequestError("The password holds something that is no letter.") from error
        with self._one_check:
            from werkzeug.security import generate_password_hash  # slow to load, seldom used

            hashed = generate_password_hash(_normalize(password), "scrypt")
        self._change(lambda book: replace(book, password=hashed, sessions=()))

    def remove_password(self) -> None:
        """Have no password any more, and end every session; tokens stay."""
        self._change(lambda book: replace(book, password=None, sessions=()))
        self._had_password = False

    def check_password(self, password: str, address: str) -> bool:
        """Whether this is the password; guesses count as those of `sign_in`, and raise as it."""
        right = self._guess(self._look(), password, address)
        if right:
            self._throttle.succeed(address)
        return right

    def _guess(self, book: Book, password: str, address: str) -> bool:
        if book.password is None:
            return False
        wait_s = self._throttle.begin(address)
        if wait_s > 0:
            raise TooManyAttemptsError(math.ceil(wait_s))
        with self._one_check:
            right = len(password) <= LONGEST_PASSWORD and _is_password(book.password, password)
        if not right:
            logger.warning("a wrong password came from %s", address or "an unknown address")
        return right

    def sign_in(self, password: str, address: str, *, before: str = "") -> str | None:
        """The key of a new session, or None for a wrong password.

        address: where the guess comes from; before: the key that this browser had, which ends.
        Raises `TooManyAttemptsError`, without looking at the password, after too many failures.
        """
        book = self._look()
        if not self._guess(book, password, address):
            return None
        key, added = secrets.token_urlsafe(32), False

        def add(now_book: Book) -> Book:
            nonlocal added
            # Another password may have been set while this one was checked.
            added = now_book.password == book.password
            if not added:
                return now_book
            kept = [one for one in now_book.sessions if one.hash != _digest(before)]
            kept.sort(key=lambda session: session.used_at)
            session = Session(_digest(key), int(self._now()))
            return replace(now_book, sessions=(*kept[1 - _MOST_SESSIONS :], session))

        self._change(add)
        if not added:
            return None
        self._throttle.succeed(address)
        return key

    # -- sessions ------------------------------------------------------------------------------

    def use_session(self, key: str) -> bool:
        """Whether this is the key of a session; one that nobody used for 30 days has ended."""
        if not _KEY.fullmatch(key):
            return False
        hashed = _digest(key)
        for session in self._look().sessions:
            if hmac.compare_digest(session.hash, hashed):
                idle_s = self._now() - session.used_at
                if idle_s > SESSION_IDLE_S:
                    return False
                if idle_s > _TOUCH_EVERY_S:
                    self._touch(hashed)
                return True
        return False

    def _touch(self, hashed: str) -> None:
        used_at = int(self._now())

        def touch(book: Book) -> Book:
            touched = (
                replace(one, used_at=used_at) if one.hash == hashed else one
                for one in book.sessions
            )
            return replace(book, sessions=tuple(touched))

        try:
            self._change(touch)
        except AccountsError as error:  # a full disk ends no session
            logger.warning("the use of a session was not noted: %s", error.message)

    def end_sessions(self) -> None:
        """End all sessions, on every device."""
        self._change(lambda book: replace(book, sessions=()))

    # -- tokens --------------------------------------------------------------------------------

    def list_tokens(self) -> tuple[Token, ...]:
        """The tokens, the oldest first."""
        return self._look().tokens

    def add_token(self, name: str) -> str:
        """A new token; only its hash is kept. Raises `InvalidRequestError` for a bad name."""
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise InvalidRequestError(
                f"The name of a token has 1 to {_LONGEST_NAME} characters that can be printed."
            )
        key = secrets.token_urlsafe(32)
        created_at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")

        def add(book: Book) -> Book:
            if any(token.name == name for token in book.tokens):
                raise InvalidRequestError(
                    f"There is a token {name!r} already, and it cannot be shown again. Revoke it "
                    "first (--revoke), or choose another name."
                )
            if len(book.tokens) >= _MOST_TOKENS:
                raise InvalidRequestError(f"There are {_MOST_TOKENS} tokens; revoke one first.")
            return replace(book, tokens=(*book.tokens, Token(name, _digest(key), created_at)))

        self._change(add)
        return key

    def revoke_token(self, name: str) -> None:
        """Make a token worthless. Raises `NotFoundError` where there is none of that name."""

        def revoke(book: Book) -> Book:
            kept = tuple(token for token in book.tokens if token.name != name)
            if len(kept) == len(book.tokens):
                raise NotFoundError(f"There is no token {name!r}.")
            return replace(book, tokens=kept)

        self._change(revoke)

    def knows_token(self, key: str) -> bool:
        if not _KEY.fullmatch(key):
            return False
        hashed = _digest(key)
        return any(hmac.compare_digest(token.hash, hashed) for token in self._look().tokens)

    # -- the book ------------------------------------------------------------------------------

    def _look(self) -> Book:
        """The book as it is now; read again only where the file is another one."""
        stamps, book = self._known
        now_stamps = find_stamps(self._path)
        if now_stamps is not None and now_stamps == stamps:
            return book
        return self._read()

    def _read(self) -> Book:
        stamps, book = read_book(self._path)
        if book.password is not None:
            self._had_password = True
        elif self._had_password:
            raise AccountsError(
                "The password is gone from the library's data folder while Lightkeep runs, so "
                "nobody is let in. Set one with ./lightkeep password, or start Lightkeep anew to "
                "go on without."
            )
        self._known = (stamps, book)
        return book

    def _change(self, change: Callable[[Book], Book]) -> None:
        """Read, change and write the file with no other process between."""
        with hold_book(self._path):
            _, before = read_book(self._path)
            book = change(before)
            alive_since = self._now() - SESSION_IDLE_S
            alive = tuple(one for one in book.sessions if one.used_at >= alive_since)
            book = replace(book, sessions=alive)
            if book != before:
                write_book(self._path, book)


def _normalize(password: str) -> str:
    """Keyboards write the same letter in different ways."""
    return unicodedata.normalize("NFC", password)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _is_password(hashed: str, password: str) -> bool:
    try:
        from werkzeug.security import check_password_hash  # slow to load, seldom used

        return check_password_hash(hashed, _normalize(password))
    except (ValueError, MemoryError) as error:
        raise AccountsError(
            f"The password that is kept cannot be checked here ({error}). Set it anew: "
            "./lightkeep password"
        ) from error
