"""Two processes that run `ensure` of one spec at random moments, while responses are lost.

`python -m tests.concurrent_ensure` runs it 50 times on each cloud with unique names.
"""
