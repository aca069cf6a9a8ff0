"""`helpdesk sla pause-audit`: the whole of `GET /sla/pause-audit` as a table for spreadsheets, however long it is."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import click

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.spreadsheets import BOM, line
from helpdesk.sla import pause_audit

COLUMNS: Final = ("reference", "team", "agent", "replied_at", "until", "paused_minutes", "clocks")


class _Time(click.ParamType[datetime]):
    name = "rfc3339"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else parse_rfc3339(value)
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


@click.command(name="pause-audit")
@click.option("--from", "since", type=_Time(), help="Replies at or after.  [30 days before the end]")
@click.option("--before", type=_Time(), help="Replies before.  [now]")
@click.option("--team", "team_id", type=click.UUID, help="Only complaints that this team has now.")
@click.option("--agent", "agent_id", type=click.UUID, help="Only complaints that this agent has now.")
@click.pass_context
def pause_audit_command(
    context: click.Context,
    since: datetime | None,
    before: datetime | None,
    team_id: UUID | None,
    agent_id: UUID | None,
) -> None:
    """Print, as CSV, each reply that clocks went on standing still after, with the business minutes that they did."""
    asked = {"replied_from": since, "replied_before": before, "team_id": team_id, "agent_id": agent_id}
    given = {name: value for name, value in asked.items() if value is not None}
    click.echo(BOM + line(COLUMNS), nl=False)
    with context.obj().database.reader() as session:
        for row in pause_audit.every(session, SYSTEM, given):
            minutes = round(row["paused_seconds"] / 60, 1)
            kinds = " ".join(sorted(clock["kind"] for clock in row["clocks"]))
            cells = [row[name] for name in COLUMNS[:5]]
            click.echo(line([*cells, minutes, kinds]), nl=False)
