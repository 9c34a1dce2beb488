# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks, power, clocks and faults of ours: the rows L3 and L9 to L15."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_STORE = "tukit_sysext/store/image_store.py"
_INCOMING = "tukit_sysext/store/incoming.py"
_DURABLE = "tukit_sysext/system/durable.py"
_LINKS = "tukit_sysext/snapshots/entries.py"
_HOOK = "hooks/50-tukit-sysext"

_U = "tests/unit"
_COLLECT = f"{_U}/collect/test_collection.py"
_COLLECTION = f"{_U}/collect/test_decision.py"
_RECEIVE = f"{_U}/store/test_receive.py"
_PUBLISH = f"{_U}/store/test_publish.py"
_FILES = f"{_U}/system/test_durable.py"
_HERE = "tests/on_lab/test_faults.py"

DEFENCES: tuple[Defence, ...] = (
    Defence(
        row="L3",
        what="content under a name is replaced by other content",
        edits=(("tukit_sysext/store/image_store.py", "self._may_replace(there, record, replaceable)", "pass"),),
        tests=("tests/unit/store/test_publish.py",),
    ),
    Defence(
        row="L9",
        what="the full hash is not taken",
        edits=(("tukit_sysext/store/examine.py", "if sha256 == record.sha256:", "if True:"),),
        tests=("tests/unit/integrity/test_assess.py",),
    ),
    Defence(
        row="L10",
        what="an image without a record is collected like any",
        edits=(("tukit_sysext/collect/decision.py", "and not rules.unknown_origin:", "and False:"),),
        tests=(f"{_COLLECTION}::test_of_unknown_origin_it_goes_only_where_that_is_asked_for",),
    ),
    Defence(
        row="L10",
        what="a ledger that is none is not set aside",
        edits=(("tukit_sysext/ledger/schema.py", "code & 0xFF in _UNUSABLE or", "False or"),),
        tests=("tests/unit/ledger/test_schema.py",),
    ),
    Defence(
        row="L10",
        what="former code fetches what it cannot unpack, and fails",
        edits=(("tukit_sysext/update/content_judge.py", "registry_url(url) if packing == LAYER else url", "url"),),
        tests=("tests/unit/update/test_packed.py::test_the_one_file_of_a_container_image_in_a_registry",),
    ),
    Defence(
        row="L10",
        what="the record goes before the file",
        edits=(
            (
                "tukit_sysext/store/image_store.py",
                "        directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)\n"
                "        try:\n            with suppress(FileNotFoundError):\n                if not stat",
                "        self.records.remove(file_name)\n"
                "        directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)\n"
                "        try:\n            with suppress(FileNotFoundError):\n                if not stat",
            ),
        ),
        tests=("tests/unit/store/test_remove.py",),
    ),
    Defence(
        row="L13",
        what="a store that is not there is collected",
        edits=(("tukit_sysext/collect/collection.py", "if not machine.layout.store.is_dir():", "if False:"),),
        tests=(f"{_COLLECT}::test_a_store_that_is_not_there_is_none",),
    ),
    Defence(
        row="L14",
        what="age alone deletes",
        edits=(("tukit_sysext/collect/decision.py", "(runs >= RUNS or rules.at_once)", "True"),),
        tests=(f"{_COLLECTION}::test_two_runs_and_the_grace_time", f"{_COLLECTION}::test_the_first_run_never_deletes"),
    ),
    Defence(
        row="L14",
        what="a time in the future counts",
        edits=(("tukit_sysext/collect/decision.py", "since, runs = min(since, rules.now), ", "since, runs = since, "),),
        tests=(f"{_COLLECTION}::test_a_clock_that_went_back_makes_no_age",),
    ),
    broken(
        "L11",
        "room is not looked at",
        _INCOMING,
        "        self._check_room(0)\n",
        "",
        f"{_RECEIVE}::test_too_little_room_is_told_before_anything_is_read",
    ),
    broken(
        "L11",
        "what comes at the same time has room of its own",
        _INCOMING,
        "sum(other.size - other._shared for other in self._others)",
        "self.size",
        f"{_RECEIVE}::test_two_that_come_at_once_have_one_room",
    ),
    broken(
        "L11",
        "what could not be written stays under a temporary name",
        _DURABLE,
        "    except BaseException as error:\n        temporary.unlink(missing_ok=True)\n",
        "    except BaseException as error:\n",
        f"{_FILES}::test_a_failure_leaves_the_old_file_whole",
    ),
    broken(
        "L11",
        "an image that could not get its name stays under a temporary one",
        _INCOMING,
        "                (self._folder / self.name).unlink()\n",
        "                pass\n",
        f"{_PUBLISH}::test_a_full_disk_leaves_the_old_content_and_nothing_else",
    ),
    broken(
        "L11",
        "a link that could not get its name stays under a temporary one",
        _LINKS,
        "        except BaseException:\n            os.unlink(temporary, dir_fd=directory)\n",
        "        except BaseException:\n",
        f"{_U}/snapshots/test_entries.py::test_a_failure_leaves_the_old_link",
    ),
    broken(
        "L12",
        "a file has its name before its content is on the disk",
        _DURABLE,
        "            if durable:\n                os.fsync(descriptor)\n",
        "",
        f"{_FILES}::test_the_order_of_the_calls",
    ),
    broken(
        "L12",
        "a file's name need not be on the disk",
        _DURABLE,
        "    if durable:\n        sync_directory(path.parent)\n",
        "",
        f"{_FILES}::test_the_order_of_the_calls",
    ),
    broken(
        "L12",
        "a folder's name need not be on the disk",
        _DURABLE,
        "    path.chmod(mode)\n    sync_directory(path.parent)\n",
        "    path.chmod(mode)\n",
        f"{_FILES}::test_the_order_of_the_calls",
    ),
    broken(
        "L12",
        "an image has its name before its content is on the disk",
        _INCOMING,
        "os.fsync(self.descriptor)",
        "pass",
        f"{_PUBLISH}::test_the_content_is_synced_before_it_has_a_name",
    ),
    broken(
        "L12",
        "an image is synced while it has no name",
        _INCOMING,
        "            if self.name is None:\n                self._whole",
        "            os.fsync(self.descriptor)\n            if self.name is None:\n                self._whole",
        f"{_PUBLISH}::test_the_content_is_synced_before_it_has_a_name",
    ),
    broken(
        "L12",
        "an image has its name before its record is there",
        _STORE,
        "                    self.records.write(record)\n                    try:\n",
        "                    try:\n",
        f"{_PUBLISH}::test_the_record_is_there_before_the_name",
    ),
    broken(
        "L12",
        "a link is missing while it is replaced",
        _LINKS,
        "            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)",
        "            self._unlink(directory, name)\n"
        "            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)",
        f"{_U}/snapshots/test_entries.py::test_a_link_is_never_missing_while_it_is_replaced",
    ),
    broken(
        "L12",
        "what a killed run left keeps the next one from its work",
        _LINKS,
        "            self._sweep(directory)\n",
        "",
        f"{_U}/snapshots/test_entries.py::test_what_a_killed_run_left_is_swept",
    ),
    broken(
        "L15",
        "the hook hands any status on",
        _HOOK,
        "0 | 75) exit $status ;;",
        "*) exit $status ;;",
        f"{_HERE}::test_a_missing_package_of_ours[microos]",
    ),
    broken(
        "L15",
        "the hook says nothing where Python cannot",
        _HOOK,
        "exec timeout --foreground -s KILL 5 printf",
        ":",
        f"{_HERE}::test_a_missing_package_of_ours[microos]",
    ),
    broken(
        "L15",
        "a shell that gives up stops the transaction",
        _HOOK,
        "trap 'case $? in 2 | 254) exit 0 ;; esac' EXIT",
        ":",
        "tests/on_lab/test_hooks.py::test_a_shell_that_cannot_fork_stops_nobody[microos]",
    ),
    broken(
        "L15",
        "an exception comes through the entry",
        "tukit_sysext/entry.py",
        "    except Exception as error:\n        # the border",
        "    except ZeroDivisionError as error:\n        # the border",
        f"{_U}/test_entry.py::test_a_fault_passes_with_one_loud_line",
    ),
    broken(
        "L15",
        "settings with a fault in them refuse",
        "tukit_sysext/update/left_out.py",
        " or not facts.policy_known or",
        " or",
        f"{_U}/test_entry.py::test_settings_with_a_fault_refuse_nothing",
    ),
    broken(
        "L15",
        "a fault of ours refuses",
        "tukit_sysext/update/left_out.py",
        "LeftOut.FAULT: (_L, _L)",
        "LeftOut.FAULT: (_R, _L)",
        f"{_U}/update/test_decide.py::test_a_source_that_nobody_can_speak_to_is_a_fault_and_refuses_nothing",
    ),
)
