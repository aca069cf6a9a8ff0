"""`python -m helpdesk` is the same as the `helpdesk` command; it works from a checkout that is not installed."""

from helpdesk.cli import main

if __name__ == "__main__":
    main()
