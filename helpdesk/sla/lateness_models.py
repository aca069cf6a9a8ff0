from sqlalchemy import BigInteger, CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base

ALARMS = ("warned", "breached", "overdue")


class AlarmLateness(Base):
    """How many alarms rang how late: what `/metrics` shows as a histogram. Sums, never rows of alarms.

    `shard`: of the connection that wrote, so that workers do not wait for each other's commits. `upto_ms`: the bucket, by its
    upper bound.
    """

    __tablename__ = "sla_alarm_lateness"
    __table_args__ = (CheckConstraint(f"alarm IN {ALARMS}", name="alarm"),)

    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    alarm: Mapped[str] = mapped_column(primary_key=True)
    upto_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    alarms: Mapped[int] = mapped_column(BigInteger)
    sum_ms: Mapped[int] = mapped_column(BigInteger)
