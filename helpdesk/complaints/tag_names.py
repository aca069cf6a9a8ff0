"""What the names of tags mean that stand in conditions: a renamed tag goes by its old name too, and a merged one is the one that is
left, in routing rules, triggers and SLA policies as for whoever writes a name.

A complaint shows the names of its tags, an event those that it showed then, and a condition the one that was written: each side
is compared by what it means now. Whoever keeps conditions keeps what their names meant in the signature of what is in force, so
that a tag that is renamed, merged or made since is noticed as a change of the conditions is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import tag_queries
from helpdesk.kernel.expressions import comparisons
from helpdesk.kernel.facts import Vocabulary
from helpdesk.kernel.folding import fold

FACT: Final = "tags"


@dataclass(frozen=True, slots=True)
class Meant:
    """The name that is meant, folded; `now`: folded name -> that of the tag which it means. A name of nothing means itself."""

    now: Mapping[str, str]

    def __call__(self, name: str) -> str:
        key = fold(name)
        return self.now.get(key, key)


def asked(conditions: Iterable[Any]) -> frozenset[str]:
    """Names of tags in conditions as they are written, folded."""
    values = [value for each in conditions for field, value in comparisons(each) if field == FACT]
    names = [name for value in values for name in (value if isinstance(value, list) else [value])]
    return frozenset(fold(name) for name in names if isinstance(name, str))


def signature(session: Session, names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """What these names mean, and which others mean the same: folded name and the folded name of the tag. A statement, where
    there are any.
    """
    return tuple(tag_queries.names_of_same(session, names)) if names else ()


def knowing(vocabulary: Vocabulary, meant: tuple[tuple[str, str], ...]) -> Vocabulary:
    """The vocabulary with which conditions are read whose names of tags mean this (`signature`)."""
    return {**vocabulary, FACT: replace(vocabulary[FACT], meant=Meant(dict(meant)))}
