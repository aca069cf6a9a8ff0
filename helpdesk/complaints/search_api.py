from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import search_schemas, searching
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import CursorMismatch
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.pagination import Page

blp = Blueprint("search", __name__, description="Finding complaints by their words.")


@blp.read(
    "/complaints/search",
    operation_id="search_complaints",
    summary="Find complaints by words of their text, among those the caller may see",
    description="Looks through reference, subject, tags, names and addresses, description and thread, in any script. Takes the "
    "filters of the list too. Up to 100 complaints that match and pass them are ranked, and what fits a page where the caller may "
    "see only some of them; of more, the newest come first.",
    answer=search_schemas.SearchResult,
    query=search_schemas.SearchQuery,
    permission="complaint:read",
    errors=(CursorMismatch,),
)
def search_complaints(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    page = Page.of({**given, "/": "search"}, web().signing_key)
    filters = {name: value for name, value in given.items() if name not in {"q", "limit", "cursor"}}
    return searching.search(session, actor, page, given["q"], filters)
