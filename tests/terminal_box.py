"""The verbs as a terminal runs them, in this process: starting Python takes a second each time."""

from __future__ import annotations

import subprocess

from click.testing import CliRunner

import cli


def run(*words: object, said: bytes = b"") -> subprocess.CompletedProcess[str]:
    """What `./lightkeep WORDS` prints and its exit status, with `said` at standard input."""
    arguments = [str(word) for word in words]
    result = CliRunner(catch_exceptions=False).invoke(cli.main, arguments, input=said)
    return subprocess.CompletedProcess(
        arguments, result.exit_code, result.stdout_bytes.decode(), result.stderr_bytes.decode()
    )
