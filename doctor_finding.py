"""One thing that was looked at: how it is, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a thing is."""

    OK = "ok"
    ADVICE = "advice"
    """It works, and could be better."""
    TROUBLE = "trouble"
    """It does not work, or will not for long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, in a word or two; a sentence on it; what to do, empty where nothing."""

    subject: str
    level: Level
    sentence: str
    remedy: str = ""


def ok(subject: str, sentence: str) -> Finding:
    return Finding(subject, Level.OK, sentence)


def advice(subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(subject, Level.ADVICE, sentence, remedy)


def trouble(subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(subject, Level.TROUBLE, sentence, remedy)
