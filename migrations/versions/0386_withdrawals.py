"""Money can be taken out of a budget again"""

from alembic import op

revision = "0386_withdrawals"
down_revision = "0385_waiting_mails"
branch_labels = None
depends_on = None

_BEFORE = (
    "'allocate', 'reserve', 'commit', 'release', 'reverse', 'reduce', 'transfer_out', 'transfer_in', 'carry_out', 'carry_in', 'lapse', "
    "'overpay'"
)


def _kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_budget_entry_kind"), "budget_entry", type_="check")
    op.create_check_constraint(op.f("ck_budget_entry_kind"), "budget_entry", f"kind IN ({kinds})")


def upgrade() -> None:
    _kinds(f"{_BEFORE}, 'withdraw'")


def downgrade() -> None:
    """Refused by the constraint where something was withdrawn: the release before this one could not prove its ledger."""
    _kinds(_BEFORE)
