"""What the program costs, beside floors that do the same work by hand. `make bench`; nothing here fails for being slow.

Environment: `HELPDESK_BENCH=smoke` for a run of a minute that proves nothing, `HELPDESK_BENCH_ROUNDS` and
`HELPDESK_BENCH_REQUESTS` (per slice) for a longer or a shorter one.
"""
