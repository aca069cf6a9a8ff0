"""The import's rules are the API's rules: the fast way and `ComplaintIn` agree on any payload."""

from typing import Any

import marshmallow as ma
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.integrations import validation

_TEXT = st.sampled_from(["x", "", "  ", " padded ", "a\x00b", "e\u0301", "x" * 501]) | st.text(max_size=8)
_ODD: st.SearchStrategy[Any] = st.sampled_from([None, 5, 1.5, True, [], {}, ["x"]])
_MONEY = st.fixed_dictionaries(
    {},
    optional={"amount": st.sampled_from(["1.00", "0", "-1", "x"]), "currency": st.sampled_from(["EUR", "USD", "xx"])},
)
_PERSON = st.fixed_dictionaries(
    {},
    optional={
        "name": _TEXT,
        "email": st.sampled_from(["a@example.com", "no"]),
        "language": st.sampled_from(["en", "??"]),
        "postcode": _TEXT,
        "authority": _TEXT,
        "colour": _TEXT,
    },
)
_ISSUE = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["DEL", "PRV", "XXX"]),
        "issue": st.sampled_from(["DEL.LATE", "PRV.RECORD", "XXX"]),
        "detail": _TEXT,
    },
)
_NEED = st.fixed_dictionaries(
    {"flag": st.sampled_from(["older", "wizard"])}, optional={"consent": st.booleans(), "ground": _TEXT}
)
_PAYLOAD = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(["EMAIL", "WEB", "PIGEON"]),
        "subject": _TEXT | _ODD,
        "description": _TEXT | _ODD,
    },
    optional={
        "received_at": st.sampled_from(["2020-01-01T00:00:00Z", "2020-01-01", "x"]) | _ODD,
        "external_id": _TEXT | _ODD,
        "source": _TEXT | _ODD,
        "language": st.sampled_from(["en", "zh-CN", "?"]),
        "complainant": _PERSON | _ODD,
        "representative": _PERSON,
        "issues": st.lists(_ISSUE, max_size=2) | _ODD,
        "needs": st.lists(_NEED, max_size=2) | _ODD,
        "impact": st.sampled_from([1, 5, 6, "3", None]),
        "urgency": st.sampled_from([1, 4, 5, "2"]),
        "price": _MONEY | _ODD,
        "loss": _MONEY,
        "jurisdiction": st.sampled_from(["US", "us"]),
        "sector": _TEXT,
        "colour": _TEXT,
    },
)


def _by_the_api(payload: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return dict(ComplaintIn().load(payload))
    except ma.ValidationError:
        return None


_WHOLE = {
    "channel": "EMAIL",
    "subject": " padded ",
    "description": "e\u0301",
    "received_at": "2020-01-01T00:00:00Z",
    "external_id": "1",
    "source": "shop",
    "language": "zh-CN",
    "complainant": {"name": "Li", "email": "a@example.com"},
    "representative": {"name": "Wu", "authority": "letter"},
    "issues": [{"category": "DEL", "issue": "DEL.LATE"}, {}],
    "needs": [{"flag": "older", "consent": True}],
    "impact": 1,
    "urgency": 2,
    "price": {"amount": "1.00", "currency": "EUR"},
    "loss": {"amount": "0", "currency": "EUR"},
    "jurisdiction": "US",
    "sector": "financial",
}


@settings(max_examples=600, deadline=None)
@example(_WHOLE)
@example(_WHOLE | {"source": None})
@example({name: value for name, value in _WHOLE.items() if name != "source"})
@example({name: value for name, value in _WHOLE.items() if name != "urgency"})
@example(_WHOLE | {"loss": {"amount": "1.00", "currency": "USD"}})
@given(_PAYLOAD)
def test_both_ways_agree(payload: dict[str, Any]) -> None:
    loaded, problems = validation.load(payload)
    expected = _by_the_api(payload)
    if expected is None:
        assert problems
        assert not loaded
    else:
        assert not problems
        assert loaded == expected


def test_a_problem_names_its_field() -> None:
    _, problems = validation.load({"channel": "PIGEON", "subject": "", "issues": [{"category": "XXX"}]})
    assert {item["pointer"] for item in problems} == {"/channel", "/subject", "/description", "/issues/0/category"}
