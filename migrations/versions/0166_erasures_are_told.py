"""A payload is erased only where an event of the same transaction says so, by stream and place

The administration's acts, and events outside of the chains, keep theirs: nothing there may lawfully erase one.
"""

from alembic import op

revision = "0166_erasures_are_told"
down_revision = "0168_mail_headers"
branch_labels = None
depends_on = None

_TOLD = """
CREATE FUNCTION event_erasure_is_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM event AS telling
        WHERE NEW.stream_id IS DISTINCT FROM '00000000-0000-7000-8000-0000000000ad'  -- the administration's: never
          AND telling.xid = pg_current_xact_id()
          AND telling.payload -> 'erased' -> encode(sha256(convert_to(NEW.stream_id::text, 'UTF8')), 'hex') @> to_jsonb(NEW.stream_seq)
    ) THEN
        RAISE EXCEPTION 'a payload is erased only where an event of the same transaction says so'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER event_erasure_is_told AFTER UPDATE ON event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION event_erasure_is_told();
"""


def upgrade() -> None:
    op.execute(_TOLD)


def downgrade() -> None:
    op.execute("DROP TRIGGER event_erasure_is_told ON event; DROP FUNCTION event_erasure_is_told()")
