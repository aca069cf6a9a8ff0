"""Signed links.

How it can fail: a link to one kind of thing opens another; a bent one is a 500 or opens something; one past its time
opens.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from helpdesk.kernel.errors import Gone, NotFound
from helpdesk.kernel.links import read, sign

KEY = "a signing key"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBJECT = UUID(int=7)
TOKEN = sign(KEY, "offer", SUBJECT, NOW + timedelta(hours=1))


def test_good() -> None:
    assert read(KEY, "offer", TOKEN, NOW) == SUBJECT
    assert read(KEY, "offer", TOKEN, NOW + timedelta(hours=1)) == SUBJECT


def test_past_its_time() -> None:
    with pytest.raises(Gone):
        read(KEY, "offer", TOKEN, NOW + timedelta(hours=1, seconds=1))


@pytest.mark.parametrize(("key", "purpose"), [("another key", "offer"), (KEY, "survey"), (KEY, ""), ("", "offer")])
def test_of_another_key_or_purpose(key: str, purpose: str) -> None:
    with pytest.raises(NotFound):
        read(key, purpose, TOKEN, NOW)


def test_every_bent_character() -> None:
    for place, char in enumerate(TOKEN):
        bent = TOKEN[:place] + ("A" if char != "A" else "B") + TOKEN[place + 1 :]
        try:
            assert read(KEY, "offer", bent, NOW) == SUBJECT, "only bits that stand for nothing may differ"
        except NotFound:
            continue
        assert place == len(TOKEN) - 1


@given(st.text(max_size=80))
def test_any_text(token: str) -> None:
    with pytest.raises(NotFound):
        read(KEY, "offer", token, NOW)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        "x",
        None,
        7,
        [1, 2],
        ["x", 1],
        [SUBJECT.hex],
        [SUBJECT.hex, 1, 2],
        [SUBJECT.hex, "1"],
        [SUBJECT.hex, None],
        [None, 1],
    ],
)
def test_well_signed_nonsense(content: object) -> None:
    token = URLSafeSerializer(KEY, salt="helpdesk.link.offer").dumps(content)
    with pytest.raises(NotFound):
        read(KEY, "offer", str(token), NOW)


def test_fits_into_an_address() -> None:
    assert all(char.isalnum() or char in "._-" for char in TOKEN)
    assert len(TOKEN) < 120
