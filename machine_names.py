"""The names and addresses under which others reach this machine."""

from __future__ import annotations

import contextlib
import re
import socket
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/net")
_OWN_V4: Final = re.compile(r"\|-- ([\d.]+)\n\s*/32 host LOCAL")
# Addresses that stand for a documented example: to connect a datagram socket sends nothing.
_FAR_AWAY: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def list_machine_names(proc: Path = _PROC) -> frozenset[str]:
    """The host name, `name.local`, and every address of an interface, as text in lower case.

    Asks the system alone, never the network: a name server that is down would take seconds.
    """
    name = socket.gethostname().lower().rstrip(".")
    short = name.partition(".")[0]
    names = {name, short, f"{short}.local"} if short else set[str]()
    return frozenset(names | _list_v4(proc) | _list_v6(proc) | _list_outgoing())


def _list_v4(proc: Path) -> set[str]:
    with contextlib.suppress(OSError):
        return set(_OWN_V4.findall((proc / "fib_trie").read_text()))
    return set()


def _list_v6(proc: Path) -> set[str]:
    with contextlib.suppress(OSError):
        lines = (proc / "if_inet6").read_text().splitlines()
        return {str(IPv6Address(int(line.split()[0], 16))) for line in lines}
    return set()


def _list_outgoing() -> set[str]:
    """The addresses that packets to elsewhere would carry, for a system without /proc."""
    found = set()
    for family, address in _FAR_AWAY:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            found.add(str(probe.getsockname()[0]))
    return found
