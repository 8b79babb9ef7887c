"""The administration point: who the agents are, what their policies say, and the API for it.

The modules here know no HTTP: they raise `control.errors`; `control.api` answers.
"""
