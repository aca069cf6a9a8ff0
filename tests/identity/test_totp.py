"""One-time codes by time, as RFC 6238 has them, and recovery codes however they are typed.

How it can fail: an app's code is refused, or one of long ago is taken; a code of other digits (Arabic, full-width) or of
another length counts; a recovery code that was read aloud or copied with blanks is another one.
"""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from helpdesk.identity import totp

# RFC 6238, appendix B, SHA-1: the ASCII seed and, of the eight digits there, the last six.
RFC_SEED = base64.b32encode(b"12345678901234567890").decode()
RFC_CODES = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}


@pytest.mark.parametrize(("second", "code"), RFC_CODES.items())
def test_as_the_rfc_has_them(second: int, code: str) -> None:
    now = datetime.fromtimestamp(second, UTC)
    assert totp.step_of(RFC_SEED, code, now) == second // 30


def test_one_step_either_way() -> None:
    at = datetime.fromtimestamp(1111111111, UTC)
    found = {steps: totp.step_of(RFC_SEED, "050471", at + timedelta(seconds=30 * steps)) for steps in range(-3, 4)}
    assert {steps for steps, step in found.items() if step is not None} == {-1, 0, 1}
    assert set(found.values()) == {None, 1111111111 // 30}  # always the step of the code, not of the moment


FULL_WIDTH = "".join(chr(ord(char) + 0xFEE0) for char in "287082")


@pytest.mark.parametrize(
    "code", ["", "0", "00000", "0000000", "000000", "٢٨٧٠٨٢", FULL_WIDTH, "abcdef", "-87082", "\x00"]
)
def test_what_is_none(code: str) -> None:
    assert totp.step_of(RFC_SEED, code, datetime.fromtimestamp(59, UTC)) is None
    assert not totp.is_by_time("٢٨٧٠٨٢")
    assert not totp.is_by_time(FULL_WIDTH)


def test_seeds_are_long_and_different() -> None:
    seeds = {totp.new_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert all(len(base64.b32decode(seed)) == 20 for seed in seeds)


def test_recovery_codes() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == 10
    for code in codes:
        typed = [code, code.lower(), code.replace("-", ""), code.replace("-", " "), f" {code}\n"]
        typed.append(code.replace("0", "O").replace("1", "l"))
        assert {totp.recovery_hash(way) for way in typed} == {totp.recovery_hash(code)}
        assert not totp.is_by_time(totp.tidied(code))
