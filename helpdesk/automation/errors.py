from helpdesk.kernel.errors import Conflict


class TooManyTriggers(Conflict):
    code = "too_many_triggers"
    title = "There are as many triggers as there can be"
    advice = "Take away one that is not needed any more, or put two into one."
