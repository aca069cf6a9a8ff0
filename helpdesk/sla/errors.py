from helpdesk.kernel.errors import Conflict, DomainError


class NoPolicy(DomainError):
    status = 500
    code = "no_sla_policy"
    title = "There is no default SLA policy"
    advice = "Run `helpdesk migrate`, which installs the shipped one."


class DefaultPolicyStays(Conflict):
    code = "default_policy"
    title = "The default policy is for everything, always"
    advice = "Give another policy a condition; the default one keeps what is left. Its name, calendar and targets can be changed."


class PolicyUsed(Conflict):
    code = "policy_used"
    title = "Clocks were made by this policy"
    advice = "Deactivate it: it promises nothing new then, and what it has promised can still be explained."


class NobodyLeads(Conflict):
    code = "no_lead"
    title = "Nobody leads the complaint's team who could have it"
    advice = "Give somebody of the team a role with `team:lead` and the right to handle complaints."


class NotOpen(Conflict):
    code = "not_open"
    title = "A complaint that is closed is given to nobody"
    advice = "Reopen the complaint first."


class AtWorstSeverity(Conflict):
    code = "worst_severity"
    title = "It is of the worst severity already"
    advice = "Nothing is left to raise."
