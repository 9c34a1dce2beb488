# SPDX-License-Identifier: LGPL-2.1-or-later
"""libcurl (pycurl), loaded so that a name server which does not answer holds up nobody for long.

A libcurl with LDAP asks for the name of this machine while it is loaded (ldap_pvt_get_fqdn of OpenLDAP): with a silent
name server that lasted minutes, and no signal gets through. RES_OPTIONS of resolv.conf(5) bounds it: glibc asks three
name servers at the most, for the name in a search domain and for the name as it is.
"""

from __future__ import annotations

import os

_SERVER_TIMEOUT = 3.0
"""Seconds in which one name server has to answer."""

_BEFORE = os.environ.pop("RES_OPTIONS", None)
os.environ["RES_OPTIONS"] = f"timeout:{_SERVER_TIMEOUT:.0f} attempts:1"
try:
    import pycurl
finally:
    # what is asked later has limits of its own (glibc may keep these until resolv.conf changes)
    if _BEFORE is None:
        del os.environ["RES_OPTIONS"]
    else:
        os.environ["RES_OPTIONS"] = _BEFORE

__all__ = ["pycurl"]
