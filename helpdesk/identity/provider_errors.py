from helpdesk.kernel.errors import Conflict, DomainError


class ProviderUnavailable(DomainError):
    status = 503
    code = "provider_unavailable"
    title = "The identity provider cannot be reached, or does not answer as it should"
    advice = "Try again after `Retry-After` seconds, or sign in in another way. An administrator finds the reason in the log."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class ProviderNotActive(Conflict):
    code = "provider_not_active"
    title = "Nobody signs in through this provider at present"
    advice = "Choose another one of `GET /api/v1/public/identity-providers`."
