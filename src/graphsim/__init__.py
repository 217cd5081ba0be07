"""A stand-in for Meta: Graph API in, signed webhooks out, faults on request.

It knows nothing of the system it is used against; the two meet on HTTP only. Its journal is the
record that tests trust: whether a message was taken, how often, and what the caller was told.
"""
