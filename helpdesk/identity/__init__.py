"""Who is calling, and what they may do.

Agents belong to teams and hold one role; a role is a set of permissions from one vocabulary (`permissions`). Callers
prove themselves with a bearer token, of which only the hash is kept. Which rows a caller sees is decided in each
domain's `visible_to(actor)`; what they may do with them, by the permission in the lifecycle row or on the route.
"""
