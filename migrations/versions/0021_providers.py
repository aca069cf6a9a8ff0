"""Identity providers, who is whom there, and roles that need a second factor"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021_providers"
down_revision = "0080_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_provider",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("redirect_uri", sa.String(), nullable=True),
        sa.Column("allowed_domains", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("provision_role", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["provision_role"],
            ["role.name"],
            name=op.f("fk_identity_provider_provision_role_role"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_provider")),
    )
    op.create_index("uq_identity_provider_name_lower", "identity_provider", [sa.text("lower(name)")], unique=True)
    op.create_table(
        "agent_identity",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_agent_identity_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["identity_provider.id"],
            name=op.f("fk_agent_identity_provider_id_identity_provider"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_identity")),
        sa.UniqueConstraint("agent_id", "issuer", name=op.f("uq_agent_identity_agent_id_issuer")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_agent_identity_issuer_subject")),
    )
    op.create_index(op.f("ix_agent_identity_provider_id"), "agent_identity", ["provider_id"], unique=False)
    op.create_table(
        "provider_sign_in",
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("binding", sa.LargeBinary(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("in_cookie", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["identity_provider.id"],
            name=op.f("fk_provider_sign_in_provider_id_identity_provider"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_provider_sign_in")),
    )
    op.create_index("ix_provider_sign_in_expires_at", "provider_sign_in", ["expires_at"], unique=False)
    op.create_index(op.f("ix_provider_sign_in_provider_id"), "provider_sign_in", ["provider_id"], unique=False)
    op.add_column("role", sa.Column("second_factor", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("role", "second_factor")
    op.drop_table("provider_sign_in")
    op.drop_table("agent_identity")
    op.drop_table("identity_provider")
