from helpdesk.kernel.errors import DomainError


class NoPolicy(DomainError):
    status = 500
    code = "no_sla_policy"
    title = "There is no default SLA policy"
    advice = "Run `helpdesk migrate`, which installs the shipped one."
