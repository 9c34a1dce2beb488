# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image needs of a system beyond systemd's rule, in RPM's words: values and rules, all of it pure."""
