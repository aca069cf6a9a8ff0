"""Times as text: RFC 3339 in, RFC 3339 in UTC out."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.db import utc

instants = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(instants)
def test_the_same_instant_comes_back(moment: datetime) -> None:
    text = rfc3339(moment)
    assert text.endswith("Z")
    assert parse_rfc3339(text) == moment
    assert parse_rfc3339(moment.isoformat()) == moment
    assert parse_rfc3339(text).utcoffset() == timedelta(0)


def test_as_the_api_writes_it() -> None:
    moment = datetime(2026, 3, 1, 17, 30, tzinfo=timezone(timedelta(hours=8)))
    assert rfc3339(moment) == "2026-03-01T09:30:00Z"
    assert rfc3339(moment.replace(microsecond=7)) == "2026-03-01T09:30:00.000007Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T09:30:00",
        "2026-03-01 09:30:00Z",
        "2026-02-30T00:00:00Z",
        "2026-03-01T25:00:00Z",
        "1772357400",
        "2026-03-01T09:30:00+2500",
        "2026-03-01T09:30:00Z\x00",
        "2026-03-01T09:30:00Z\n",
        "2026-W09-7T09:30:00Z",
        "20260301T093000Z",
        "2026-03-01T09:30Z",
        "٢٠٢٦-03-01T09:30:00Z",
    ],
)
def test_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


def test_a_time_without_a_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="zone"):
        utc(datetime(2026, 3, 1))  # noqa: DTZ001  # the point
    assert utc(datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 3, 1, tzinfo=UTC)
