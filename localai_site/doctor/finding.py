"""What a check found, for the person who runs the site; never with a secret in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" → {self.fix}" if self.fix else ""
        return f"{self.level:<8} {self.subject}: {self.text}{fix}"


def ok(subject: str, text: str) -> Finding:
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str, fix: str) -> Finding:
    return Finding(Level.WARNING, subject, text, fix)


def problem(subject: str, text: str, fix: str) -> Finding:
    return Finding(Level.PROBLEM, subject, text, fix)
