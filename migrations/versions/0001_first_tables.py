"""The first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from helpdesk.kernel.db import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TRIGGERS = """
CREATE FUNCTION event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.payload IS NULL AND NEW.salt IS NULL
       AND (to_jsonb(NEW) - 'payload' - 'salt') = (to_jsonb(OLD) - 'payload' - 'salt') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'events are never changed or removed; only a payload may be erased'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON event
    FOR EACH ROW EXECUTE FUNCTION event_append_only();
CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION event_append_only();

CREATE FUNCTION duty_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('helpdesk_outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER duty_ring AFTER INSERT ON duty FOR EACH STATEMENT EXECUTE FUNCTION duty_ring();

CREATE FUNCTION budget_entry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger of a budget is never changed; make an entry that puts it right'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER budget_entry_append_only BEFORE UPDATE OR DELETE ON budget_entry
    FOR EACH ROW EXECUTE FUNCTION budget_entry_append_only();
CREATE TRIGGER budget_entry_no_truncate BEFORE TRUNCATE ON budget_entry
    FOR EACH STATEMENT EXECUTE FUNCTION budget_entry_append_only();
CREATE FUNCTION offer_transition_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.given = '{}'::jsonb AND (to_jsonb(NEW) - 'given') = (to_jsonb(OLD) - 'given') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'steps of an offer are never changed or removed; only what was given may be erased'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER offer_transition_append_only BEFORE UPDATE OR DELETE ON offer_transition
    FOR EACH ROW EXECUTE FUNCTION offer_transition_append_only();
CREATE TRIGGER offer_transition_no_truncate BEFORE TRUNCATE ON offer_transition
    FOR EACH STATEMENT EXECUTE FUNCTION offer_transition_append_only();
"""


def upgrade() -> None:
    op.create_table(
        "agent",
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('agent', 'senior', 'manager', 'director', 'admin', 'auditor')", name=op.f("ck_agent_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
    )
    op.create_index("uq_agent_email_lower", "agent", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "customer",
        sa.Column("kind", sa.String(), server_default="person", nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("tier", sa.String(), server_default="ordinary", nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('person', 'organisation')", name=op.f("ck_customer_kind")),
        sa.CheckConstraint("tier IN ('key', 'ordinary', 'small', 'unprofitable')", name=op.f("ck_customer_tier")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
    )
    op.create_index("ix_customer_email_lower", "customer", [sa.literal_column("lower(email)")], unique=False)
    op.create_index(
        "uq_customer_external_id",
        "customer",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "duty",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("dedupe_key", sa.String(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
        sa.UniqueConstraint("topic", "dedupe_key", name=op.f("uq_duty_topic_dedupe_key")),
    )
    op.create_index(
        "ix_duty_done_at", "duty", ["done_at"], unique=False, postgresql_where=sa.text("done_at IS NOT NULL")
    )
    op.create_index(
        "ix_duty_owed",
        "duty",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("done_at IS NULL AND dead_at IS NULL"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("stream_id", sa.Uuid(), nullable=True),
        sa.Column("stream_seq", sa.Integer(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("(payload IS NULL) = (salt IS NULL)", name=op.f("ck_event_erased_whole")),
        sa.CheckConstraint("(stream_id IS NULL) = (stream_seq IS NULL)", name=op.f("ck_event_stream_and_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("stream_id", "stream_seq", name=op.f("uq_event_stream_id_stream_seq")),
    )
    op.create_index("ix_event_subject", "event", ["subject_id"], unique=False)
    op.create_index("ix_event_xid_seq", "event", ["xid", "seq"], unique=False)
    op.create_table(
        "event_log_epoch",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_event_log_epoch")),
    )
    op.create_table(
        "idempotent_answer",
        sa.Column("scope", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_idempotent_answer")),
    )
    op.create_index("ix_idempotent_answer_created_at", "idempotent_answer", ["created_at"], unique=False)
    op.create_table(
        "outbound_mail",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_mail")),
    )
    op.create_table(
        "sla_calendar",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_calendar")),
        sa.UniqueConstraint("name", name=op.f("uq_sla_calendar_name")),
    )
    op.create_table(
        "sla_policy",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_policy")),
        sa.UniqueConstraint("name", name=op.f("uq_sla_policy_name")),
    )
    op.create_index(
        "uq_sla_policy_default", "sla_policy", ["is_default"], unique=True, postgresql_where=sa.text("is_default")
    )
    op.create_table(
        "team",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
        sa.UniqueConstraint("name", name=op.f("uq_team_name")),
    )
    op.create_table(
        "budget",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("allocated_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("committed_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "allocated_minor - reserved_minor - committed_minor >= 0", name=op.f("ck_budget_never_below_zero")
        ),
        sa.CheckConstraint("allocated_minor >= 0", name=op.f("ck_budget_allocated")),
        sa.CheckConstraint("committed_minor >= 0", name=op.f("ck_budget_committed")),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_budget_period")),
        sa.CheckConstraint("reserved_minor >= 0", name=op.f("ck_budget_reserved")),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_budget_team_id_team"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint(
            "team_id",
            "starts_on",
            "ends_on",
            "currency",
            "name",
            name=op.f("uq_budget_team_id_starts_on_ends_on_currency_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_budget_currency_ends_on", "budget", ["currency", "ends_on"], unique=False)
    op.create_table(
        "complaint",
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("impact", sa.Integer(), nullable=True),
        sa.Column("urgency", sa.Integer(), nullable=True),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("track", sa.String(), nullable=True),
        sa.Column("waiting_on", sa.String(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("triaged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("investigated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("followed_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalation_level", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("double_deviation", sa.Boolean(), nullable=False),
        sa.Column("dismissal", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("fault", sa.String(), nullable=True),
        sa.Column("root_cause", sa.String(), nullable=True),
        sa.Column("contributing_causes", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("no_remedy_reason", sa.String(), nullable=True),
        sa.Column("offers_live", sa.Integer(), nullable=False),
        sa.Column("remedies_undelivered", sa.Integer(), nullable=False),
        sa.Column("issue_count", sa.Integer(), nullable=False),
        sa.Column("transition_count", sa.Integer(), nullable=False),
        sa.Column("vulnerable", sa.Boolean(), nullable=False),
        sa.Column("safety", sa.Boolean(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("loss_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("jurisdiction", sa.String(), nullable=True),
        sa.Column("sector", sa.String(), nullable=True),
        sa.Column("source_data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("event_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("event_head", sa.LargeBinary(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'dismissed') = (dismissal IS NOT NULL)", name=op.f("ck_complaint_dismissed_with_reason")
        ),
        sa.CheckConstraint(
            "dismissal IN ('spam', 'not_a_complaint', 'out_of_scope')", name=op.f("ck_complaint_dismissal")
        ),
        sa.CheckConstraint("fault IN ('firm', 'shared', 'none')", name=op.f("ck_complaint_fault")),
        sa.CheckConstraint("severity IN ('S1', 'S2', 'S3', 'S4', 'S5')", name=op.f("ck_complaint_severity")),
        sa.CheckConstraint("stage IN ('1', '2', 'external')", name=op.f("ck_complaint_stage")),
        sa.CheckConstraint(
            "status IN ('received', 'investigated', 'resolved', 'followed_up', 'withdrawn', 'dismissed')",
            name=op.f("ck_complaint_status"),
        ),
        sa.CheckConstraint("track IN ('on_the_spot', 'investigate')", name=op.f("ck_complaint_track")),
        sa.CheckConstraint(
            "waiting_on IN ('us', 'customer', 'third_party', 'nobody')", name=op.f("ck_complaint_waiting_on")
        ),
        sa.CheckConstraint(
            "(price_minor IS NULL AND loss_minor IS NULL) OR currency IS NOT NULL",
            name=op.f("ck_complaint_amounts_have_currency"),
        ),
        sa.CheckConstraint("escalation_level BETWEEN 0 AND 3", name=op.f("ck_complaint_escalation_level")),
        sa.CheckConstraint(
            "external_id IS NULL OR source IS NOT NULL", name=op.f("ck_complaint_external_id_of_source")
        ),
        sa.CheckConstraint("remedies_undelivered >= 0", name=op.f("ck_complaint_remedies_undelivered")),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["agent.id"], name=op.f("fk_complaint_assignee_id_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_complaint_customer_id_customer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_complaint_team_id_team"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint")),
        sa.UniqueConstraint("reference", name=op.f("uq_complaint_reference")),
    )
    op.create_index(
        "ix_complaint_assignee_id_received_at_id", "complaint", ["assignee_id", "received_at", "id"], unique=False
    )
    op.create_index("ix_complaint_customer_id", "complaint", ["customer_id"], unique=False)
    op.create_index("ix_complaint_external_id", "complaint", ["external_id"], unique=False)
    op.create_index("ix_complaint_received_at_id", "complaint", ["received_at", "id"], unique=False)
    op.create_index(
        "ix_complaint_severity_received_at_id", "complaint", ["severity", "received_at", "id"], unique=False
    )
    op.create_index("ix_complaint_status_received_at_id", "complaint", ["status", "received_at", "id"], unique=False)
    op.create_index("ix_complaint_team_id_received_at_id", "complaint", ["team_id", "received_at", "id"], unique=False)
    op.create_index("uq_complaint_source_external_id", "complaint", ["source", "external_id"], unique=True)
    op.create_table(
        "import_job",
        sa.Column("state", sa.String(), server_default="queued", nullable=False),
        sa.Column("mapping", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("checksum", sa.String(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("line_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("byte_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("records_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("accepted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("skipped", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_from_records", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("run_from_byte", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("progress_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_import_job_ended_at_a_time"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_import_job_state")
        ),
        sa.CheckConstraint(
            "records_read = accepted + skipped + rejected", name=op.f("ck_import_job_every_record_accounted_for")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["agent.id"], name=op.f("fk_import_job_created_by_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_job")),
    )
    op.create_index("ix_import_job_checksum", "import_job", ["checksum"], unique=False)
    op.create_index("ix_import_job_created_by_id", "import_job", ["created_by", "id"], unique=False)
    op.create_table(
        "sla_calendar_version",
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["sla_calendar.id"],
            name=op.f("fk_sla_calendar_version_calendar_id_sla_calendar"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("calendar_id", "version", name=op.f("pk_sla_calendar_version")),
    )
    op.create_table(
        "sla_policy_version",
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["sla_calendar.id"],
            name=op.f("fk_sla_policy_version_calendar_id_sla_calendar"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["sla_policy.id"],
            name=op.f("fk_sla_policy_version_policy_id_sla_policy"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("policy_id", "version", name=op.f("pk_sla_policy_version")),
    )
    op.create_table(
        "team_member",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_team_member_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_team_member_team_id_team"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "agent_id", name=op.f("pk_team_member")),
    )
    op.create_index(op.f("ix_team_member_agent_id"), "team_member", ["agent_id"], unique=False)
    op.create_table(
        "token",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("bootstrap", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_token_agent_id_agent"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_token_hash")),
    )
    op.create_index(op.f("ix_token_agent_id"), "token", ["agent_id"], unique=False)
    op.create_table(
        "complaint_issue",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("issue", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("finding", sa.String(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('upheld', 'partly_upheld', 'not_upheld')", name=op.f("ck_complaint_issue_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_issue_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_issue")),
        sa.UniqueConstraint("complaint_id", "position", name=op.f("uq_complaint_issue_complaint_id_position")),
    )
    op.create_index("ix_complaint_issue_issue", "complaint_issue", ["issue"], unique=False)
    op.create_table(
        "complaint_message",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("author_kind", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('public_reply', 'internal_note', 'inbound')", name=op.f("ck_complaint_message_kind")
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_message_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_message")),
    )
    op.create_index("ix_complaint_message_complaint_id_id", "complaint_message", ["complaint_id", "id"], unique=False)
    op.create_table(
        "complaint_need",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("flag", sa.String(), nullable=False),
        sa.Column("adjustment", sa.String(), nullable=True),
        sa.Column("consent", sa.Boolean(), nullable=False),
        sa.Column("ground", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_need_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_need")),
    )
    op.create_index("ix_complaint_need_complaint_id", "complaint_need", ["complaint_id"], unique=False)
    op.create_table(
        "complaint_person",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("region", sa.String(), nullable=True),
        sa.Column("postcode", sa.String(), nullable=True),
        sa.Column("authority", sa.String(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "role <> 'subject' OR agent_id IS NOT NULL", name=op.f("ck_complaint_person_subject_is_agent")
        ),
        sa.CheckConstraint(
            "role IN ('complainant', 'affected', 'representative', 'subject')", name=op.f("ck_complaint_person_role")
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_complaint_person_agent_id_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_person_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_complaint_person_customer_id_customer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_person")),
    )
    op.create_index(
        "ix_complaint_person_agent_id",
        "complaint_person",
        ["agent_id"],
        unique=False,
        postgresql_where=sa.text("agent_id IS NOT NULL"),
    )
    op.create_index("ix_complaint_person_complaint_id", "complaint_person", ["complaint_id"], unique=False)
    op.create_table(
        "complaint_transition",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=False),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_transition_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_transition")),
        sa.UniqueConstraint("complaint_id", "number", name=op.f("uq_complaint_transition_complaint_id_number")),
    )
    op.create_table(
        "import_rejection",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("excerpt", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("outcome IN ('rejected', 'skipped', 'note')", name=op.f("ck_import_rejection_outcome")),
        sa.CheckConstraint("length(excerpt) <= 500", name=op.f("ck_import_rejection_excerpt_short")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("fk_import_rejection_job_id_import_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_rejection")),
    )
    op.create_index("ix_import_rejection_job_id_line_id", "import_rejection", ["job_id", "line", "id"], unique=False)
    op.create_table(
        "offer",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("valid_days", sa.Integer(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drafted_by", sa.Uuid(), nullable=True),
        sa.Column("approvals", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=True),
        sa.Column("round", sa.Integer(), server_default="1", nullable=False),
        sa.Column("steps", sa.Integer(), server_default="0", nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issued_reference", sa.String(), nullable=True),
        sa.Column("suggestion", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(kind IN ('voucher')) = (amount_minor IS NOT NULL)", name=op.f("ck_offer_paying_has_amount")
        ),
        sa.CheckConstraint(
            "amount_minor IS NULL OR status NOT IN ('accepted', 'approved', 'issued', 'issuing', 'offered', 'redeemed') OR budget_id IS NOT NULL",
            name=op.f("ck_offer_granted_from_budget"),
        ),
        sa.CheckConstraint("kind IN ('voucher', 'apology_letter')", name=op.f("ck_offer_kind")),
        sa.CheckConstraint("status <> 'offered' OR valid_until IS NOT NULL", name=op.f("ck_offer_offered_until")),
        sa.CheckConstraint(
            "status IN ('drafted', 'pending_approval', 'approved', 'offered', 'accepted', 'issuing', 'issued', 'redeemed', 'declined', 'expired', 'revoked', 'failed', 'reversed')",
            name=op.f("ck_offer_status"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('issued', 'redeemed') OR issued_reference IS NOT NULL",
            name=op.f("ck_offer_issued_with_reference"),
        ),
        sa.CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name=op.f("ck_offer_amount_has_currency")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_offer_amount_minor")),
        sa.CheckConstraint("round >= 1", name=op.f("ck_offer_round")),
        sa.CheckConstraint("valid_days BETWEEN 1 AND 365", name=op.f("ck_offer_valid_days")),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budget.id"], name=op.f("fk_offer_budget_id_budget"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaint.id"], name=op.f("fk_offer_complaint_id_complaint"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["drafted_by"], ["agent.id"], name=op.f("fk_offer_drafted_by_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
    )
    op.create_index("ix_offer_complaint_id_id", "offer", ["complaint_id", "id"], unique=False)
    op.create_index("ix_offer_kind_id", "offer", ["kind", "id"], unique=False)
    op.create_index("ix_offer_status_id", "offer", ["status", "id"], unique=False)
    op.create_index(
        "ix_offer_valid_until", "offer", ["valid_until"], unique=False, postgresql_where=sa.text("status = 'offered'")
    )
    op.create_table(
        "sla_clock",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("calendar_id", sa.Uuid(), nullable=True),
        sa.Column("calendar_version", sa.Integer(), nullable=True),
        sa.Column("rule_id", sa.String(), nullable=True),
        sa.Column("severity", sa.String(), nullable=True),
        sa.Column("target_amount", sa.Integer(), nullable=False),
        sa.Column("target_unit", sa.String(), nullable=False),
        sa.Column("pausable", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remaining_seconds", sa.Integer(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("breached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("elapsed_seconds", sa.Integer(), nullable=True),
        sa.Column("pauses", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("next_threshold", sa.Integer(), nullable=True),
        sa.Column("next_alarm_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(state = 'paused') = (due_at IS NULL AND remaining_seconds IS NOT NULL)",
            name=op.f("ck_sla_clock_paused_open"),
        ),
        sa.CheckConstraint("next_alarm_at IS NULL OR state = 'running'", name=op.f("ck_sla_clock_only_running_rings")),
        sa.CheckConstraint("state <> 'breached' OR breached_at IS NOT NULL", name=op.f("ck_sla_clock_breached_when")),
        sa.CheckConstraint(
            "state IN ('running', 'paused', 'met', 'breached', 'cancelled')", name=op.f("ck_sla_clock_state")
        ),
        sa.CheckConstraint("(next_alarm_at IS NULL) = (next_threshold IS NULL)", name=op.f("ck_sla_clock_alarm_whole")),
        sa.CheckConstraint("(policy_id IS NULL) = (rule_id IS NOT NULL)", name=op.f("ck_sla_clock_policy_or_rule")),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["sla_calendar.id"],
            name=op.f("fk_sla_clock_calendar_id_sla_calendar"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaint.id"], name=op.f("fk_sla_clock_complaint_id_complaint"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["sla_policy.id"], name=op.f("fk_sla_clock_policy_id_sla_policy"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_clock")),
        sa.UniqueConstraint("complaint_id", "kind", "round", name=op.f("uq_sla_clock_complaint_id_kind_round")),
    )
    op.create_index(
        "ix_sla_clock_armed",
        "sla_clock",
        ["next_alarm_at"],
        unique=False,
        postgresql_where=sa.text("next_alarm_at IS NOT NULL"),
    )
    op.create_index("ix_sla_clock_complaint_id", "sla_clock", ["complaint_id"], unique=False)
    op.create_table(
        "budget_entry",
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.Uuid(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(kind = 'allocate') = (offer_id IS NULL)", name=op.f("ck_budget_entry_offer")),
        sa.CheckConstraint(
            "kind IN ('allocate', 'reserve', 'commit', 'release', 'reverse')", name=op.f("ck_budget_entry_kind")
        ),
        sa.CheckConstraint("(offer_id IS NULL) = (round IS NULL)", name=op.f("ck_budget_entry_round")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_budget_entry_amount_minor")),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budget.id"], name=op.f("fk_budget_entry_budget_id_budget"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_budget_entry_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_entry")),
    )
    op.create_index("ix_budget_entry_budget_id_id", "budget_entry", ["budget_id", "id"], unique=False)
    op.create_index(
        "uq_budget_entry_commit", "budget_entry", ["offer_id"], unique=True, postgresql_where=sa.text("kind = 'commit'")
    )
    op.create_index(
        "uq_budget_entry_reserve",
        "budget_entry",
        ["offer_id", "round"],
        unique=True,
        postgresql_where=sa.text("kind = 'reserve'"),
    )
    op.create_index(
        "uq_budget_entry_reverse",
        "budget_entry",
        ["offer_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'reverse'"),
    )
    op.create_index(
        "uq_budget_entry_settle",
        "budget_entry",
        ["offer_id", "round"],
        unique=True,
        postgresql_where=sa.text("kind IN ('commit', 'release')"),
    )
    op.create_table(
        "letter",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("mail_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("language IN ('en', 'zh')", name=op.f("ck_letter_language")),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_letter_offer_id_offer"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_letter_offer_id")),
    )
    op.create_table(
        "offer_transition",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=False),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_offer_transition_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_transition")),
        sa.UniqueConstraint("offer_id", "number", name=op.f("uq_offer_transition_offer_id_number")),
    )
    op.create_index(
        "ix_offer_transition_actor_id_at",
        "offer_transition",
        ["actor_id", "at"],
        unique=False,
        postgresql_where=sa.text("action IN ('approve', 'endorse')"),
    )
    op.create_table(
        "sla_alarm",
        sa.Column("clock_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("planned_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_seconds", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clock_id"], ["sla_clock.id"], name=op.f("fk_sla_alarm_clock_id_sla_clock"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("clock_id", "generation", "threshold", name=op.f("pk_sla_alarm")),
    )
    op.create_table(
        "voucher",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redeemed_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_voucher_amount_minor")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_voucher_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["redeemed_by"], ["agent.id"], name=op.f("fk_voucher_redeemed_by_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher")),
        sa.UniqueConstraint("code", name=op.f("uq_voucher_code")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_voucher_offer_id")),
    )
    op.execute(_TRIGGERS)
    op.execute(
        "INSERT INTO event_log_epoch (singleton, epoch) VALUES (true, replace(gen_random_uuid()::text, '-', ''))"
    )


def downgrade() -> None:
    raise NotImplementedError("The first migration is not taken back; drop the database instead.")
