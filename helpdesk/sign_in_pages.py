"""The two addresses that a browser itself goes to when somebody signs in through an identity provider: from here to the
provider, and back. They are for people and not part of the API; what they do is what its `provider-sign-ins` and
`provider-sessions` do, with `cookie`.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from flask import Flask, Response, request

from helpdesk.identity import provider_signing_in
from helpdesk.identity.actors import ANONYMOUS
from helpdesk.identity.provider_api import BINDING_COOKIE, binding_cookie
from helpdesk.identity.provider_service import CALLBACK
from helpdesk.identity.session_api import cookie, door, where
from helpdesk.identity.session_errors import SignInFailed
from helpdesk.kernel import limiting
from helpdesk.kernel.errors import DomainError, ValidationFailed

AFTERWARDS: Final = "/"
_NO_BINDING: Final = f"{BINDING_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
_ADVICE: Final = (
    "Begin again from the sign-in page, in this browser, and finish within ten minutes. If it goes on, an administrator can "
    "see whether you are known here by your account at the provider (GET /api/v1/identities)."
)
"""The refusal's own speaks of passwords, which nobody gave here."""
_NO_PROVIDER: Final = "The address that brought you here leads to no way of signing in; it may be old, or not whole."
_FROM_HERE: Final = (
    "Go back to the page where you sign in and choose there how; if its link leads here, tell your administrator, who finds the "
    "right addresses under GET /api/v1/identity-providers."
)
_LONGEST: Final = {"state": 200, "code": 4000, "iss": 500}


def register(app: Flask) -> None:
    @app.get("/sign-in/<uuid:provider_id>")
    def sign_in_start(provider_id: UUID) -> Response:
        return _told(lambda: _sent_there(provider_id))

    @app.get(CALLBACK)
    def sign_in_callback() -> Response:
        return _told(_come_back)


def _sent_there(provider_id: UUID) -> Response:
    limiting.count_address(limiting.PUBLIC)
    departure = provider_signing_in.prepare(door(), provider_id, in_cookie=True)
    with door().unit_of_work(ANONYMOUS, where()) as uow:
        begun = provider_signing_in.depart(uow, departure)
    return Response(status=303, headers={"Location": departure.url, **binding_cookie(begun)})


def _come_back() -> Response:
    limiting.count_address(limiting.PUBLIC)
    brought = {name: request.args[name] for name in _LONGEST if name in request.args}
    if not {"state", "code"} <= brought.keys() or any(len(text) > _LONGEST[name] for name, text in brought.items()):
        raise SignInFailed("The provider sent you back without what is needed.")  # also when it says `error`
    arrival = provider_signing_in.prove(door(), brought, request.cookies.get(BINDING_COOKIE, ""), where())
    with door().unit_of_work(ANONYMOUS, where()) as uow:
        begun = provider_signing_in.conclude(uow, door(), arrival)
    response = Response(status=303, headers={"Location": AFTERWARDS, **cookie(begun)})
    response.headers.add("Set-Cookie", _NO_BINDING)
    return response


def _told(go: Callable[[], Response]) -> Response:
    """What went wrong, as text for whoever looks at the page."""
    try:
        return go()
    except ValidationFailed:
        text = f"Signing in did not work.\n\n{_NO_PROVIDER}\n\nWhat to do: {_FROM_HERE}\n"
        return Response(text, 404, mimetype="text/plain")
    except DomainError as error:
        said = " ".join(item["detail"] for item in error.errors) or error.detail
        advice = _ADVICE if isinstance(error, SignInFailed) else error.advice
        text = f"Signing in did not work.\n\n{said}\n\nWhat to do: {advice}\n"
        return Response(text, error.status, error.headers, mimetype="text/plain")
