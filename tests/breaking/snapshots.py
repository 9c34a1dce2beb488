# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots and several at once: the rows C1 to C14, and what a collection stands on beside them."""

from __future__ import annotations

from tests.breaking.defence import Defence

_COLLECT = "tests/unit/collect/test_collection.py"
_UNKNOWN = "tests/unit/collect/test_collection_unknown.py"
_MEANWHILE = "tests/unit/collect/test_collection_meanwhile.py"
_COLLECTION = "tests/unit/collect/test_decision.py"
_ROOTS = "tests/unit/collect/test_roots.py"
_LAYERS = "tests/unit/snapshots/test_overlay.py"
_SNAPSHOTS = "tukit_sysext/snapshots/snapper.py"
_SNAPSHOT = "tukit_sysext/snapshots/snapshot.py"
_HALF = "tukit_sysext/snapshots/half_there.py"
_SURVEY = "tukit_sysext/collect/survey.py"
_RULES = "tukit_sysext/collect/decision.py"
_RUN = "tukit_sysext/collect/collection.py"

_LEFTOVERS = "tukit_sysext/ledger/leftovers.py"
_SETTLED = "return seen.boot != self._boot or time.monotonic() - seen.seconds >= _DAY"
_IN_USE = "tests/unit/collect/test_attached.py"
_LEDGER = "tests/unit/ledger"
_DEDUCED = tuple(f"{_LEDGER}/test_{name}.py" for name in ("deduce", "settling", "settling_in_any_order"))


def _unknown(name: str) -> tuple[str, ...]:
    return (f"{_UNKNOWN}::test_where_anything_is_unknown_nothing_is_deleted[{name}]",)


DEFENCES = (
    Defence(
        row="C1",
        what="a collection does not need the lock alone",
        edits=(
            (
                "tukit_sysext/system/lock.py",
                "fcntl.LOCK_EX | fcntl.LOCK_NB)\n        except BlockingIOError:\n            raise Busy(",
                "fcntl.LOCK_SH | fcntl.LOCK_NB)\n        except BlockingIOError:\n            raise Busy(",
            ),
        ),
        tests=(f"{_MEANWHILE}::test_a_transaction_that_holds_the_lock_is_not_disturbed",),
    ),
    Defence(
        row="C2",
        what="no lock in the transaction",
        edits=(
            (
                "tukit_sysext/system/lock.py",
                "fcntl.flock(descriptor, operation | fcntl.LOCK_NB)",
                "pass",
            ),
        ),
        tests=("tests/on_lab/test_two_processes.py::test_both_come_to_an_end_and_nothing_is_lost",),
    ),
    Defence(
        row="C2",
        what="a young file is collected",
        edits=((_RULES, "if since < born:", "if False:"),),
        tests=(f"{_COLLECTION}::test_a_young_file_stays",),
    ),
    Defence(
        row="C2",
        what="where room is lacking, young files go too",
        edits=((_RULES, "born + YOUNG", "born"),),
        tests=(f"{_COLLECTION}::test_where_room_is_lacking_it_goes_at_once_but_for_what_is_young",),
    ),
    Defence(
        row="C2",
        what="no time of grace",
        edits=((_RULES, "goes_at = since + rules.grace", "goes_at = since"),),
        tests=(f"{_COLLECTION}::test_two_runs_and_the_grace_time",),
    ),
    Defence(
        row="C2",
        what="roots are not looked for again right before the deletion",
        edits=((_RUN, "if roots.by_image.get(name):", "if False:"),),
        tests=(f"{_MEANWHILE}::test_a_link_that_is_made_right_before_the_deletion_saves_its_image",),
    ),
    Defence(
        row="C3",
        what="a snapshot is its number, whatever subvolume it has",
        edits=(
            (
                _SURVEY,
                "machine.subvolumes) == scan.identifiers:",
                "machine.subvolumes).keys() == scan.identifiers.keys():",
            ),
        ),
        tests=(f"{_MEANWHILE}::test_a_number_that_is_used_again_is_another_snapshot",),
    ),
    Defence(
        row="C3",
        what="the ledger takes a number that is used again for the same snapshot",
        edits=(
            (
                "tukit_sysext/ledger/deduce.py",
                "return {row.key: row for row in self.snapshots if row.gone is None}",
                "return {(row.number, ''): row for row in self.snapshots if row.gone is None}",
            ),
            (
                "tukit_sysext/ledger/deduce.py",
                "here, disk = before.here(), scan.by_key",
                "here, disk = before.here(), {(each.number, ''): each for each in scan.snapshots}",
            ),
        ),
        tests=_DEDUCED,
    ),
    Defence(
        row="C4",
        what="no second listing",
        edits=(
            (
                _SURVEY,
                "if snapper.identifiers(machine.layout, machine.subvolumes) == scan.identifiers:",
                "if True:",
            ),
        ),
        tests=(f"{_MEANWHILE}::test_a_snapshot_that_comes_during_the_look_counts",),
    ),
    Defence(
        row="C5",
        what="a snapshot without info.xml is as good as any",
        edits=((_SNAPSHOT, '("" if info is not None else _NO_INFO)', '""'),),
        tests=_unknown("half_made"),
    ),
    Defence(
        row="C5",
        what="an info.xml without a tree is skipped",
        edits=((_HALF, 'elif os.path.lexists(folder / "info.xml"):', "elif False:"),),
        tests=_unknown("half_deleted"),
    ),
    Defence(
        row="C5",
        what="what is left over stops nothing from the second run on",
        edits=((_LEFTOVERS, _SETTLED, "return True"),),
        tests=("tests/unit/ledger/test_leftovers.py::test_after_a_day_it_stops_nothing",),
    ),
    Defence(
        row="C5",
        what="what is left over stops for ever",
        edits=((_LEFTOVERS, _SETTLED, "return False"),),
        tests=("tests/unit/ledger/test_leftovers.py::test_after_a_boot_it_stops_nothing",),
    ),
    Defence(
        row="C5",
        what="a snapshot that was half made at a power cut stops all collections",
        edits=((_SNAPSHOTS, "if snapshot.half and not (", "if False and not ("),),
        tests=("tests/unit/ledger/test_leftovers.py::test_after_a_boot_it_stops_nothing[no_info]",),
    ),
    Defence(
        row="C5",
        what="a deletion that was cut off after the first of two subvolumes stops all collections",
        edits=((_SNAPSHOT, "half = isinstance(error, NoEtc)", "half = False"),),
        tests=("tests/unit/ledger/test_leftovers.py::test_after_a_boot_it_stops_nothing[no_etc]",),
    ),
    Defence(
        row="C5",
        what="what boots next is left over where it has no /etc",
        edits=((_SNAPSHOTS, "not (snapshot.content is None and (snapshot.running or snapshot.default))", "True"),),
        tests=("tests/unit/ledger/test_leftovers.py::test_what_boots_next_is_never_left_over",),
    ),
    Defence(
        row="C5",
        what="what the ledger remembers of a half deleted snapshot is nothing",
        edits=((_SURVEY, "others += _remembered(machine, scan)", "pass"),),
        tests=("tests/unit/ledger/test_leftovers.py::test_images_that_a_half_deleted_snapshot_had_stay",),
    ),
    Defence(
        row="C5",
        what="the guard does not note what is left from before the boot",
        edits=(
            (
                "tukit_sysext/ledger/at_boot.py",
                "                found_at_boot(ledger, scan.leftovers)\n",
                "                pass\n",
            ),
        ),
        tests=("tests/unit/ledger/test_leftovers.py::test_what_the_guard_finds_at_a_boot_stops_nothing",),
    ),
    Defence(
        row="C5",
        what="a damaged memory of leftovers ends a collection",
        edits=((_LEFTOVERS, 'seconds=float(sight["seconds"])', 'seconds=sight["seconds"]'),),
        tests=("tests/unit/ledger/test_leftovers.py::test_what_is_remembered_and_damaged_is_forgotten[no time]",),
    ),
    Defence(
        row="C5",
        what="what is settled is told as unknown for ever",
        edits=((_LEFTOVERS, "    if not scan.leftovers:\n", "    if scan is not None:\n"),),
        tests=(
            "tests/unit/ledger/test_leftovers.py::test_nothing_is_unknown_for_ever",
            "tests/unit/ledger/test_leftovers.py::test_what_is_deleted_is_gone_in_the_ledger_too",
        ),
    ),
    Defence(
        row="C5",
        what="what is left over may change meanwhile",
        edits=((_LEFTOVERS, "not leftover.state or seen.state != leftover.state", "not leftover.state"),),
        tests=("tests/unit/ledger/test_leftovers.py::test_what_changes_is_seen_for_the_first_time",),
    ),
    Defence(
        row="C5",
        what="what stops a collection does not name what settles it",
        edits=((_HALF, 'return f"; what settles it: {command}"', 'return ""'),),
        tests=("tests/on_lab/test_leftovers.py::test_what_stops_a_collection_names_what_settles_it[no_etc]",),
    ),
    Defence(
        row="C6",
        what='a missing /etc is read as "no images"',
        edits=(
            (
                "tukit_sysext/snapshots/entries.py",
                'raise NoEtc(f"{tree.path}/etc: not there; what this tree has is not known")',
                "return FolderEntries()",
            ),
        ),
        tests=_unknown("no_etc"),
    ),
    Defence(
        row="C6",
        what='an empty /etc is read as "no images"',
        edits=(("tukit_sysext/snapshots/entries.py", "if not os.listdir(etc):", "if False:"),),
        tests=_unknown("empty_etc"),
    ),
    Defence(
        row="C7",
        what='an empty /.snapshots is read as "no snapshots"',
        edits=(
            (_SNAPSHOTS, 'unknown=(f"{layout.snapshots}: empty, is it mounted?",)', "unknown=()"),
            (_SNAPSHOTS, "if not mounted:", "if False:"),
        ),
        tests=_unknown("not_mounted"),
    ),
    Defence(
        row="C7",
        what="what boots next need not be among the snapshots",
        edits=((_SNAPSHOTS, "not any(snapshot.default for snapshot in snapshots)", "False"),),
        tests=_unknown("not_those_that_boot"),
    ),
    Defence(
        row="C8",
        what="an event is believed although the disk says otherwise",
        edits=(("tukit_sysext/ledger/deduce.py", "if not _contradicted(event, before, scan)}", "}"),),
        tests=_DEDUCED,
    ),
    Defence(
        row="C8",
        what="where no systemd runs what was written down waits for ever",
        edits=(("tukit_sysext/cli.py", "    settle_first(machine, arguments)\n", ""),),
        tests=("tests/unit/commands/test_settled_first.py",),
    ),
    Defence(
        row="C9",
        what="a transaction whose end nobody told stays open",
        edits=(
            (
                "tukit_sysext/ledger/deduce.py",
                "            if open_:\n",
                "            if False:\n",
            ),
        ),
        tests=("tests/unit/ledger/test_deduce.py",),
    ),
    Defence(
        row="C10",
        what="what is mounted does not count",
        edits=(
            (
                "tukit_sysext/collect/roots.py",
                "    add(Root(image=name, where=where) for name, where in in_use(layout))\n",
                "",
            ),
        ),
        tests=(f"{_ROOTS}::test_an_image_behind_a_loop_device",),
    ),
    Defence(
        row="C10",
        what="a loop device counts by the name of its file",
        edits=(
            (
                "tukit_sysext/collect/attached.py",
                "return stored.get(_DEVICE_AND_INODE.unpack_from(status))",
                "return os.path.basename(path)",
            ),
        ),
        tests=(f"{_IN_USE}::test_by_device_and_inode_where_the_loop_device_tells_them",),
    ),
    Defence(
        row="C10",
        what="one file that goes meanwhile, and none is known to be in use",
        edits=(("tukit_sysext/collect/attached.py", "with suppress(FileNotFoundError):", "with suppress(KeyError):"),),
        tests=(f"{_IN_USE}::test_a_file_that_goes_meanwhile_is_no_reason_to_know_of_none",),
    ),
    Defence(
        row="C11",
        what="overlays do not count",
        edits=(("tukit_sysext/collect/roots.py", "    add(finder.overlays())\n", ""),),
        tests=(_LAYERS,),
    ),
    Defence(
        row="C11",
        what="what an upper layer hides does not count",
        edits=(
            (
                "tukit_sysext/collect/roots.py",
                "*content.others, *snapshot.hidden",
                "*content.others,",
            ),
        ),
        tests=(_LAYERS,),
    ),
    Defence(
        row="C12",
        what="children get the caller's pipe",
        edits=(
            (
                "tukit_sysext/system/descriptors.py",
                "os.dup2(nothing, number)",
                "pass",
            ),
        ),
        tests=("tests/on_lab/test_plugins.py::test_what_a_plugin_leaves_behind_keeps_nobody_waiting[microos]",),
    ),
    Defence(
        row="C13",
        what="what boots next after a rollback is not looked at",
        edits=(
            (
                "tukit_sysext/plugins/builtin/guard.py",
                "needs.take_in(machine, assessment, scan)",
                "pass",
            ),
        ),
        tests=("tests/unit/plugins/test_guard.py",),
    ),
    Defence(
        row="C13",
        what="links in quarantine do not count",
        edits=(
            ("tukit_sysext/collect/roots.py", "(EXTENSIONS, CONFEXTS, QUARANTINE), f", "(EXTENSIONS, CONFEXTS), f"),
            ("tukit_sysext/collect/roots.py", "CONFEXTS,\n    QUARANTINE,", "CONFEXTS,"),
        ),
        tests=(f"{_ROOTS}::test_a_link_in_quarantine_counts",),
    ),
    Defence(
        row="C14",
        what="an image with an os-release of its own is linked",
        edits=(
            (
                "tukit_sysext/system/inspect_image.py",
                "            raise ImageBroken(_HAS_OS_RELEASE)\n        if",
                "            return _read(release)\n        if",
            ),
        ),
        tests=(
            "tests/on_lab/test_bad_images.py::test_one_bad_image_does_not_spoil_the_good_ones[directory-microos-os-release]",
        ),
    ),
    Defence(
        row="C14",
        what="nothing is taken out before the merge",
        edits=(("tukit_sysext/integrity/quarantine.py", "return finding.blocks or", "return False and"),),
        tests=("tests/unit/integrity/test_quarantine.py",),
    ),
    Defence(
        row="-",
        what="a reference plugin that fails counts as one that says nothing",
        edits=(
            (
                _SURVEY,
                "    except PluginFailed as error:\n        unknown.append(str(error))\n",
                "    except PluginFailed:\n        pass\n",
            ),
        ),
        tests=_unknown("reference_plugin_fails"),
    ),
    Defence(
        row="-",
        what="images begin to wait while something is unknown",
        edits=((_RULES, "else (None, 0)", "else (rules.now, 1)"),),
        tests=(f"{_UNKNOWN}::test_nothing_begins_to_wait_while_anything_is_unknown",),
    ),
    Defence(
        row="-",
        what="unknown does not keep from deleting",
        edits=(
            (
                _RUN,
                "gone: Sequence[Decision] = ()\n            if not unknown:\n",
                "gone: Sequence[Decision] = ()\n            if True:\n",
            ),
            (_RUN, "doubtful=bool(unknown)", "doubtful=False"),
            (_RUN, "        if unknown:\n", "        if False:\n"),
        ),
        tests=_unknown("no_etc"),
    ),
    Defence(
        row="-",
        what="held versions do not count",
        edits=((_SURVEY, "others += _holds(machine, scan, files)", "pass"),),
        tests=(f"{_COLLECT}::test_a_held_version_stays",),
    ),
    Defence(
        row="-",
        what="a held version is asked for by the name of its file",
        edits=((_SURVEY, "recorded = [store.recorded(file) for file in files]", "recorded = files"),),
        tests=(f"{_COLLECT}::test_a_held_version_stays_whatever_its_file_is_called",),
    ),
    Defence(
        row="-",
        what="a ledger that was lost does not get back what is needed",
        edits=((_RUN, "and clean(file.file_name) in known", "and True"),),
        tests=(f"{_COLLECT}::test_of_what_is_needed_no_record_is_read",),
    ),
    Defence(
        row="-",
        what="what is back in the store stays gone in the ledger as it was",
        edits=((_RUN, "if image.gone is None and image.sha256}", "if image.sha256}"),),
        tests=(f"{_COLLECT}::test_what_went_and_is_back_is_entered_as_it_is_now",),
    ),
    Defence(
        row="-",
        what="a ledger that has the name of an image alone does not get the rest",
        edits=((_RUN, "if image.gone is None and image.sha256}", "if image.gone is None}"),),
        tests=(f"{_COLLECT}::test_what_gets_a_record_is_entered_with_it",),
    ),
    Defence(
        row="-",
        what="the holds of all trees are lost with those of one",
        edits=(
            (
                _SURVEY,
                "    for path, where in trees.items():\n        for image in _wanted(path):\n",
                "    for where, images in [(where, [*_wanted(path)]) for path, where in trees.items()]:\n"
                "        for image in images:\n",
            ),
        ),
        tests=(f"{_COLLECT}::test_a_held_version_stays_where_another_tree_has_a_fault",),
    ),
    Defence(
        row="-",
        what="a file that goes meanwhile is a fault",
        edits=((_RUN, "        except FileNotFoundError:", "        except BlockingIOError:"),),
        tests=("tests/unit/collect/test_unknown_origin.py::test_what_goes_while_somebody_looks_is_no_fault",),
    ),
    Defence(
        row="-",
        what="gc --json does not describe what is needed",
        edits=(("tukit_sysext/commands/gc.py", "described=output.wants_json", "described=False"),),
        tests=("tests/unit/commands/test_gc.py::test_what_is_needed_is_described_too",),
    ),
)
