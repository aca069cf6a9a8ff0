from typing import Any

from helpdesk.kernel.errors import Conflict, DomainError, Unauthenticated


class SignInFailed(Unauthenticated):
    """One answer for whatever was wrong: an address that nobody has, another password, a code, an agent who left."""

    code = "sign_in_failed"
    title = "That is not who may come in"
    advice = (
        "With a password: check the address, the password and the code; forgotten it? `POST /api/v1/public/password-resets`. "
        "Through an identity provider: begin again, where it is to end."
    )


class TooManyAttempts(DomainError):
    status = 429
    code = "too_many_attempts"
    title = "Too many attempts have failed"
    advice = "Wait for `Retry-After` seconds. After a password reset one need not wait."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1, **extra: Any) -> None:
        super().__init__(detail or f"Try again in {retry_after} seconds.", **extra)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class NoSession(Conflict):
    code = "no_session"
    title = "This request was not made with a session"
    advice = "Sign in; a token is ended with `POST /api/v1/tokens/{token_id}/revoke`."


class NoPassword(Conflict):
    code = "no_password"
    title = "This agent has no password"
    advice = "A first one is set with the link of an invitation, which an administrator sends."


class HasPassword(Conflict):
    code = "has_password"
    title = "This agent has a password already"
    advice = "Who has forgotten it asks for a link with `POST /api/v1/public/password-resets`."


class NotActive(Conflict):
    code = "agent_not_active"
    title = "This agent is not active"
    advice = "Activate the agent first."


class SecondFactorEnabled(Conflict):
    code = "second_factor_enabled"
    title = "There is a second factor already"
    advice = "Disable it first; for a new telephone, disable the old one and enrol the new one."


class SecondFactorMissing(Conflict):
    code = "second_factor_missing"
    title = "There is no second factor"
    advice = "Enrol one with `POST /api/v1/me/second-factor`, and confirm it with its first code."


class CodeRefused(DomainError):
    status = 422
    code = "code_refused"
    title = "This code does not count"
    advice = (
        "Take the code that the app shows now; each counts once. Check that the telephone's clock is right. A recovery "
        "code counts once too."
    )


class PasswordRefused(DomainError):
    """Of somebody who is signed in and says their password once more."""

    status = 422
    code = "password_refused"
    title = "That is not your password"
    advice = "Write the password that you signed in with."
