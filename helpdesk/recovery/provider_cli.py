"""`helpdesk provider`: for whoever writes a provider of remedies."""

import click

from helpdesk.kernel import outgoing
from helpdesk.kernel.signatures import is_secret
from helpdesk.recovery.kinds import OUTSIDE
from helpdesk.recovery.provider_check import Probe, check


@click.group()
def provider() -> None:
    """Outside providers of remedies."""


@provider.command(name="check")
@click.argument("url")
@click.option("--secret", required=True, envvar="HELPDESK_PROVIDER_SECRET", help="whsec_...; or in this variable.")
@click.option("--kind", type=click.Choice(sorted(OUTSIDE)), default="refund", show_default=True)
@click.option("--amount", default="0.01", show_default=True, help="What each request asks for.")
@click.option("--currency", default="EUR", show_default=True)
@click.option("--timeout", type=click.FloatRange(1, 60), default=10.0, show_default=True, help="Seconds per request.")
@click.option("--private", is_flag=True, help="Also addresses that are not public, and http://.")
def check_provider(
    *, url: str, secret: str, kind: str, amount: str, currency: str, timeout: float, private: bool
) -> None:
    """Ask a provider everything that the contract promises, over the wire. It issues for real: use a test installation."""
    if not is_secret(secret):
        raise click.UsageError("--secret: write whsec_ and the base64 of 24 to 64 bytes.")
    probe = Probe(url=url, secret=secret, private=private, timeout=timeout, kind=kind, amount=amount, currency=currency)
    broken = 0
    try:
        for finding in check(probe):
            click.echo(
                f"{'pass' if finding.holds else 'FAIL'}  {finding.what}"
                + (f": {finding.instead}" if finding.instead else "")
            )
            broken += not finding.holds
    except outgoing.NotReached as error:
        hint = "" if private else " (--private: also addresses that are not public, and http://)"
        raise click.ClickException(f"Nothing can be sent there: {error}{hint}. What follows was not tried.") from None
    if broken:
        raise click.ClickException(f"{broken} promises are not kept.")
    click.echo("The provider keeps the contract.")
