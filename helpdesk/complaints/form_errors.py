from helpdesk.kernel.errors import Conflict, DomainError


class OriginNotAllowed(DomainError):
    status = 403
    code = "origin_not_allowed"
    title = "This form is not for pages of that site"
    advice = "Add the site to the form's `origins` (PATCH /intake/forms/{form_id})."


class AlreadyDecided(Conflict):
    code = "already_decided"
    title = "Somebody has decided on it already"
    advice = "`decision` says how. What was discarded is gone."
