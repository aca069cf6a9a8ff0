from helpdesk.kernel.errors import Conflict, Forbidden


class AlreadyReceived(Conflict):
    code = "already_received"
    title = "This external id has been received before"
    advice = (
        "`source` and `external_id` together are unique. Use the complaint named in `reference`; none is named when it is "
        "another team's."
    )


class ConflictOfInterest(Forbidden):
    code = "conflict_of_interest"
    title = "A person complained about cannot close the complaint"
    advice = "Have a colleague decide it."


class ComplainantStays(Conflict):
    code = "complainant_stays"
    title = "A complaint has a complainant"
    advice = "Correct what is known of them instead (PATCH)."


class AlreadyAssigned(Conflict):
    code = "already_assigned"
    title = "Somebody else has it"
    advice = "Ask for it to be assigned to you, or take another one."


class CannotSee(Conflict):
    code = "cannot_see"
    title = "They may not see this complaint"
    advice = "Give it to their team or to them first, or choose somebody who may."


class TooManyWatchers(Conflict):
    code = "too_many_watchers"
    title = "Enough agents watch this complaint"
    advice = "Take somebody off the list first."


class AgentUnavailable(Conflict):
    code = "agent_unavailable"
    title = "That agent can take nothing more at the moment"
    advice = (
        "`reasons` says why: `at_capacity`, `away`, `out_of_office`, `outside_working_hours`. Choose somebody else "
        "(`substitute_id`, where there is one), or send `override: true` with a `reason`."
    )


class SubjectCannotHandle(Conflict):
    code = "subject_cannot_handle"
    title = "A person complained about cannot have the complaint"
    advice = "Give it to a colleague."


class ShortcutTaken(Conflict):
    code = "shortcut_taken"
    title = "Another canned reply has this shortcut"
    advice = "Choose another one; they are told apart among one agent's, one team's, and those that are shared."


class ThreadMovedOn(Conflict):
    code = "thread_moved_on"
    title = "Something was said since the draft was begun"
    advice = "Read `new_messages`, and send the draft again with the last one's id as `seen_message_id`."


class NothingLeft(Conflict):
    code = "nothing_left"
    title = "All of it has been redacted already"
    advice = "Nothing remains to be taken out; GET /complaints/{ref}/redactions tells who did it."
