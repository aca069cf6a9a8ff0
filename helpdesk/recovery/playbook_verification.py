"""Checks of playbooks and tariffs, beside those of `verification`."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation

_DAYS: Final = text("""
    SELECT b.name, one.number, other.number AS with_number
    FROM playbook_version one
    JOIN playbook_version other ON other.playbook_id = one.playbook_id AND other.number > one.number
    JOIN playbook b ON b.id = one.playbook_id
    WHERE one.state = 'published' AND other.state = 'published'
      AND daterange(one.valid_from, one.valid_until, '[]') && daterange(other.valid_from, other.valid_until, '[]')
    ORDER BY b.name, one.number, other.number
""")


def playbook_days(session: Session) -> Iterator[Violation]:
    """Of one playbook at most one version holds on a day."""
    for row in session.execute(_DAYS):
        detail = f"versions {row.number} and {row.with_number} hold on one day"
        yield Violation("recovery.playbook_days", f"playbook {row.name}", detail)


_DEFAULT: Final = text("""
    SELECT count(*) FILTER (WHERE is_default) AS defaults, (SELECT count(*) FROM playbook_version v
        WHERE NOT EXISTS (SELECT FROM playbook b WHERE b.id = v.playbook_id)) AS lost FROM playbook
""")


def default_playbook(session: Session) -> Iterator[Violation]:
    """There is one default playbook, and no version without its playbook."""
    row = session.execute(_DEFAULT).one()
    if row.defaults != 1 or row.lost:
        detail = f"{row.defaults} default playbooks, {row.lost} versions of none"
        yield Violation("recovery.default_playbook", "playbooks", detail)


_TARIFFS: Final = text("""
    SELECT t.id, t.version, coalesce(max(v.version), 0) AS newest, count(v.version) AS versions
    FROM tariff t LEFT JOIN tariff_version v ON v.tariff_id = t.id
    GROUP BY t.id HAVING t.version <> coalesce(max(v.version), 0) OR t.version <> count(v.version) ORDER BY t.id
""")


def tariff_versions(session: Session) -> Iterator[Violation]:
    """A tariff's versions are numbered without a gap, and it knows the newest."""
    for row in session.execute(_TARIFFS):
        detail = f"says {row.version} versions; it has {row.versions}, the newest {row.newest}"
        yield Violation("recovery.tariff_versions", f"tariff {row.id}", detail)


CHECKS: Final[tuple[Check, ...]] = (playbook_days, default_playbook, tariff_versions)
