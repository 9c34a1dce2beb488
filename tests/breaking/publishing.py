# SPDX-License-Identifier: LGPL-2.1-or-later
"""A folder that is published, or pushed into a registry: the rows R1 to R4, and N16 of a push."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_PUBLICATION = "tukit_sysext/publish/publication.py"
_SWITCHING = "tukit_sysext/publish/switching.py"
_PUSHING = "tukit_sysext/publish/pushing.py"
_PROJECT = "tukit_sysext/publish/project.py"
_PRUNING = "tukit_sysext/publish/pruning.py"
_VERDICT = "tukit_sysext/publish/verdict.py"
_U = "tests/unit/publish"
_PUSHED = "tests/registry/test_interrupted_push.py"
_COMMAND = f"{_U}/test_publish_command.py"
_STEPS = f"{_U}/test_switching.py::test_killed_at_any_step"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "R1",
        "names lead to the new files one by one",
        _SWITCHING,
        "_link(folder, _LINK, _OLD)",
        "_link(folder, _LINK, _NEW)",
        _STEPS,
    ),
    broken(
        "R1",
        "names are replaced one by one",
        _SWITCHING,
        "        if error.errno not in _NO_LINKS:\n            raise\n",
        "        raise\n    if files:\n",
        _STEPS,
    ),
    broken(
        "R1",
        "what was left is not taken away",
        _SWITCHING,
        "    settle(folder, names)\n    try:",
        "    try:",
        f"{_U}/test_switching.py::test_it_goes_on_from_what_was_left",
    ),
    broken(
        "R1",
        "a signature of the old list stays",
        _SWITCHING,
        "            else:\n                path.unlink()\n",
        "",
        f"{_U}/test_switching.py::test_what_is_not_written_goes",
    ),
    broken(
        "R1",
        "two may publish at once",
        _PUBLICATION,
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        f"{_COMMAND}::test_two_at_once",
    ),
    broken(
        "R1",
        "a registry gets the list first",
        _PUSHING,
        "        changed = self._changed(project)\n        missing =",
        "        _put_list(project, lists)\n        changed = self._changed(project)\n        missing =",
        f"{_PUSHED}::test_ended_at_any_request",
    ),
    broken(
        "N16",
        "whoever a registry sends us to is told who we are",
        _PROJECT,
        "if origin(request.url) != origin(self._api):",
        "if False:",
        f"{_U}/test_project.py::test_another_server_gets_no_token_of_the_registry",
    ),
    broken(
        "R2",
        "what is refused is published",
        _PUBLICATION,
        "    if refused:\n",
        "    if False:\n",
        f"{_COMMAND}::test_one_image_that_is_refused_keeps_all_from_being_published",
    ),
    broken(
        "R2",
        "an image may call itself otherwise",
        _VERDICT,
        "if not agrees(called, hint, image.file_name):",
        "if False:",
        f"{_U}/test_verdict.py::test_what_clients_would_not_take",
    ),
    broken(
        "R2",
        "a description that says something else is listed",
        _VERDICT,
        "dict(said) != dict(image.content.release)",
        "False",
        f"{_COMMAND}::test_a_description_that_says_nothing_or_something_else",
    ),
    broken(
        "R3",
        "the newest version takes the place of another system's last one",
        _PRUNING,
        "groups[image.hint.name, system_of(image)]",
        "groups[image.hint.name]",
        f"{_U}/test_pruning.py",
    ),
    broken("R3", "what is not listed goes at once", _PRUNING, "timedelta(days=90)", "timedelta(days=0)", _COMMAND),
    broken(
        "R3",
        "when nobody knows, it was listed long ago",
        _PUBLICATION,
        "            return self._today\n        return known.listed",
        "            return self._today if known else date.min\n        return known.listed",
        f"{_COMMAND}::test_without_its_memory_nothing_goes",
    ),
    Defence(
        row="R3",
        what="what is listed is remembered after the list has changed",
        edits=(
            (
                _PUBLICATION,
                "        self._remember(listed, left, deleted, chunked)\n        switch(",
                "        switch(",
            ),
            (
                _PUBLICATION,
                "        publication = replace(publication, signers=signers)",
                "        self._remember(listed, left, deleted, chunked)\n"
                "        publication = replace(publication, signers=signers)",
            ),
        ),
        tests=(f"{_COMMAND}::test_what_was_listed_is_remembered_before_the_list_changes",),
    ),
    broken(
        "R4",
        "gpg's word is enough",
        _PUBLICATION,
        "if checked.bad or checked.reasons or not checked.good:",
        "if False:",
        f"{_COMMAND}::test_a_signature_that_clients_would_refuse",
    ),
    broken(
        "R4",
        "the list changes before it is signed",
        _PUBLICATION,
        "        signed, signers = self._sign(content)\n",
        "        write_file(self._folder / LIST, content)\n        signed, signers = self._sign(content)\n",
        f"{_COMMAND}::test_a_key_that_has_expired_changes_nothing",
    ),
)
