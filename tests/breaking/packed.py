# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that are published packed: the row N32."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_FETCH = "tukit_sysext/update/fetch.py"
_RECOVER = "tukit_sysext/integrity/recover.py"
_UNPACK = "tukit_sysext/system/unpack.py"
_UNPACKER = "tukit_sysext/system/unpacker.py"
_PACKED = "tests/unit/update/test_packed.py"
_CHILD = "tests/unit/system/test_unpack.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "N32",
        "it is unpacked before its hash is checked",
        _FETCH,
        "        self._incoming.finish()\n        self.known",
        "        self._incoming._flush()\n        self.known",
        f"{_PACKED}::test_a_wrong_hash_is_refused_before_it_is_unpacked",
    ),
    broken(
        "N32",
        "what comes out has no bound",
        _FETCH,
        'sha256="", limit=settings.image_max,',
        'sha256="", limit=1 << 60,',
        f"{_PACKED}::test_image_max_bounds_what_comes_out",
    ),
    broken(
        "N32",
        "that an image was too large is remembered as a fault of it",
        _FETCH,
        "        except TooLarge as error:\n",
        "        except ZeroDivisionError as error:\n",
        f"{_PACKED}::test_after_a_larger_limit_it_comes",
    ),
    broken(
        "N32",
        "the hash of the packed file is not recorded",
        "tukit_sysext/store/record.py",
        'document["packed"] = {',
        "dict() | {",
        f"{_PACKED}::test_it_is_stored_unpacked_and_both_hashes_are_known",
        f"{_PACKED}::test_once_it_is_there_nothing_is_fetched",
    ),
    broken(
        "N32",
        "a repair asks for the hash of the image",
        _RECOVER,
        "sha256 = record.packed.sha256",
        "sha256 = record.sha256",
        f"{_PACKED}::test_repair_brings_it_by_the_hash_of_what_was_published",
    ),
    broken(
        "N32",
        "the same image unpacked is another one",
        "tukit_sysext/store/record.py",
        "return sha256 in (self.sha256, self.listed_sha256)",
        "return sha256 == self.listed_sha256",
        f"{_PACKED}::test_packed_or_not_it_is_the_same_image",
    ),
    broken(
        "N32",
        "a library that does not work convicts",
        _UNPACK,
        "if result.status == unpacker.BAD_DATA and _works(packing):",
        "if result.status == unpacker.BAD_DATA:",
        f"{_CHILD}::test_one_that_does_not_work_convicts_nobody",
    ),
    broken(
        "N32",
        "unpacking lasts for ever",
        _UNPACK,
        "timeout=_TIMEOUT,",
        "timeout=1e6,",
        f"{_CHILD}::test_one_that_hangs_is_left",
    ),
    broken(
        "N32",
        "unpacking takes all memory",
        _UNPACK,
        "memory=_MEMORY",
        "memory=None",
        f"{_CHILD}::test_too_much_memory_is_bad_data",
    ),
    broken(
        "N32",
        "the child may write to files",
        "tukit_sysext/system/process.py",
        '"fsize": 0}',
        '"fsize": None}',
        f"{_CHILD}::test_it_may_write_nowhere_and_is_nobody",
    ),
    broken(
        "N32",
        "the child stays root",
        _UNPACKER,
        "        os.setresuid(_NOBODY, _NOBODY, _NOBODY)\n",
        "",
        f"{_CHILD}::test_it_may_write_nowhere_and_is_nobody",
    ),
    broken(
        "N32",
        "a zstd file that is cut off is whole",
        _UNPACKER,
        "    if begun:\n",
        "    if False:\n",
        f"{_CHILD}::test_bad_data_is_the_publishers",
    ),
)
