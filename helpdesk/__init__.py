"""Helpdesk: complaint handling and service recovery.

Domains, in import order: `kernel < identity < customers < complaints < {sla | recovery} < integrations < wiring < app <
worker, schedule, cli`. Each domain's "why" is the docstring of its own `__init__.py`.
"""
