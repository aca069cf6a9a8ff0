from helpdesk.kernel.errors import Conflict, Forbidden


class EmailTaken(Conflict):
    code = "email_taken"
    title = "Another agent has this e-mail address"
    advice = "Change the existing agent, or use another address."


class NameTaken(Conflict):
    code = "name_taken"
    title = "This name is taken"
    advice = "Choose another name."


class TeamInUse(Conflict):
    code = "team_in_use"
    title = "Something goes on giving to this team, or waits for it"
    advice = "`uses` names all of it. Change that first; then deactivate the team."


class AgentNamed(Conflict):
    code = "agent_named"
    title = "Something still names this agent"
    advice = (
        "Change what `uses` names first; or send `even_if_named: true`, and they are out at once: what names them is refused or "
        "finds nobody until it is changed."
    )


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "Nobody would be left who can manage agents"
    advice = "Make another agent an administrator first."


class BeyondOwnRights(Forbidden):
    """`beyond`: permissions, scope or authority that the caller does not hold."""

    code = "beyond_own_rights"
    title = "Nobody gives what they do not hold themselves"
    advice = "Leave out what `beyond` names, or have somebody do it who holds it."


class RoleInUse(Conflict):
    """`uses`: who has it, the first hundred of them, and identity providers that give it."""

    code = "role_in_use"
    title = "This role is in use"
    advice = (
        "Give its agents another role first (`GET /agents?role=` lists them), and let no identity provider give it."
    )


class BuiltInRole(Conflict):
    code = "built_in_role"
    title = "This role came with the system and stays"
    advice = "Change what it may do, or give nobody this role."


class KeyEnded(Conflict):
    code = "key_ended"
    title = "This API key is revoked or has expired"
    advice = "Make another one."
