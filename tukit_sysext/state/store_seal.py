# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one place where content of the store can be sealed, so that the kernel refuses to read what was changed later.

Nothing is done here yet: fs-verity and dm-verity need a kernel on which they can be tried. What holds for whoever adds
it:

* called exactly once for everything that is published, fetched, copied or taken over, by Store alone
* the content is what its hash says and was looked into; it is synced, and nobody writes to it any more
* neither its record nor its name is there yet (what is taken over has its name already): raising StoreError or OSError
  publishes nothing, and the old state is whole
* nobody else publishes meanwhile (Store holds its lock), so it must be done within seconds
* a seal may change the inode's times, not the content: the identity in the record is taken afterwards
* FS_IOC_ENABLE_VERITY fails with ETXTBSY while a descriptor is open for writing, which that of a new image is: it
  would have to be opened anew for reading, through /proc/self/fd, and the other one be closed
* what cannot be sealed on this file system is no failure, unless the configuration wants it sealed
"""

from __future__ import annotations

from tukit_sysext.state.record import Record


def seal(descriptor: int, record: Record) -> None:
    """Seal the content behind an open ``descriptor``, which becomes that of ``record``. Raises StoreError, OSError."""
