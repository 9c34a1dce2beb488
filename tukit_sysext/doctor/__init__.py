# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be wrong with the set-up of a machine, one module for each check; :mod:`checks` has them all."""
