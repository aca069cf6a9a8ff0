from helpdesk.kernel.errors import Conflict


class TagTaken(Conflict):
    code = "tag_taken"
    title = "There is a tag of this name"
    advice = (
        "Names that differ in capitals, width or spacing only are one. Use the other tag, or merge this one into it."
    )


class TagInUse(Conflict):
    code = "tag_in_use"
    title = "Complaints carry this tag"
    advice = "Merge it into another tag, or take it off them first (a bulk change with the step `remove_tags`)."


class TagNamed(Conflict):
    code = "tag_named"
    title = "Something still puts this tag on complaints, or asks for it"
    advice = "Change what `uses` names first, or merge the tag into another: then its name means that one."


class TagMergedAway(Conflict):
    code = "tag_merged"
    title = "This tag was merged into another"
    advice = "Change the tag named in `merged_into_id`."


class TagChanging(Conflict):
    code = "tag_changing"
    title = "The last renaming or merge of this tag is still under way"
    advice = "Wait for the job named in `job_id`, or cancel it."
