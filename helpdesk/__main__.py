"""The `helpdesk` command. `python -m helpdesk` is the same; it works from a checkout that is not installed."""

import sys

from helpdesk.sla.cli import compute


def main() -> None:
    """A command that needs no database does not wait for the rest of the program to load."""
    if sys.argv[1:3] == ["sla", "compute"]:
        compute(args=sys.argv[3:], prog_name="helpdesk sla compute")
    from helpdesk import cli  # noqa: PLC0415  # it loads all the rest, which takes more than a second

    cli.main(prog_name="helpdesk")


if __name__ == "__main__":
    main()
