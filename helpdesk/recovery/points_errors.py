from helpdesk.kernel.errors import Conflict


class TooFewPoints(Conflict):
    code = "too_few_points"
    title = "The customer has fewer points"
    advice = "Take at most `balance`, and the rest of the price otherwise."


class BurnDiffers(Conflict):
    code = "burn_differs"
    title = "This `external_id` stands for another burning of this customer's points"
    advice = "A repeat names the same amount; another burning has an `external_id` of its own."


class BurnReversed(Conflict):
    code = "burn_reversed"
    title = "This burning was taken back"
    advice = "Nothing is left to take back. To burn points once more, send an `external_id` of its own."
