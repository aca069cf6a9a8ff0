"""Who is calling, and what they may do.

Agents belong to teams and hold one role. A role is a row: permissions from one vocabulary (`permissions`), a scope (which
complaints) and an authority (how much money). People sign in and get a session, scripts have a token, other systems an API
key for which an agent answers; of each only the hash is kept. Which rows a caller sees is decided in each domain's
`visible_to(actor)`; what they may do with them, by the permission in the lifecycle row or on the route. Nobody gives what
they do not hold (`granting`), and every act here is on the log of administrative acts (`administration`).
"""
