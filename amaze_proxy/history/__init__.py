"""The durable record in SQL: policy versions, agents and the hashes of their credentials, API keys.

The only importer of sqlmodel, sqlalchemy and alembic. `open_history` in `bundle.py` is the way in.
"""
