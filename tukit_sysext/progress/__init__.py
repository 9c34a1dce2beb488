# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a running job is: watchers, and the notice in /run."""
