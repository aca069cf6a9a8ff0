"""Roles are rows: what they give can be changed, and there can be more of them

The six that were written in the program are here with what they gave. Permissions that come later reach them by
`helpdesk migrate`.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0010_roles"
down_revision = "0070_views"
branch_labels = None
depends_on = None

_READING = {"complaint:read", "customer:read", "offer:read", "sla:read", "agent:read"}
_AGENT = _READING | {
    *(f"complaint:{act}" for act in ("create", "edit", "reply", "note", "acknowledge", "triage", "ask", "investigate")),
    *(f"complaint:{act}" for act in ("resolve", "follow_up", "withdraw", "escalate", "claim")),
    *("customer:edit", "offer:draft", "offer:send", "offer:answer"),
}
_SENIOR = _AGENT | {
    *(f"complaint:{act}" for act in ("dismiss", "reopen", "refer", "assign")),
    *("offer:approve", "budget:read"),
}
_MANAGER = _SENIOR | {
    *("offer:revoke", "budget:manage", "sla:manage", "event:read", "import:run", "voucher:redeem"),
}
_AUDITOR = _READING | {"budget:read", "event:read", "audit:read", "job:read_all"}
_ADMIN = _MANAGER | _AUDITOR | {"agent:manage", "role:manage", "token:manage"}
_ROLES = (
    ("agent", "Handles complaints.", _AGENT, "teams", "agent"),
    ("senior", "Decides the harder ones, and approves offers.", _SENIOR, "teams", "senior"),
    ("manager", "Answers for every team.", _MANAGER, "everything", "manager"),
    ("director", "As a manager, for larger amounts.", _MANAGER, "everything", "director"),
    ("admin", "May do everything.", _ADMIN, "everything", "director"),
    ("auditor", "Reads everything and changes nothing.", _AUDITOR, "everything", "none"),
)


def upgrade() -> None:
    role = op.create_table(
        "role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("permissions", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("authority", sa.String(), nullable=False),
        sa.Column("built_in", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("scope IN ('own', 'teams', 'everything')", name=op.f("ck_role_scope")),
        sa.CheckConstraint(
            "authority IN ('none', 'agent', 'senior', 'manager', 'director')", name=op.f("ck_role_authority")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("name", name=op.f("uq_role_name")),
    )
    op.create_index("uq_role_name_lower", "role", [sa.literal_column("lower(name)")], unique=True)
    known = op.create_table(
        "known_permission",
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_known_permission")),
    )
    op.bulk_insert(
        role,
        [
            {
                "id": UUID(f"00000000-0000-7000-8000-{number:012}"),
                "name": name,
                "description": description,
                "permissions": sorted(permissions),
                "scope": scope,
                "authority": authority,
                "built_in": True,
            }
            for number, (name, description, permissions, scope, authority) in enumerate(_ROLES, start=1)
        ],
    )
    op.bulk_insert(known, [{"name": name} for name in sorted(_ADMIN)])
    op.drop_constraint("ck_agent_role", "agent")
    op.create_foreign_key(op.f("fk_agent_role_role"), "agent", "role", ["role"], ["name"], ondelete="RESTRICT")
    op.create_index("ix_agent_role", "agent", ["role"])
    op.drop_constraint("fk_import_job_created_by_agent", "import_job")  # an API key may have begun it


def downgrade() -> None:
    """Possible while nobody has a role that the program did not know."""
    op.create_foreign_key(
        op.f("fk_import_job_created_by_agent"), "import_job", "agent", ["created_by"], ["id"], ondelete="RESTRICT"
    )
    op.drop_index("ix_agent_role", "agent")
    op.drop_constraint("fk_agent_role_role", "agent")
    op.create_check_constraint(
        "role", "agent", "role IN ('agent', 'senior', 'manager', 'director', 'admin', 'auditor')"
    )
    op.drop_table("known_permission")
    op.drop_table("role")
