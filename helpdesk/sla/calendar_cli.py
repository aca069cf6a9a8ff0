"""`helpdesk sla holidays`: calendars that a newer release of the package of public holidays would write otherwise."""

import click

from helpdesk.identity.actors import SYSTEM
from helpdesk.sla import calendar_queries, calendars, recomputing


@click.command()
@click.option(
    "--refresh", is_flag=True, help="Take the differences over, as new versions; open clocks on them are recomputed."
)
@click.pass_context
def holidays(context: click.Context, *, refresh: bool) -> None:
    """Say which calendars would have other public holidays by the installed release of the package that knows them."""
    database = context.obj().database
    with database.unit_of_work(SYSTEM) as uow:
        now, found = uow.now, calendar_queries.calendars_by_name(uow.session)
    told = [(row, calendars.holiday_changes(row.spec, now)) for row in found]
    differing = [(row, changes) for row, changes in told if changes["differs"]]
    for row, changes in differing:
        click.echo(f"{row.name}: worked out by release {changes['kept_release']}, {changes['release']} is installed")
        for sign, how in (("+", "added"), ("-", "removed")):
            for day, text in (*changes[f"holidays_{how}"].items(), *changes[f"working_days_{how}"].items()):
                click.echo(f"  {sign} {day} {text}")
        if refresh:
            with database.unit_of_work(SYSTEM) as uow:
                calendars.refresh(uow, calendar_queries.calendar_for_update(uow.session, SYSTEM, row.id))
                recomputing.begin(uow, SYSTEM)
    done = "refreshed" if refresh else "would differ"
    click.echo(f"{len(differing)} of {len(found)} calendars {done}.")
