from helpdesk.kernel.errors import Conflict, DomainError, Unauthenticated


class ProviderNameTaken(Conflict):
    code = "remedy_provider_name_taken"
    title = "There is a provider of this name"
    advice = "Choose another name, or change the existing one."


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
