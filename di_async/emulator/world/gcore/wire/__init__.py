"""How Gcore's requests are read and its answers written.

Rules of this folder: between JSON and values, with no state and no time; what is on sale is data.
"""
