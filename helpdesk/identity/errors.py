from helpdesk.kernel.errors import Conflict


class EmailTaken(Conflict):
    code = "email_taken"
    title = "Another agent has this e-mail address"
    advice = "Change the existing agent, or use another address."


class NameTaken(Conflict):
    code = "name_taken"
    title = "This name is taken"
    advice = "Choose another name."


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "Nobody would be left who can manage agents"
    advice = "Make another agent an administrator first."
