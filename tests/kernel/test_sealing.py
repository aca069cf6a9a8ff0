"""Secrets encrypted where they lie.

How it can fail: the secret can be read in the row; a value moved to another row or purpose opens there; one that was
changed, cut or made with another key opens, or fails in a way that nobody catches; two equal secrets look alike.
"""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.sealing import SealBroken, seal, unseal

KEY = "a signing key for tests, long enough for anybody"
ROW = uuid4()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_opens_as_it_was(secret: str) -> None:
    assert unseal(KEY, "purpose", ROW, seal(KEY, "purpose", ROW, secret)) == secret


def test_two_of_one_secret_are_not_alike_and_hold_none_of_it() -> None:
    first, second = (seal(KEY, "purpose", ROW, "JBSWY3DPEHPK3PXP") for _ in range(2))
    assert first != second
    assert b"JBSWY3DPEHPK3PXP" not in first


@pytest.mark.parametrize("other", [("other key", "purpose", ROW), (KEY, "other", ROW), (KEY, "purpose", uuid4())])
def test_opens_nowhere_else(other: tuple[str, str, object]) -> None:
    sealed = seal(KEY, "purpose", ROW, "secret")
    with pytest.raises(SealBroken):
        unseal(*other, sealed)  # type: ignore[arg-type]  # the third is a UUID


def test_changed_or_cut_does_not_open() -> None:
    sealed = seal(KEY, "purpose", ROW, "secret")
    broken = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))]
    for value in [*broken, *(sealed[:length] for length in range(len(sealed))), sealed + b"\0"]:
        with pytest.raises(SealBroken):
            unseal(KEY, "purpose", ROW, value)
