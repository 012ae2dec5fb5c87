"""A release on its way into a stage, and back: what `scripts.deploy`, `rollback`, `releases` and `smoke` are made of.

Everything here speaks AWS's APIs through clients that it is given, and knows no other cloud.
"""
