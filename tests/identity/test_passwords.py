"""Which passwords will do, and their hashes.

How it can fail: one that everybody tries first is taken because figures were put behind it; a good one is refused, or one
in another script; two spellings of one text are two passwords; somebody's own name is taken.
"""

import pytest

from helpdesk.identity.passwords import fits, hashed, weakness
from tests.identity.doors import PASSWORD, REAL_HASHER, known_hash

OWN = ("ana.souza@example.com", "Ana Souza")


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "quiet-otter-juggles-71",
        "purple otters juggle",
        "tq8#kkL0-pw2z",
        "我的猫在冬天喜欢喝热牛奶",
        "мой кот любит тёплое молоко",
        "🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧",
        " blanks count, at both ends ",
        "password manager of my aunt",
        "x" * 3 + "olive grove at night" * 5,
    ],
)
def test_good(password: str) -> None:
    assert weakness(password, OWN) is None


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "eleven char",
        "ana souza has a red bicycle",
        "xy-Souza-violin-42",
        "plum 4na.50uz4 harbour",
        "to:ana.souza@example.com!",
        "a" * 129,
        "e\u0301" * 11,  # eleven characters after NFC
        "password1234",
        "Password123!!",
        "P@ssw0rd!2024",
        "p.a.s.s.w.o.r.d",
        "passwordpassword",
        "PASSWORDpassword1",
        "".join(chr(ord(char) + 0xFEE0) for char in "password1234"),  # full-width
        "letmein!!!!!",
        "iloveyou1234",
        "Welcome2024!!",
        "Helpdesk2026!",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "qwertyuiop12",
        "poiuytrewq09",
        "123456789012",
        "098765432109",
        "112233445566",
        "abcdefghijkl",
        "zyxwvutsrqpo",
        "aaaaaaaaaaaa",
        "abababababab",
        "            ",
        "漢字漢字漢字漢字漢字漢字",
        "!@#$%^&*()_+",
        "correct horse battery staple",
        "ana.souza@example.com",
        "Ana Souza 2026!",
        "anasouza12345",
        "ana.souzaana.souza",
        "example123456",
    ],
)
def test_weak(password: str) -> None:
    assert weakness(password, OWN) is not None


def test_fits_its_hash_and_no_other() -> None:
    assert fits(known_hash(), PASSWORD)
    for wrong in (PASSWORD.upper(), PASSWORD + " ", "", PASSWORD[:-1]):
        assert not fits(known_hash(), wrong)
    assert not fits(None, PASSWORD)


def test_two_hashes_of_one_password_differ() -> None:
    assert hashed(PASSWORD) != known_hash()


def test_hashes_cost_what_owasp_recommends() -> None:
    made = REAL_HASHER.hash(PASSWORD)
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert fits(made, PASSWORD)
