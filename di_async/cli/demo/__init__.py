"""`di-async demo`: a fleet's whole life against the embedded emulator, in some fifteen seconds.

fleet: what is ordered and what it costs. script: what happens. elsewhere: its end, at two other
clouds. view: how it looks meanwhile. summary: what is said at the end. command: the typer command.
"""
