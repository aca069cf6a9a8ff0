"""The thread: HTML beside plain text, answers to messages, senders, the mail of a reply, redaction"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040_thread"
down_revision = "0010_administration"
branch_labels = None
depends_on = None

STANDS = """
CREATE FUNCTION complaint_message_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.redactions = OLD.redactions + 1 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what was said is never changed; it may only be redacted' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER complaint_message_stands BEFORE UPDATE OF kind, author_kind, author_id, body, html, html_given, created_at
    ON complaint_message FOR EACH ROW EXECUTE FUNCTION complaint_message_stands();
"""


def upgrade() -> None:
    op.add_column("outbound_mail", sa.Column("html", sa.String(), nullable=True))
    op.add_column("outbound_mail", sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbound_mail", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbound_mail", sa.Column("failure", sa.String(), nullable=True))
    table = "complaint_message"
    op.add_column(table, sa.Column("html", sa.String(), nullable=True))
    op.add_column(table, sa.Column("html_given", sa.String(), nullable=True))
    op.add_column(table, sa.Column("in_reply_to", sa.Uuid(), nullable=True))
    op.add_column(table, sa.Column("mentions", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column(table, sa.Column("sender_name", sa.String(), nullable=True))
    op.add_column(table, sa.Column("sender_email", sa.String(), nullable=True))
    op.add_column(table, sa.Column("mail_id", sa.Uuid(), nullable=True))
    op.add_column(table, sa.Column("redactions", sa.Integer(), server_default="0", nullable=False))
    op.add_column(table, sa.Column("redacted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(table, sa.Column("redacted_whole", sa.Boolean(), server_default="false", nullable=False))
    op.create_foreign_key(
        op.f("fk_complaint_message_in_reply_to_complaint_message"),
        table,
        table,
        ["in_reply_to"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_foreign_key(
        op.f("fk_complaint_message_mail_id_outbound_mail"),
        table,
        "outbound_mail",
        ["mail_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.create_check_constraint(
        op.f("ck_complaint_message_html_in_both_forms"), table, "(html IS NULL) = (html_given IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_complaint_message_redacted_whole_is_redacted"), table, "redacted_whole = false OR redactions > 0"
    )
    op.execute(STANDS)


def downgrade() -> None:
    op.execute("DROP TRIGGER complaint_message_stands ON complaint_message")
    op.execute("DROP FUNCTION complaint_message_stands()")
    table = "complaint_message"
    for name in (
        "redacted_whole",
        "redacted_at",
        "redactions",
        "mail_id",
        "sender_email",
        "sender_name",
        "mentions",
        "in_reply_to",
        "html_given",
        "html",
    ):
        op.drop_column(table, name)  # with the constraints that stand on it
    for name in ("failure", "cancelled_at", "tried_at", "html"):
        op.drop_column("outbound_mail", name)
