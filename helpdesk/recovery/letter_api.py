from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.answers import page
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.recovery import letter_queries, letter_schemas, letters

blp = Blueprint("letters", __name__, description="Letters that were issued, and those that are to be posted.")


@blp.read(
    "/recovery/letters",
    operation_id="list_letters",
    summary="Letters on the complaints that the caller may see, oldest first",
    description="`to_be_posted=true`: there was no address to mail them to, or the mail did not arrive (`mail_delivery`). Until one "
    "is posted (`post_letter` of its offer) the customer does not have it.",
    answer=letter_schemas.LetterSummary,
    query=letter_schemas.LetterQuery,
    permission="offer:read",
    paged=True,
)
def list_letters(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return letter_queries.list_letters(session, actor, page, given)


@blp.read(
    "/offers/<uuid:offer_id>/letter",
    operation_id="get_offer_letter",
    summary="An issued letter as it was written, and as a document",
    description="With `format=html` the document alone, as a page to be saved: no script, nothing from elsewhere, and safe to open.",
    answer=letter_schemas.Letter,
    query=letter_schemas.LetterDocumentQuery,
    permission="offer:read",
    html=True,
)
def get_offer_letter(session: Session, actor: Actor, given: dict[str, Any], offer_id: UUID) -> Any:
    row = letter_queries.letter_detail(session, actor, offer_id)
    document, file_name = letters.document(row), letters.file_name(row)
    if given["format"] == "html":
        return page(document, file_name, letters.STYLE)
    return {**row, "document": document, "file_name": file_name}
