"""What can go wrong, as classes: each carries its HTTP status, a stable code and a message that says what to do next.

A domain declares its own in its `errors.py`; routes name the ones they can give, and from that come the OpenAPI
document and the pages under `/problems/<code>`. Answers are RFC 9457 `application/problem+json`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """Base of every refusal. `detail` is for the reader of this one answer; `advice` stands on the problem's page."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    advice: ClassVar[str] = "Try again; if it happens again, tell us the request id."

    def __init__(
        self, detail: str | None = None, *, errors: "Sequence[FieldError] | None" = None, **extra: Any
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = tuple(errors or ())
        self.extra = extra
        """Further members of the problem document, JSON-safe."""

    @property
    def headers(self) -> dict[str, str]:
        return {}

    @property
    def in_one_text(self) -> str:
        """What is wrong, the fields with it: for a row that keeps it."""
        said = self.detail if self.detail.endswith((".", "?", "!")) else f"{self.detail}."
        fields = [
            f"{item['pointer']}: {item['detail']}" if item.get("pointer") else item["detail"] for item in self.errors
        ]
        return " ".join([said, *fields])[:2000]


class FieldError(dict[str, str]):
    """One bad field: `pointer` (JSON Pointer into the body), or `parameter`, or `header`; a stable `code`; `detail`."""

    @classmethod
    def at(cls, pointer: str, code: str, detail: str) -> "FieldError":
        return cls(pointer=pointer, code=code, detail=detail)


class ValidationFailed(DomainError):
    status = 422
    code = "validation_failed"
    title = "The request is not valid"
    advice = "Mend every field named in `errors` and send the request again."


class MalformedRequest(DomainError):
    status = 400
    code = "malformed_request"
    title = "The request cannot be read"
    advice = "Send well-formed JSON in UTF-8 with `Content-Type: application/json`."


class CursorMismatch(DomainError):
    status = 400
    code = "cursor_mismatch"
    title = "This cursor does not belong to this list"
    advice = "Repeat the filters and the order of the first page together with its cursor, or begin without a cursor."


class CursorExpired(DomainError):
    status = 410
    code = "cursor_expired"
    title = "This cursor belongs to a database that has been restored since"
    advice = "Begin again without a cursor; what was read before may come a second time."


class Unauthenticated(DomainError):
    status = 401
    code = "unauthenticated"
    title = "Who is calling?"
    advice = "Send `Authorization: Bearer <token>` with a token that has not expired or been revoked."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="helpdesk"'}


class SecondFactorRequired(Unauthenticated):
    """RFC 9470: who is calling is known, but not surely enough."""

    code = "second_factor_required"
    title = "The password alone is not enough"
    advice = (
        "Signing in: send the same again with `code`. Signed in: `POST /api/v1/session/second-factor` with a code, or, "
        "when there is no second factor yet, enrol one with `POST /api/v1/me/second-factor`."
    )

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="helpdesk", error="insufficient_user_authentication"'}


class Forbidden(DomainError):
    status = 403
    code = "forbidden"
    title = "This caller may not do that"
    advice = "Ask for the permission named in `permission`, or have somebody who holds it do it."


class NotFound(DomainError):
    """Also what one is told of a row one may not see, so that its existence does not leak."""

    status = 404
    code = "not_found"
    title = "There is no such thing, or not for this caller"
    advice = "Check the identifier; a reference carries a check character, so a typing slip never finds another row."


class Conflict(DomainError):
    status = 409
    code = "conflict"
    title = "The request does not fit the present state"
    advice = "Read the resource again and decide anew."


class MovedMeanwhile(Conflict):
    """Raised where a row that was looked up turns out, once locked, to belong elsewhere by now. The request is repeated
    from its beginning before anybody is told.
    """

    code = "moved_meanwhile"
    title = "It was moved while the request waited for it"
    advice = "Send the request again."


class ActionNotAllowed(Conflict):
    code = "action_not_allowed"
    title = "That action is not possible from this state"
    advice = "`allowed_actions` lists what is possible now, each with what is still missing."


class PreconditionFailed(DomainError):
    status = 412
    code = "precondition_failed"
    title = "Somebody changed it in the meantime"
    advice = "Read the resource again, look at what changed, and send the request with its new ETag."

    @property
    def headers(self) -> dict[str, str]:
        current = self.extra.get("current_etag")
        return {"ETag": str(current)} if current else {}


class PreconditionRequired(DomainError):
    status = 428
    code = "precondition_required"
    title = "This change needs If-Match"
    advice = "Send the ETag of the version you looked at in `If-Match`."


class IdempotencyKeyRequired(DomainError):
    status = 400
    code = "idempotency_key_required"
    title = "This request moves money and needs an Idempotency-Key"
    advice = "Send a fresh random `Idempotency-Key` per intent, and the same one when you repeat it."


class IdempotencyKeyInvalid(DomainError):
    status = 400
    code = "idempotency_key_invalid"
    title = "The Idempotency-Key cannot be used"
    advice = "Send 1 to 255 visible ASCII characters, for example a UUID."


class IdempotencyKeyReused(DomainError):
    status = 422
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another request"
    advice = "Use one key per intent: the same key only with the same method, path and body."


class RequestInProgress(Conflict):
    code = "request_in_progress"
    title = "The first request with this Idempotency-Key is still running"
    advice = "Wait for `Retry-After` seconds and send the same request again; you will get its answer."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class Gone(DomainError):
    status = 410
    code = "gone"
    title = "This is no longer available"
    advice = "Ask for a new link."


class TemporarilyUnavailable(DomainError):
    status = 503
    code = "temporarily_unavailable"
    title = "The database cannot be reached at the moment"
    advice = "Nothing was changed. Send the same request again after `Retry-After` seconds."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class OutcomeUnknown(TemporarilyUnavailable):
    code = "outcome_unknown"
    title = "The connection broke while the change was being written"
    advice = (
        "Whether it happened is not known. Send the same request again with the same Idempotency-Key; without one, read "
        "first."
    )


def catalogue() -> dict[str, type[DomainError]]:
    """Every declared error by its code."""
    return {kind.code: kind for kind in _walk(DomainError)}


def _walk(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _walk(child)
