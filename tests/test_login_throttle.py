"""login_throttle: guesses wait longer and longer, by address and in all."""

from __future__ import annotations

import pytest

from login_throttle import (
    FORGOTTEN_AFTER_S,
    FREE_OF_ALL,
    FREE_PER_ADDRESS,
    LONGEST_OF_ALL_S,
    LONGEST_PER_ADDRESS_S,
    LoginThrottle,
)


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> LoginThrottle:
    return LoginThrottle(clock)


def test_the_first_guesses_are_free_and_the_delay_then_doubles(
    throttle: LoginThrottle, clock: Clock
) -> None:
    assert [throttle.begin("10.0.0.1") for _ in range(FREE_PER_ADDRESS)] == [0] * FREE_PER_ADDRESS
    for delay in (1, 2, 4, 8, 16):
        assert throttle.begin("10.0.0.1") == delay
        clock.now += delay
        assert throttle.begin("10.0.0.1") == 0


def test_a_guess_that_has_to_wait_does_not_lengthen_the_wait(throttle: LoginThrottle) -> None:
    waits = [throttle.begin("10.0.0.1") for _ in range(50)]
    assert max(waits) == 1


def test_no_wait_is_longer_than_its_bound(throttle: LoginThrottle, clock: Clock) -> None:
    waits = []
    for _ in range(60):
        wait = throttle.begin("10.0.0.1")
        waits.append(wait)
        clock.now += wait
    assert max(waits) == LONGEST_PER_ADDRESS_S


def test_another_address_does_not_wait_until_many_have_failed(
    throttle: LoginThrottle, clock: Clock
) -> None:
    for _ in range(FREE_PER_ADDRESS):
        throttle.begin("10.0.0.1")
    assert throttle.begin("10.0.0.2") == 0
    waits = []
    for number in range(FREE_OF_ALL + 60):
        wait = throttle.begin(f"10.0.1.{number}")
        waits.append(wait)
        clock.now += wait
    assert 0 < max(waits) <= LONGEST_OF_ALL_S


def test_a_right_password_clears_its_address_only(throttle: LoginThrottle) -> None:
    for address in ("10.0.0.1", "10.0.0.2"):
        for _ in range(FREE_PER_ADDRESS - 1):
            throttle.begin(address)
    throttle.begin("10.0.0.1")
    throttle.succeed("10.0.0.1")
    assert throttle.begin("10.0.0.1") == 0
    assert throttle.begin("10.0.0.2") == 0
    assert throttle.begin("10.0.0.2") == 1


def test_failures_are_forgotten_after_a_quiet_hour(throttle: LoginThrottle, clock: Clock) -> None:
    for _ in range(FREE_PER_ADDRESS):
        throttle.begin("10.0.0.1")
    clock.now += FORGOTTEN_AFTER_S + 1
    assert [throttle.begin("10.0.0.1") for _ in range(FREE_PER_ADDRESS)] == [0] * FREE_PER_ADDRESS


def test_one_ipv6_network_is_one_place(throttle: LoginThrottle) -> None:
    waits = [throttle.begin(f"2001:db8::{number:x}") for number in range(FREE_PER_ADDRESS + 1)]
    assert waits[-1] == 1
    assert throttle.begin("2001:db8:0:1::1") == 0


def test_an_ipv4_address_is_the_same_as_ipv6_writes_it(throttle: LoginThrottle) -> None:
    for _ in range(FREE_PER_ADDRESS):
        throttle.begin("::ffff:10.0.0.1")
    assert throttle.begin("10.0.0.1") == 1
    assert throttle.begin("::ffff:10.0.0.2") == 0


def test_a_client_without_an_address_is_one_place_too(throttle: LoginThrottle) -> None:
    waits = [throttle.begin("") for _ in range(FREE_PER_ADDRESS + 1)]
    assert waits[-1] == 1
