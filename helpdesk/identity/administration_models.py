"""What the log of administrative acts hangs on."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.events import EventStream

ADMINISTRATION: Final = UUID("00000000-0000-7000-8000-0000000000ad")
"""Id of the one chain."""


class AdministrationLog(EventStream, Base):
    """The one row, written by a migration: how many administrative acts there were, and the hash of the last."""

    __tablename__ = "administration_log"
    __table_args__ = (CheckConstraint(f"id = '{ADMINISTRATION}'", name="one_row"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)


IS_ADMINISTRATIVE: Final = text(f"stream_id = '{ADMINISTRATION}'")
"""The condition of the indexes below, and written out in every query that means to use them: the planner does not take a
partial index on the word of a parameter.
"""

for _name, _columns in {
    "": (),
    "_type": (EventRow.type,),
    "_subject": (EventRow.subject_id,),
    "_actor": (EventRow.actor_id,),
}.items():
    Index(
        f"ix_event_administration{_name}",
        *_columns,
        EventRow.occurred_at,
        EventRow.stream_seq,
        postgresql_where=IS_ADMINISTRATIVE,
    )
