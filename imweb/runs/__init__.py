"""How the background work goes: when each task last ran, which workers live, what failed and stands until it succeeds.

Times stand in Redis, which Celery needs anyway and which may lose them; what failed stands in the database.
"""
