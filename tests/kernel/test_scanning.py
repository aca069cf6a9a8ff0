"""clamd's protocol, against a server that speaks it.

How it can fail: it is not there; it hangs up in the middle, before or after the whole was sent; it answers something else,
or without end; the file is beyond its limit and it says so while we still send.
"""

from pathlib import Path

import pytest

from helpdesk.kernel.scanning import Clamd, Finding, NoScanner, ScannerUnavailable, ScanRefused, scanner_for
from tests import clamd


def test_clean_and_infected() -> None:
    with clamd.running() as (url, server):
        scanner = scanner_for(url)
        assert scanner.configured
        assert scanner.scan([b"a", b"b" * 100_000, b"", b"c"]) == Finding(None)
        assert scanner.scan([clamd.EICAR]) == Finding("Eicar-Test-Signature")
        half = len(clamd.EICAR) // 2
        assert scanner.scan([b"x" * 1_000, clamd.EICAR[:half], clamd.EICAR[half:]]) == Finding("Eicar-Test-Signature")
        assert server.scanned[0] == b"a" + b"b" * 100_000 + b"c"


def test_over_a_unix_socket(tmp_path: Path) -> None:
    with clamd.running(tmp_path) as (url, _):
        assert scanner_for(url).scan([clamd.EICAR]) == Finding("Eicar-Test-Signature")


def test_nobody_there(tmp_path: Path) -> None:
    for url in ("tcp://127.0.0.1:9", f"unix://{tmp_path}/nothing"):
        with pytest.raises(ScannerUnavailable):
            Clamd(url).scan([b"x"])


def test_more_than_it_takes() -> None:
    with clamd.running() as (url, _), pytest.raises(ScanRefused):
        Clamd(url).scan(b"x" * 100_000 for _ in range(100))


@pytest.mark.parametrize(
    "answer", [None, b"", b"stream: ", b"UNKNOWN COMMAND\0", b"stream: OK but not quite\0", b"\xff" * 10_000]
)
def test_no_verdict(answer: bytes | None) -> None:
    with clamd.running() as (url, server):
        server.answers.append(answer)
        with pytest.raises(ScannerUnavailable):
            Clamd(url).scan([b"x"])


def test_none_configured() -> None:
    scanner = scanner_for(None)
    assert isinstance(scanner, NoScanner)
    assert not scanner.configured
    with pytest.raises(ScannerUnavailable):
        scanner.scan([b"x"])
