# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that do not work, and what makes one die: the rows P3 and P14."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_GPGV = "tukit_sysext/system/gpgv.py"
_INSPECT = "tukit_sysext/system/inspect_image.py"
_FETCH = "tukit_sysext/update/fetch.py"
_ERRORS = "tukit_sysext/errors.py"
_COLLECTION = "tukit_sysext/collect/collection.py"

_CONTROLS = "tests/unit/system/test_control.py"
_UPDATES = "tests/unit/update/test_broken_tools.py"
_PASSES = f"{_UPDATES}::test_an_update_passes_loudly_and_the_next_one_has_its_image"
_DEAD = "tests/unit/integrity/test_dead_dissect.py"
_CHANGES = f"{_DEAD}::test_nothing_changes_and_what_is_not_known_is_named"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "P3",
        "a gpgv that cannot start says that a list cannot be used",
        _GPGV,
        "    except NoVerdict:\n        CONTROL.check(GPGV, try_gpgv)\n",
        "    except NoVerdict:\n",
        f"{_PASSES}[gpgv-killed]",
    ),
    broken(
        "P3",
        "a gpgv that says no to everything convicts a list",
        _GPGV,
        "    if checked.bad or not checked.good:\n        CONTROL.check(GPGV, try_gpgv)\n    return",
        "    return",
        f"{_PASSES}[gpgv-says no to everything]",
    ),
    broken(
        "P3",
        "a systemd-dissect that does not work convicts an image",
        _INSPECT,
        "        CONTROL.check(DISSECT, lambda: try_dissect(scratch))\n",
        "",
        f"{_PASSES}[dissect-a library is missing]",
    ),
    broken(
        "P3",
        "a program that was not started has said something",
        "tukit_sysext/system/process.py",
        "if self.status in _NOT_STARTED:",
        "if False:",
        f"{_CONTROLS}::test_an_image_of_which_dissect_dies",
    ),
    broken(
        "P3",
        "an image of which a program dies switches required off",
        _FETCH,
        "Description(failure=Standing.UNUSABLE, reason",
        "Description(failure=Standing.FAULT, reason",
        f"{_UPDATES}::test_an_image_of_which_dissect_dies_refuses_and_convicts_nobody",
    ),
    broken(
        "P3",
        "a program that does not work refuses updates",
        _FETCH,
        "Description(failure=Standing.FAULT, reason",
        "Description(failure=Standing.UNUSABLE, reason",
        f"{_PASSES}[dissect-killed]",
    ),
    broken(
        "P3",
        "a program that hangs is waited for at every input",
        _GPGV,
        "    CONTROL.recall(GPGV)\n",
        "",
        f"{_CONTROLS}::test_what_hangs_is_waited_for_twice_and_not_for_each_input",
    ),
    broken(
        "P3",
        "all versions are fetched where none can be looked into",
        _FETCH,
        "        if known.failure is Standing.FAULT:\n            # what cannot",
        "        if False:\n            # what cannot",
        f"{_UPDATES}::test_a_broken_dissect_has_one_image_fetched_and_not_all",
    ),
    broken(
        "P3",
        "a signature of which gpgv dies ends it at the first mirror",
        "tukit_sysext/sources/web_list.py",
        "except (ImageBroken, NoVerdict, Apart) as error:",
        "except (ImageBroken, Apart) as error:",
        f"{_UPDATES}::test_the_next_mirror_is_tried",
    ),
    broken(
        "P3",
        "what a dead program cannot look into is no place for a link",
        "tukit_sysext/update/local.py",
        "            return Foreign(entry=entry, note=note)\n        if inspection is None",
        "            return Foreign(entry=entry, note=note, complaint=str(error))\n        if inspection is None",
        f"{_UPDATES}::test_an_entry_of_others_that_cannot_be_looked_into_stays",
    ),
    broken(
        "P14",
        "with a dead systemd-dissect links go into quarantine",
        _ERRORS,
        "class ToolBroken(TukitSysextError):",
        "class ToolBroken(ImageBroken):",
        f"{_CHANGES}[verify --boot-killed]",
    ),
    broken(
        "P14",
        "a link goes into quarantine as systemd-dissect dies of its image",
        _ERRORS,
        "class NoVerdict(TukitSysextError):",
        "class NoVerdict(ImageBroken):",
        f"{_DEAD}::test_nor_where_it_dies_of_these_images",
    ),
    Defence(
        row="P14",
        what="with a dead systemd-dissect a good image is collected",
        edits=(
            (_COLLECTION, "except (NoVerdict, StoreError, ToolBroken, OSError) as error:", "except OSError as error:"),
            (_COLLECTION, "        except ImageBroken as error:", "        except Exception as error:"),
        ),
        tests=(f"{_DEAD}::test_nothing_is_collected",),
    ),
    broken(
        "P14",
        "what a collection cannot look into is not logged",
        _COLLECTION,
        '            log.error("%s: %s", name, decision.reason)\n',
        "",
        f"{_DEAD}::test_nothing_is_collected",
    ),
    broken(
        "P14",
        "a boot where nothing could be looked into ends well",
        "tukit_sysext/commands/verify_boot.py",
        "return ExitStatus.FAILED if assessment.unsettled else status",
        "return status",
        f"{_CHANGES}[verify --boot-killed]",
    ),
    broken(
        "P14",
        "the guard does not say what it could not look into",
        "tukit_sysext/integrity/needs.py",
        " or finding in assessment.unsettled",
        "",
        f"{_DEAD}::test_the_guard_forgets_no_need",
    ),
    broken(
        "P14",
        "what has to be repaired is forgotten when nobody can tell",
        "tukit_sysext/integrity/needs.py",
        "if (need.snapshot, need.link) in unsettled]",
        "if False]",
        f"{_DEAD}::test_the_guard_forgets_no_need",
    ),
)
