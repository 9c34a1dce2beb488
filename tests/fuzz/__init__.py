# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzzing of every parser of foreign data, and of what a crash can corrupt.

A target is a function of bytes that checks what must hold of any bytes. pytest runs all of them shortly; the long run,
with an engine of our own that reaches some thousand executions a second and whose seed repeats it, is

    python -m tests.fuzz --executions 1000000 [--seed N]
"""
