# SPDX-License-Identifier: LGPL-2.1-or-later
"""An evil server: it answers any request with any of the faults, while the main job of transactions runs.

What is published, what the servers do wrong and what the machine had before is drawn by a seed; after each run all that
must hold is checked. The long form is

    python -m tests.evil --runs 500 [--seed N]
"""
