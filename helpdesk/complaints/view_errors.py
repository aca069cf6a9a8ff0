from helpdesk.kernel.errors import Conflict


class ViewBroken(Conflict):
    code = "view_broken"
    title = "This view asks for something that is not there any more"
    advice = "`errors` names each filter at fault; change the view (PUT), or bring back what it asks for."


class TooManyViews(Conflict):
    code = "too_many_views"
    title = "There are as many views as one can keep an eye on"
    advice = "Delete one of them first."
