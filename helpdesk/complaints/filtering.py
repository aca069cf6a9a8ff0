"""From what a list, a view or a bulk change is asked for to what can be looked for: names become ids."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import tag_queries
from helpdesk.complaints.folding import fold
from helpdesk.complaints.list_queries import NEWEST_FIRST, Wanted

_NONE: Final = UUID(int=0)
"""No row's id: what a name leads to that there is not."""

_LOOKED_UP: Final = frozenset({"tag", "any_tag"})
_OF_THE_PAGE: Final = frozenset({"limit", "cursor", "count", "sort"})


def resolve(session: Session, given: Mapping[str, Any]) -> Wanted:
    """`given`: filters and sort as `ComplaintQuery` loads them. Names are looked up in one statement, and none is sent
    where there are none. No complaint carries a tag that there is not.
    """
    tags, any_tags = given.get("tag", ()), given.get("any_tag", ())
    ids = tag_queries.ids_of(session, [*tags, *any_tags]) if tags or any_tags else {}
    plain = {name: value for name, value in given.items() if name not in _LOOKED_UP | _OF_THE_PAGE}
    return Wanted(
        given=plain,
        tags=tuple(dict.fromkeys(ids.get(fold(name), _NONE) for name in tags)),
        any_tags=tuple(dict.fromkeys(ids.get(fold(name), _NONE) for name in any_tags)),
        sort=given.get("sort", NEWEST_FIRST),
    )
