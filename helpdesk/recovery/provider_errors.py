from helpdesk.kernel.errors import Conflict, DomainError, Unauthenticated


class ProviderNameTaken(Conflict):
    code = "remedy_provider_name_taken"
    title = "There is a provider of this name"
    advice = "Choose another name, or change the existing one."


class ProviderHasOrders(Conflict):
    code = "remedy_provider_has_orders"
    title = "Something is being issued by this provider, or may have been"
    advice = (
        "Where it is asked stays until that is closed (`orders` counts it): elsewhere nobody knows of it, and it would be issued twice. "
        "Make another provider for the new address and switch this one off (`enabled: false`): nothing new is asked of it, and how "
        "the rest stands still is. Or wait; what waits for a person is in GET /recovery/dead-letters."
    )


class CallbackRefused(Unauthenticated):
    code = "callback_refused"
    title = "The callback is not signed as it should be"
    advice = (
        "Sign id, timestamp and body with the provider's secret (Standard Webhooks), with a clock that is right to five "
        "minutes. Which of these is wrong is not told."
    )

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Webhook realm="helpdesk"'}


class CallbackTooLarge(DomainError):
    status = 413
    code = "callback_too_large"
    title = "A callback is shorter than that"
    advice = "Send what came of one issuance, in at most 64 KiB."


class CallbackDiffers(Conflict):
    code = "callback_differs"
    title = "This webhook-id came before with another body"
    advice = "A repeat says the same; another message has an id of its own."
