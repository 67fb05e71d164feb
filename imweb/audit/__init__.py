"""The audit trail: who signed in, was refused, changed settings, took data out or changed many incidents at once.

`record` writes an entry into the relational database, in the caller's transaction; `trail.ship` moves entries into an
index of OpenSearch that nothing in this application changes or deletes from. So an entry survives an outage of
OpenSearch, and no sign-in waits for it. Secrets and the contents of incidents never stand in an entry.
"""
