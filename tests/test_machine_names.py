"""machine_names: what others call this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

import machine_names
from machine_names import list_machine_names

FIB_TRIE = """Main:
  +-- 192.168.1.0/24 2 0 2
     |-- 192.168.1.0
        /24 link UNICAST
     |-- 192.168.1.5
        /32 host LOCAL
     |-- 192.168.1.255
        /32 link BROADCAST
     |-- 192.168.1.1
        /32 host UNICAST
"""
IF_INET6 = """fe80000000000000021122fffe334455 02 40 20 80     eth0
20010db8000000000000000000000005 02 40 00 80     eth0
"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text(IF_INET6)
    monkeypatch.setattr(machine_names, "_FAR_AWAY", ())
    return tmp_path


def test_they_are_the_host_name_and_the_addresses_of_its_interfaces(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "NAS.home.lan.")
    assert list_machine_names(proc) == {
        *("nas.home.lan", "nas", "nas.local"),
        *("192.168.1.5", "fe80::211:22ff:fe33:4455", "2001:db8::5"),
    }


def test_a_machine_without_a_name_or_proc_has_no_name_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "")
    monkeypatch.setattr(machine_names, "_FAR_AWAY", ())
    assert list_machine_names(tmp_path / "nowhere") == frozenset()


def test_this_machine_is_asked_and_not_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name server was asked")

    for name in ("getaddrinfo", "gethostbyname", "getfqdn", "gethostbyaddr"):
        monkeypatch.setattr(socket, name, refuse)
    names = list_machine_names()
    assert socket.gethostname().lower().rstrip(".") in names
    assert all(ip_address(name) for name in names if name[0].isdigit() and "." in name)
