"""Pure: how long the next guess at the password has to wait after those that failed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

FREE_PER_ADDRESS: Final = 5
LONGEST_PER_ADDRESS_S: Final = 900.0
FREE_OF_ALL: Final = 50
LONGEST_OF_ALL_S: Final = 30.0  # short: a stranger's guesses must not lock the owner out
FORGOTTEN_AFTER_S: Final = 3600.0
_MOST_ADDRESSES: Final = 1000
_MOST_DOUBLINGS: Final = 20


@dataclass(slots=True)
class _Gate:
    """Failures in a row, and until when (monotonic seconds) no further guess is taken."""

    free: int
    longest_s: float
    failures: int = 0
    last: float = 0.0
    closed_until: float = 0.0

    def count(self, now: float) -> None:
        if now - self.last > FORGOTTEN_AFTER_S:
            self.failures = 0
        self.failures += 1
        self.last = now
        over = self.failures - self.free
        if over >= 0:
            delay = min(self.longest_s, 2.0 ** min(over, _MOST_DOUBLINGS))
            self.closed_until = now + delay


class LoginThrottle:
    """Two delays that double with every failure: one an address, one for all. Thread-safe.

    `clock` gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of_all = _Gate(FREE_OF_ALL, LONGEST_OF_ALL_S)
        self._gates: OrderedDict[str, _Gate] = OrderedDict()

    def begin(self, address: str) -> float:
        """Count a guess, as failed until `succeed` is called; 0, or the seconds it has to wait.

        A guess that has to wait is not counted. To count before the check keeps a hundred
        guesses at once from being looked at before the first has failed.
        """
        now = self._clock()
        key = _name_neighborhood(address)
        with self._lock:
            gate = self._gates.pop(key, None) or _Gate(FREE_PER_ADDRESS, LONGEST_PER_ADDRESS_S)
            self._gates[key] = gate
            if len(self._gates) > _MOST_ADDRESSES:
                self._gates.popitem(last=False)
            wait = max(gate.closed_until, self._of_all.closed_until) - now
            if wait > 0:
                return wait
            gate.count(now)
            self._of_all.count(now)
            return 0.0

    def succeed(self, address: str) -> None:
        """The guess that was begun last from this address was right."""
        with self._lock:
            self._gates.pop(_name_neighborhood(address), None)
            self._of_all.failures = max(0, self._of_all.failures - 1)
            self._of_all.closed_until = 0.0


def _name_neighborhood(address: str) -> str:
    """What counts as one place: an IPv4 address, or the 64 bits that one IPv6 network shares."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or int(parsed) >> 64)
