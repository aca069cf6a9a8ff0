from helpdesk.kernel.errors import Conflict


class BudgetExists(Conflict):
    code = "budget_exists"
    title = "There is a budget of this name for this team, period and currency"
    advice = "Allocate to the existing budget, or choose another name."


class BudgetIsClosed(Conflict):
    code = "budget_closed"
    title = "The budget was closed, for good"
    advice = "Use another budget: its `successor_id`, where it has one, or open one (POST /budgets)."


class WithdrawalTooLarge(Conflict):
    code = "withdrawal_too_large"
    title = "The budget has less than that to be taken out"
    advice = (
        "Withdraw at most `withdrawable`: what is set aside or spent stays, and what came from another budget is transferred, "
        "back or to another one."
    )


class TransferTooLarge(Conflict):
    code = "transfer_too_large"
    title = "The budget has less than that available"
    advice = "Transfer at most `available`; what is set aside for offers stays."
