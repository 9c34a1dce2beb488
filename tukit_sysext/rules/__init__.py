# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules that others made and we have to follow: pure functions of their arguments, no input or output.

`version`   order of image versions (UAPI.10)
`release`   os-release(5) and extension-release
`systemd`   version of systemd, and what changed when in its matching rule
`matching`  does an extension image fit a system, and why
`link_names` under which link name will systemd accept an image
`names`     names of images, and which names we take at all
"""
