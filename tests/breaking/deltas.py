# SPDX-License-Identifier: LGPL-2.1-or-later
"""What indexes of chunks may say, and images that are put together by them: the row N50."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_DELTA = "tukit_sysext/sources/delta.py"
_INCOMING = "tukit_sysext/store/incoming.py"
_TESTS = "tests/unit/sources/test_delta.py"
_REPAIR = "tests/unit/integrity/test_repair_parts.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "N50",
        "a chunk counts whatever its hash is",
        _DELTA,
        "            if not self._index.is_chunk(",
        "            if False and not self._index.is_chunk(",
        f"{_TESTS}::test_a_mirror_is_asked_for_parts_that_are_wrong",
        f"{_TESTS}::test_what_is_here_may_be_damaged",
    ),
    broken(
        "N50",
        "an image that is not what its index says is not asked for anew",
        _DELTA,
        "            self._sink.restart()\n            return False\n",
        "            raise StoreError(str(error)) from error\n",
        f"{_TESTS}::test_an_index_that_lies_costs_bytes_and_no_more",
    ),
    broken(
        "N50",
        "a server that gives the whole file for a part is asked again for each",
        _DELTA,
        "instead=replace(whole, accept=accept_whole) if first else None,",
        "instead=None,",
        f"{_TESTS}::test_a_server_without_ranges_is_asked_once",
    ),
    broken(
        "N50",
        "bytes of another place are taken for those that were asked for",
        "tukit_sysext/net/attempt.py",
        'if given.partition("/")[0] != f"bytes {part.begin}-{part.end - 1}":',
        "if not given:",
        "tests/unit/net/test_parts.py::test_other_bytes_than_were_asked_for",
    ),
    broken(
        "N50",
        "an index without bounds is read",
        "tukit_sysext/formats/caibx.py",
        "if len(content) > LIMIT:",
        "if False:",
        "tests/unit/formats/test_caibx.py::test_what_is_no_index_is_refused",
    ),
    broken(
        "N50",
        "what is shared with another file is hashed as that was",
        _INCOMING,
        "            data = os.pread(self.descriptor, size, self.size)\n",
        "            data = os.pread(descriptor, size, offset)\n",
        "tests/unit/store/test_reuse.py::test_what_is_shared_is_hashed_as_it_is_then",
    ),
    broken(
        "N50",
        "the room is looked at when the image is there",
        _DELTA,
        "        self._sink.reserve(sum(part.size for part in self._parts if not part.is_aligned))\n",
        "",
        f"{_TESTS}::test_the_room_is_looked_at_first",
    ),
    broken(
        "N50",
        "a slow mirror is asked first for each few parts",
        _DELTA,
        "urls=[*others, first]",
        "urls=[first, *others]",
        f"{_TESTS}::test_a_slow_mirror_is_not_asked_first_for_each_few_parts",
    ),
    broken(
        "N50",
        "rotten blocks of another version end a fetch",
        _INCOMING,
        "(*CANNOT_CLONE, *ROT)",
        "CANNOT_CLONE",
        "tests/unit/store/test_reuse.py::test_what_is_shared_may_be_rotten",
    ),
    broken(
        "N50",
        "rotten blocks stay in the new file",
        _INCOMING,
        "            os.ftruncate(self.descriptor, self.size)",
        "            ",
        "tests/unit/store/test_reuse.py::test_what_is_shared_may_be_rotten",
    ),
    broken(
        "N50",
        "a damaged image is believed to have what its index says",
        _DELTA,
        "yield index if seed.whole else index.read_again(partial(_read, descriptor)), descriptor",
        "yield index, descriptor",
        f"{_REPAIR}::test_what_is_good_of_a_damaged_image_is_not_fetched",
    ),
    broken(
        "N50",
        "what a disk has rotten is believed to be whole, as stat(2) says",
        "tukit_sysext/store/image_store.py",
        "whole=record.listed_sha256 != sha256 and self._is_as_recorded(record)",
        "whole=self._is_as_recorded(record)",
        "tests/unit/store/test_reuse.py::test_a_damaged_image_is_looked_at_chunk_by_chunk",
    ),
    broken(
        "N50",
        "rotten blocks of an image end its repair in parts",
        _DELTA,
        "        if error.errno not in ROT:\n",
        "        if True:\n",
        f"{_REPAIR}::test_blocks_that_cannot_be_read_are_fetched",
    ),
    broken(
        "N50",
        "an index is kept that is never read again",
        "tukit_sysext/store/record.py",
        "INDEX_LIMIT = 5_242_984",
        "INDEX_LIMIT = 1024",
        "tests/unit/store/test_record.py::test_every_index_that_is_one_is_read",
    ),
    broken(
        "N50",
        "lists that nobody refreshes are kept for ever",
        "tukit_sysext/collect/collection.py",
        "CONTENT: self._rules.now - _OLD}",
        "}",
        "tests/unit/collect/test_collection_sweeps.py::test_indexes_and_lists_are_not_kept_for_ever",
    ),
    broken(
        "N50",
        "a list that is in use is taken away when it is old",
        "tukit_sysext/sources/cache.py",
        "                os.utime(",
        "                str(",
        "tests/unit/sources/test_cache.py::test_what_comes_again_is_young",
    ),
)
