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
        "(`substitute_id`, where there is one), or send `override: true` with a `reason` where the body takes it. Taking the "
        "next one of a queue takes none: say that you are there again, or finish or release something first."
    )


class SubjectCannotHandle(Conflict):
    code = "subject_cannot_handle"
    title = "A person complained about cannot have the complaint"
    advice = "Give it to a colleague."


class ShortcutTaken(Conflict):
    code = "shortcut_taken"
    title = "Another canned reply has this shortcut"
    advice = "Choose another one; they are told apart among one agent's, one team's, and those that are shared."


class CannedReplyNamed(Conflict):
    code = "canned_reply_named"
    title = "Something still sends this canned reply"
    advice = "Change what `uses` names first, then throw the canned reply away or keep it from others."


class ThreadMovedOn(Conflict):
    code = "thread_moved_on"
    title = "Something was said since the draft was begun"
    advice = "Read `new_messages`, and send the draft again with the last one's id as `seen_message_id`."


class NothingLeft(Conflict):
    code = "nothing_left"
    title = "All of it has been redacted already"
    advice = "Nothing remains to be taken out; GET /complaints/{ref}/redactions tells who did it."


class AlreadyLinked(Conflict):
    code = "already_linked"
    title = "The two are linked in that way already"
    advice = "A pair has one link of a kind, whichever side it was made from. Read the links."


class SplitStays(Conflict):
    code = "split_stays"
    title = "That they were split stays written down"
    advice = "This link tells where messages came from; it cannot be taken away."


class ParentTaken(Conflict):
    code = "parent_taken"
    title = "It has a parent already"
    advice = "A complaint has one parent. Take that link away first."


class ParentRing(Conflict):
    code = "parent_ring"
    title = "A complaint cannot stand above itself"
    advice = "The one that is to be the parent is below the other one, or there are too many above it already."


class AlreadyMerged(Conflict):
    code = "already_merged"
    title = "That one was merged into this one already"
    advice = "Nothing is to be done; or undo that merge first, to merge them the other way."


class SurvivorClosed(Conflict):
    code = "survivor_closed"
    title = "The complaint to merge into is closed"
    advice = "Reopen it first, or merge into one that is open."


class OtherComplainant(Conflict):
    code = "other_complainant"
    title = "The two are not known to be of one person"
    advice = (
        "Link them (`related`), so that each gets an answer. Where they are to be answered together, say so with "
        "`other_complainant`."
    )


class RegulatorSurvives(Conflict):
    code = "regulator_survives"
    title = "A regulator's complaint goes on under its own reference"
    advice = "Merge the other one into it."


class ComplaintSurvives(Conflict):
    code = "complaint_survives"
    title = "A complaint is not merged into what is none"
    advice = "Merge the other one into it, or convert one of the two first."


class TooMuchToMerge(Conflict):
    code = "too_much_to_merge"
    title = "Together they have more than one complaint can hold"
    advice = "A complaint has at most 20 issues and 20 needs. Link the two instead."


class OtherCurrency(Conflict):
    code = "other_currency"
    title = "A remedy in another currency was delivered on it"
    advice = "A case is reckoned in one currency, so that nothing is paid twice. Link the two instead."


class ComplaintMerged(Conflict):
    code = "complaint_merged"
    title = "It goes on in another complaint"
    advice = "Write to the one named in `merged_into`; none is named when it is another team's."


class MergeFinal(Conflict):
    code = "merge_final"
    title = "This merge cannot be undone any more"
    advice = (
        "It can be undone for some days, while the survivor is open and was not merged on. Split the survivor instead, or "
        "take the matter in anew."
    )


class SurvivorElsewhere(Forbidden):
    code = "survivor_elsewhere"
    title = "The complaint that it was merged into is another team's"
    advice = "Have it done by somebody who sees both."


class NoIssueLeft(Conflict):
    code = "no_issue_left"
    title = "One of the two would be left without an issue"
    advice = (
        "Every complaint has one issue at least. Where the duplicate would have none, because a split took its issues on, merge the "
        "complaint that has them by now into the survivor first, or leave the merge as it is. Where the survivor would have none, "
        "write down there first what it is about (`POST /complaints/{ref}/issues`)."
    )


class LastIssue(Conflict):
    code = "last_issue"
    title = "A complaint has one issue at least"
    advice = "Correct this one instead (PATCH), or add the right one first."


class IssueInUse(Conflict):
    code = "issue_in_use"
    title = "Something stands on this issue"
    advice = (
        "`uses` names it: what was found and decided of the issue, or a merge that brought it and can still be undone."
    )
