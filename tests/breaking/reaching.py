# SPDX-License-Identifier: LGPL-2.1-or-later
"""What reaches an image, and what cannot be seen where a collection runs: C15, C16; exit statuses, L16, words, L17."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_CHAINS = "tests/unit/collect/test_chains.py"
_REACHED = "tests/on_lab/test_reached.py"
_HIDDEN = "tests/on_lab/test_hidden.py"
_ROOTS = "tukit_sysext/collect/roots.py"
_MOUNTS = "tukit_sysext/collect/mounts.py"

DEFENCES = (
    Defence(
        row="C15",
        what="a folder of versions is one by its own name alone, not by that of its link",
        edits=(("tukit_sysext/collect/chains.py", "stems = _stems(start)", "stems: tuple[str, ...] = ()"),),
        tests=(
            f"{_CHAINS}::test_versions_of_a_folder_by_any_name_are_those_of_its_link",
            f"{_REACHED}::test_a_folder_of_versions",
        ),
    ),
    Defence(
        row="C15",
        what="a link into the store is no folder of versions",
        edits=(
            (
                "tukit_sysext/snapshots/entries.py",
                "if image is not None and not name.endswith(VERSIONS):",
                "if image is not None:",
            ),
            (_ROOTS, "and not entry.name.endswith(VERSIONS)", ""),
        ),
        tests=(f"{_REACHED}::test_a_folder_of_versions[versions-in-the-store]",),
    ),
    Defence(
        row="C15",
        what="a link of a snapshot into the store is no folder of versions",
        edits=(
            (
                "tukit_sysext/snapshots/entries.py",
                "if image is not None and not name.endswith(VERSIONS):",
                "if image is not None:",
            ),
        ),
        tests=("tests/unit/collect/test_roots.py::test_a_folder_of_versions_in_the_store_that_a_snapshot_links",),
    ),
    Defence(
        row="C15",
        what="the text of a link is believed, whatever it leads over",
        edits=((_ROOTS, 'entry.target == f"{STORE}/{entry.image}"', "entry.image is not None"),),
        tests=(f"{_REACHED}::test_a_link[dots-that-only-seem-to-lead-to-the-store]",),
    ),
    Defence(
        row="C15",
        what="a file that is bound into a folder of links does not count",
        edits=(
            (_ROOTS, "if entry.image is not None or entry.kind is EntryKind.FILE:", "if entry.image is not None:"),
            ("tukit_sysext/collect/attached.py", "if os.path.basename(mount.root) in stored.values():", "if False:"),
        ),
        tests=(f"{_REACHED}::test_another_place[a-bind-mount]", f"{_CHAINS}::test_an_image_that_is_bound_elsewhere"),
    ),
    Defence(
        row="C15",
        what="units do not count",
        edits=((_ROOTS, "            yield from self.in_units(tree, where)\n", ""),),
        tests=(f"{_CHAINS}::test_a_unit_that_names_an_image",),
    ),
    Defence(
        row="C15",
        what="a pattern in a unit names no file of its folder of versions",
        edits=(("tukit_sysext/collect/chains.py", "and _WILDCARD in name:", "and False:"),),
        tests=(f"{_CHAINS}::test_a_unit_that_names_the_newest_of_a_folder_by_a_pattern",),
    ),
    Defence(
        row="C15",
        what="trees among the snapshots that snapper does not know do not count",
        edits=(
            (_ROOTS, "    add(finder.without_snapper({str(leftover.number) for leftover in scan.leftovers}))\n", ""),
        ),
        tests=(f"{_CHAINS}::test_a_folder_among_the_snapshots_that_is_not_one_of_snapper",),
    ),
    Defence(
        row="C16",
        what="in a place that is hidden is nothing",
        edits=((_MOUNTS, "_HIDDEN.fullmatch(mount.root)", "False"),),
        tests=(f"{_CHAINS}::test_a_place_that_the_unit_hides_is_not_known",),
    ),
    Defence(
        row="C16",
        what="where nothing is mounted now is nothing",
        edits=((_MOUNTS, "if path in self._not_mounted(of):", "if False:"),),
        tests=(f"{_CHAINS}::test_what_is_not_mounted_now_is_not_known",),
    ),
    Defence(
        row="C16",
        what="what an automounter did not mount is not there",
        edits=((_MOUNTS, "if kinds.get(path) in _ON_DEMAND:", "if False:"),),
        tests=(f"{_CHAINS}::test_what_comes_when_it_is_asked_for_is_not_known",),
    ),
    Defence(
        row="C16",
        what="a dead server keeps a collection waiting for ever",
        edits=((_MOUNTS, "if mount.kind not in _LOCAL and (fault :=", "if False and (fault :="),),
        tests=(f"{_CHAINS}::test_a_server_that_does_not_answer_is_not_known",),
    ),
    Defence(
        row="C16",
        what="an /etc of an old snapshot that was an overlay stops every collection",
        edits=(("tukit_sysext/collect/unit_files.py", " - _LOOKED_AT", ""),),
        tests=(f"{_CHAINS}::test_an_etc_that_is_an_overlay_of_a_snapshot_is_looked_at",),
    ),
    Defence(
        row="C16",
        what="a folder of many versions stops every collection",
        edits=(("tukit_sysext/collect/chains.py", "most += _MOST_OF_A_VERSION *", "most += 0 *"),),
        tests=(f"{_CHAINS}::test_a_folder_of_versions_may_have_many",),
    ),
    Defence(
        row="C16",
        what="the unit of the collection hides /home and /root",
        edits=(("spec/tukit-sysext-gc.service", "ProtectHome=read-only", "ProtectHome=yes"),),
        tests=(f"{_HIDDEN}::test_the_units_see_every_place[gc]",),
    ),
    Defence(
        row="C16",
        what="the unit that settles hides /tmp and /var/tmp",
        edits=(("spec/tukit-sysext-settle.service", "ProtectHome=read-only", "ProtectHome=read-only\nPrivateTmp=yes"),),
        tests=(f"{_HIDDEN}::test_the_units_see_every_place[settle]",),
    ),
    Defence(
        row="C16",
        what="the unit of the boot hides /home and /root",
        edits=(("spec/tukit-sysext-boot.service", "ProtectHome=read-only", "ProtectHome=yes"),),
        tests=(f"{_HIDDEN}::test_the_units_hide_nothing[boot]",),
    ),
    Defence(
        row="L16",
        what="an update that could not have what is newer ends with 0",
        edits=(("tukit_sysext/commands/common/changing.py", "prevented = any(", "prevented = False and any("),),
        tests=(
            "tests/unit/commands/test_exit_statuses.py::test_update_that_cannot_have_what_is_newer",
            "tests/on_lab/test_exit_statuses.py::test_update_that_cannot_store_what_is_newer[read-only]",
        ),
    ),
    Defence(
        row="L16",
        what="a check that could not ask a source ends with 0",
        edits=(("tukit_sysext/commands/check.py", "if plan.not_asked or", "if"),),
        tests=("tests/unit/commands/test_exit_statuses.py::test_check_that_cannot_tell",),
    ),
    Defence(
        row="L16",
        what="verify --all passes by what nothing links",
        edits=(("tukit_sysext/commands/verify.py", "unlinked = _unlinked(examiner, results) if", "unlinked = () if"),),
        tests=("tests/on_lab/test_exit_statuses.py::test_verify_all_looks_at_what_nothing_links",),
    ),
    Defence(
        row="L16",
        what="a collection that could not look into everything, or not delete it, is a success",
        edits=(("tukit_sysext/commands/gc.py", "collection.unknown or collection.failed or", "collection.unknown or"),),
        tests=(
            "tests/unit/integrity/test_dead_dissect.py::test_the_status_of_a_collection_is_true",
            "tests/unit/commands/test_gc.py::test_what_cannot_be_deleted_is_no_success",
        ),
    ),
    broken(
        "L17",
        "what may be there again later is called gone",
        "tukit_sysext/integrity/recover.py",
        "            gone = gone and isinstance(failure, NotFound | ImageBroken)\n",
        "",
        "tests/unit/integrity/test_repair.py::test_what_may_be_there_again_later_is_not_called_gone[error0-now]",
    ),
    broken(
        "L17",
        "what a folder that is not mounted has is called gone",
        "tukit_sysext/sources/directory.py",
        "isinstance(error, FileNotFoundError) and self._ask(self._folder.is_dir)",
        "isinstance(error, FileNotFoundError)",
        "tests/unit/integrity/test_repair.py::test_a_folder_that_is_not_mounted_may_be_there_again_later",
    ),
    broken(
        "L17",
        "an image in quarantine is called one that is not linked",
        "tukit_sysext/commands/common/tree_status.py",
        "_QUARANTINED if name in quarantined else NOT_LINKED",
        "NOT_LINKED",
        "tests/unit/commands/test_status.py::test_what_is_in_quarantine_is_called_so",
    ),
    broken(
        "L17",
        "an image goes after a time that is past",
        "tukit_sysext/commands/common/decisions.py",
        "if decision.goes_at > time.time():",
        "if True:",
        "tests/unit/commands/test_gc.py::test_nothing_goes_after_a_time_that_is_past",
    ),
    broken(
        "L17",
        "systemd's locks are called images that are not ours",
        "tukit_sysext/snapshots/entries.py",
        " or is_lock(name)",
        "",
        "tests/unit/commands/test_odd_entries.py::test_what_systemd_leaves_beside_what_it_locked_is_nothing",
    ),
    broken(
        "L17",
        "an image that waits for repair is a warning too",
        "tukit_sysext/doctor/merging.py",
        "(number, finding.entry.shown) in self.waiting",
        "False",
        "tests/unit/doctor/test_doctor.py::test_an_image_is_told_of_once",
    ),
)
