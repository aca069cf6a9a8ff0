from helpdesk.kernel.errors import Conflict


class ExternalIdTaken(Conflict):
    code = "external_id_taken"
    title = "Another customer has this external id"
    advice = "Change the existing customer, or use another id."
