"""The page to which customers are sent with an offer: they see it, and accept, decline, or ask for something else.

For people, and no part of the API: what they say there goes the way of `/public/offers`, through the same checks. It needs no
script. Nothing is ever accepted by looking: whatever a mail scanner follows is a GET, and an answer is a POST of a form that
stands on a page of its own. The signed link is the right to answer and is in no other site's hands, so a form needs no second
proof; its key makes one answer of a form that is sent twice. Another page can take its place (`HELPDESK_OFFER_URL`).
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from flask import Flask, Response, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from helpdesk import offer_view
from helpdesk.kernel import limiting
from helpdesk.kernel.errors import (
    ActionNotAllowed,
    Conflict,
    DomainError,
    FieldError,
    Gone,
    IdempotencyKeyReused,
    NotFound,
    RequestInProgress,
    TemporarilyUnavailable,
    ValidationFailed,
)
from helpdesk.kernel.handling import FormWrite, persistently
from helpdesk.kernel.http import Caller, caller, language, web
from helpdesk.kernel.limits import QuotaExceeded
from helpdesk.kernel.problems import BodyTooLarge, of_database
from helpdesk.kernel.schemas import Schema
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.offer_view import ANSWERS, Place
from helpdesk.recovery import link_answers, public_queries, texts
from helpdesk.recovery.counter_schemas import PublicCounterIn
from helpdesk.recovery.models import LANGUAGES
from helpdesk.recovery.option_schemas import PublicAcceptIn
from helpdesk.recovery.public_api import links
from helpdesk.recovery.queries import Held
from helpdesk.recovery.schemas import PublicDeclineIn, PublicNoteIn

MOST_BYTES: Final = 64_000
"""Of a form: 2000 characters, each of which a browser may send as twelve bytes, and room."""

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
_BODIES: Final[Mapping[str, type[Schema]]] = {
    "accept": PublicAcceptIn,
    "counter": PublicCounterIn,
    "take_back_counter": Schema,
    "decline": PublicDeclineIn,
    "confirm_delivery": Schema,
    "report_undelivered": PublicNoteIn,
}
_SAID_OF_MISSING: Final = frozenset({"offer_expired", "countered_enough", "delivered_already", "reported_already"})
"""What an answer can lack, where there are words for it."""


def register(app: Flask) -> None:
    @app.get("/offers/page.css")
    def offer_style() -> Response:
        limiting.count_address(limiting.PUBLIC)
        response = Response(offer_view.style(), mimetype="text/css", headers=_HEADERS | {"Cache-Control": "no-cache"})
        response.add_etag()
        response.make_conditional(request)
        return response

    @app.get("/offers/")
    def no_offer() -> Response:
        return _nothing("")

    @app.route("/offers/<token>/<answer>/<path:rest>", methods=["GET", "POST"])
    def no_offer_page(token: str, answer: str, rest: str) -> Response:
        return _nothing(f"{token}/{answer}/{rest}")

    @app.get("/offers/<token>")
    def offer_page(token: str) -> Response:
        return _without_slash() or _told(Place(token), lambda: _look(Place(token)))

    @app.get("/offers/<token>/<answer>")
    def offer_question(token: str, answer: str) -> Response:
        place = Place(token, answer)
        return _without_slash() or _told(place, lambda: _ask(place))

    @app.post("/offers/<token>/<answer>")
    def offer_answer(token: str, answer: str) -> Response:
        place = Place(token, answer)
        return _told(place, lambda: _send(place))


def _nothing(path: str) -> Response:
    """For people, as all that stands beneath `/offers`."""
    limiting.count_address(limiting.PUBLIC)
    return _notice_page(NotFound(), path.count("/"))


def _without_slash() -> Response | None:
    """Addresses in the page are named from where it stands."""
    if not request.path.endswith("/"):
        return None
    here = request.path.rstrip("/").rpartition("/")[2]
    return Response(status=308, headers={"Location": f"../{quote(here, safe='')}", **_HEADERS})


def _look(place: Place) -> Response:
    shown = _seen(place)
    return _page(offer_view.offer(shown, place), shown["language"])


def _ask(place: Place) -> Response:
    action, shown = _action(place), _seen(place)
    if action not in shown["answers"]:
        return _not_now(place, shown, ())
    asked = {name: request.args[name] for name in ("option",) if action == "accept" and name in request.args}
    known = {str(option["number"]) for option in shown["options"]}
    faults = [FieldError.at("/option", "unknown", "") for option in asked.values() if option not in known]
    page = offer_view.answer(shown, place, _key(), {} if faults else asked, faults)
    return _page(page, shown["language"], 422 if faults else 200)


def _send(place: Place) -> Response:
    action = _action(place)
    body = _BODIES[action]()
    write = FormWrite(
        view=lambda uow, _actor, held, given: _answer(uow, held, action, given),
        answer=None,
        body=body,
        status=303,
        permission=None,
        public=True,
        load=_hold,
        check=lambda session, _actor, held: link_answers.check(session, held, action),
        show=None,
        location=lambda _: f"../{place.token}",
        if_match="none",
        key_required=True,
        shown_once=None,
        limits=(),
        understand=lambda fields: offer_view.understand(fields, body.load_fields),
        most_bytes=MOST_BYTES,
    )
    response = write(token=place.token)
    response.headers.update(_HEADERS)
    return response


def _action(place: Place) -> str:
    action = ANSWERS.get(place.path or "")
    if action is None:
        limiting.count_address(limiting.PUBLIC)
        raise NotFound
    return action


def _answer(uow: UnitOfWork, held: Held, action: str, given: Mapping[str, Any]) -> UUID:
    return link_answers.give(uow, held, action, given, to=links())


def _hold(session: Session, _actor: Caller, token: str) -> Held:
    return public_queries.hold_by_link(session, web().signing_key, token)


def _seen(place: Place) -> dict[str, Any]:
    def once() -> dict[str, Any]:
        with web().database.reader() as session:
            caller(session, public=True)
            return public_queries.by_link(session, web().signing_key, place.token)

    return persistently(once)


def _key() -> str:
    return secrets.token_urlsafe(16)


def _told(place: Place, go: Callable[[], Response]) -> Response:
    """What went wrong, as a page; of an offer that can be seen, as it stands now."""
    try:
        return _refused(place, go)
    except DomainError as error:
        return _notice(place, error)


def _refused(place: Place, go: Callable[[], Response]) -> Response:
    try:
        return go()
    except ActionNotAllowed as refused:
        return _not_now(place, _seen(place), [need["code"] for need in refused.extra["missing"]])
    except (ValidationFailed, IdempotencyKeyReused, RequestInProgress) as refused:
        return _again(place, refused)
    except RequestEntityTooLarge as large:
        raise BodyTooLarge from large
    except DBAPIError as error:
        raise of_database(error) from error
    except PoolTimeout as error:
        raise TemporarilyUnavailable from error


def _not_now(place: Place, shown: Mapping[str, Any], missing: Any) -> Response:
    said = [code for code in missing if code in _SAID_OF_MISSING]
    return _page(offer_view.offer(shown, place, problem=["not_now", *said]), shown["language"], 409)


def _again(place: Place, refused: DomainError) -> Response:
    """The form once more, with what was typed; or the offer, where it was sent already."""
    if isinstance(refused, ValidationFailed) and not all("pointer" in fault for fault in refused.errors):
        raise refused  # of an address that none of our forms has
    shown = _seen(place)
    if not isinstance(refused, ValidationFailed):
        told = "at_work" if isinstance(refused, RequestInProgress) else "sent_before"
        page = offer_view.offer(shown, place, problem=[told])
    elif _action(place) not in shown["answers"]:
        return _not_now(place, shown, ())
    else:
        typed = {name: request.form[name] for name in offer_view.FIELDS if name in request.form}
        if any(fault.get("pointer") == "/option" for fault in refused.errors):
            typed.pop("option", None)
        page = offer_view.answer(shown, place, _key(), typed, refused.errors)
    response = _page(page, shown["language"], refused.status)
    response.headers.update(refused.headers)
    return response


def _notice(place: Place, error: DomainError) -> Response:
    return _notice_page(error, 0 if place.path is None else 1)


def _notice_page(error: DomainError, depth: int) -> Response:
    spoken = language(LANGUAGES)
    response = _page(offer_view.notice(spoken, _words_for(error), depth=depth), spoken, error.status)
    response.headers.update(error.headers)
    return response


def _words_for(error: DomainError) -> str:
    if isinstance(error, NotFound | Gone | QuotaExceeded | BodyTooLarge):
        return error.code
    return "busy" if error.status >= 500 or isinstance(error, Conflict) else "unreadable"


def _page(text: str, spoken: str, status: int = 200) -> Response:
    return Response(text, status, _HEADERS | {"Content-Language": texts.tag(spoken)}, mimetype="text/html")
