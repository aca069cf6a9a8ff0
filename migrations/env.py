from alembic import context

import helpdesk.tables
from helpdesk.kernel.db import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()

assert helpdesk.tables  # noqa: S101  # imported for its effect: every table is then known to the metadata
