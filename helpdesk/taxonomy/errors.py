from helpdesk.kernel.errors import Conflict


class CodeTaken(Conflict):
    code = "code_taken"
    title = "There is a term of this kind with this code already"
    advice = "Take another code, or bring the retired one back with `retired: false`."


class CodeInUse(Conflict):
    code = "code_in_use"
    title = "Something would still give this code to what is new"
    advice = "Change what `uses` names first, then retire it."


class SystemTaken(Conflict):
    code = "system_taken"
    title = "There is a map of this system already"
    advice = "Change that one."


class LastOfItsKind(Conflict):
    code = "last_of_its_kind"
    title = "Nothing of this kind would be left to choose"
    advice = "Make another one first."
