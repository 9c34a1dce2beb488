# SPDX-License-Identifier: LGPL-2.1-or-later
"""What strangers may do on the machine: the rows L1, L2 and L4 to L8."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_STORE = "tukit_sysext/store/image_store.py"
_INCOMING = "tukit_sysext/store/incoming.py"
_TREE = "tukit_sysext/system/tree.py"
_PROCESS = "tukit_sysext/system/process.py"
_INSPECT = "tukit_sysext/system/inspect_image.py"
_ENTRY = "tukit_sysext/entry.py"
_HOOK = "hooks/50-tukit-sysext"

_U = "tests/unit"
_LOOK = f"{_U}/store/test_look.py"
_PUBLISH = f"{_U}/store/test_publish.py"
_TREES = f"{_U}/system/test_tree.py"
_PROCESSES = f"{_U}/system/test_process.py"
_MALFORMED = f"{_U}/system/test_malformed_images.py"
_POISONED = "tests/on_lab/test_hooks.py::test_a_poisoned_environment[microos]"

_NOT_USED = f"{_LOOK}::test_what_is_no_file_of_root_is_not_used"

DEFENCES: tuple[Defence, ...] = (
    Defence(
        row="L1",
        what="a link or a device in the store is used",
        edits=(
            (_STORE, "    if stat.S_ISLNK(status.st_mode):", "    if False:"),
            (_STORE, "    if not stat.S_ISREG(status.st_mode):", "    if False:"),
        ),
        tests=(_NOT_USED,),
    ),
    broken("L1", "a file of several names is used", _STORE, "if status.st_nlink != 1:", "if False:", _NOT_USED),
    broken(
        "L1", "a stranger's file is used", _STORE, "if status.st_uid not in (0, os.geteuid()):", "if False:", _NOT_USED
    ),
    broken("L1", "a file that others may write is used", _STORE, "if status.st_mode & 0o022:", "if False:", _NOT_USED),
    broken(
        "L1",
        "a link in the store is followed",
        _STORE,
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_RDONLY | os.O_NONBLOCK",
        f"{_LOOK}::test_opened_follows_no_link",
    ),
    broken(
        "L1",
        "what is irregular gives way",
        _STORE,
        "if there.condition in (Condition.IRREGULAR, Condition.UNREADABLE):",
        "if False:",
        f"{_PUBLISH}::test_what_is_irregular_is_in_the_way",
    ),
    broken(
        "L2",
        "what another process put there meanwhile is replaced",
        _STORE,
        "            if replace:\n",
        "            if True:\n",
        f"{_PUBLISH}::test_another_transaction_was_quicker_with_other_content",
    ),
    broken(
        "L2",
        "another file than the one that was hashed is sealed",
        _STORE,
        "if (there.st_dev, there.st_ino) != (status.st_dev, status.st_ino):",
        "if False:",
        f"{_PUBLISH}::test_a_file_that_was_exchanged_is_not_sealed",
    ),
    broken(
        "L2",
        "what was written before a restart counts",
        _INCOMING,
        "        self._digest.close()\n        self._digest = Digest()\n",
        "",
        f"{_U}/store/test_receive.py::test_a_file_that_is_wrong_at_one_server_may_be_right_at_the_next",
    ),
    Defence(
        row="L2",
        what="what waits to be hashed is written over",
        edits=(
            (_INCOMING, "self._pending = bytearray()  # the other is hashed in its time", "# the same once more"),
            (
                _INCOMING,
                "from error\n        if self._worth_keeping and self.name is None:",
                "from error\n        view.release()\n        data.clear()\n"
                "        if self._worth_keeping and self.name is None:",
            ),
        ),
        tests=(f"{_U}/store/test_receive.py::test_a_large_image_is_hashed_as_it_came",),
    ),
    broken(
        "L4",
        "a link on the way is followed",
        _TREE,
        "_STRICT = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS",
        "_STRICT = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS",
        f"{_TREES}::TestDirectory::test_etc_is_a_link",
    ),
    broken(
        "L4",
        "a path may lead out",
        _TREE,
        "_STRICT = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS",
        "_STRICT = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS",
        f"{_TREES}::TestDirectory::test_a_path_out_of_the_tree",
    ),
    broken(
        "L4",
        "what is read may be outside",
        _TREE,
        "_READ = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS",
        "_READ = RESOLVE_NO_MAGICLINKS",
        f"{_TREES}",
    ),
    broken(
        "L4",
        "what is no link is replaced",
        "tukit_sysext/snapshots/entries.py",
        "if not stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):",
        "if False:",
        f"{_U}/snapshots/test_entries.py::test_only_links_are_replaced_or_taken_out",
    ),
    broken(
        "L4",
        "a link under our temporary name is written through",
        "tukit_sysext/system/durable.py",
        "os.O_TRUNC | os.O_NOFOLLOW",
        "os.O_TRUNC",
        f"{_U}/system/test_durable.py::test_nobody_who_could_place_a_link_makes_us_write_elsewhere",
    ),
    broken(
        "L5",
        "any tree is taken for that of the snapshot",
        _ENTRY,
        "if not same:",
        "if False:",
        f"{_U}/test_entry.py::test_hostile_arguments_change_nothing",
    ),
    broken(
        "L5",
        "any text is taken for a number",
        "tukit_sysext/ledger/spool.py",
        'r"[1-9][0-9]{0,9}"',
        'r"(?s:.*)"',
        f"{_U}/ledger/test_spool.py",
    ),
    broken(
        "L5",
        "programs are started by a shell",
        _PROCESS,
        '[PRLIMIT, *limits, "--", *argv],',
        '["/bin/sh", "-c", " ".join([PRLIMIT, *limits, "--", *argv])],',
        f"{_PROCESSES}::test_arguments_are_no_shell_words",
    ),
    broken(
        "L6",
        "an image is looked into before its hash is known",
        "tukit_sysext/update/fetch.py",
        "        self._incoming.finish()\n        self.known = self._fetching.publish(",
        "        from tukit_sysext.update.content_judge import inspect_image\n"
        "        scratch = self._fetching._resolver.machine.layout.cache\n"
        "        inspect_image(self._incoming.descriptor, preferred=self.wanted.name, scratch=scratch)\n"
        "        self._incoming.finish()\n        self.known = self._fetching.publish(",
        f"{_U}/sources/test_looking.py",
    ),
    broken(
        "L6",
        "no limit of what is taken out of an image",
        _INSPECT,
        "file_size=_COPY_LIMIT, ",
        "",
        f"{_MALFORMED}::test_a_file_that_expands_to_much",
    ),
    broken(
        "L6",
        "no limit of the processor's time",
        _INSPECT,
        "cpu_seconds=_CPU_SECONDS, ",
        "",
        f"{_MALFORMED}::test_the_limits_of_the_reader",
    ),
    broken(
        "L6",
        "looking into an image may last",
        _INSPECT,
        "run(argv, timeout=_TIMEOUT, ",
        "run(argv, timeout=8, ",
        f"{_MALFORMED}::test_a_reader_that_hangs",
    ),
    broken(
        "L6",
        "a reader that is killed has said that the image is broken",
        _INSPECT,
        "if result.died:",
        "if False:",
        f"{_MALFORMED}::test_a_file_that_expands_to_much",
    ),
    broken(
        "L6",
        "what a deep image leaves behind stays, and is a fault of ours",
        "tukit_sysext/system/scratch.py",
        "except RecursionError:",
        "except ZeroDivisionError:",
        f"{_MALFORMED}::test_folders_in_folders",
        f"{_MALFORMED}::test_what_a_killed_run_left_is_swept",
    ),
    broken(
        "L6",
        "children of a reader outlive it",
        _PROCESS,
        "os.killpg(process.pid, 9)",
        "process.kill()",
        f"{_PROCESSES}::test_a_timeout_ends_the_whole_group",
    ),
    broken(
        "L7",
        "the caller's environment reaches Python",
        _HOOK,
        "env -i PATH",
        "env PATH",
        _POISONED,
    ),
    broken(
        "L7",
        "Python is not isolated from the caller's directory",
        _HOOK,
        ' -IB -c "$code"',
        ' -B -c "$code"',
        _POISONED,
    ),
    broken(
        "L7",
        "Python has the caller's standard input",
        _HOOK,
        '"$@" </dev/null',
        '"$@"',
        "tests/on_lab/test_hooks.py::test_standard_input_is_the_callers[microos]",
    ),
    broken(
        "L7",
        "the caller's umask counts",
        _ENTRY,
        "os.umask(0o022)",
        "pass",
        f"{_U}/test_entry.py::test_umask_and_directory_are_ours",
    ),
    broken(
        "L7",
        "the caller's directory counts",
        _ENTRY,
        'os.chdir("/")',
        "pass",
        f"{_U}/test_entry.py::test_umask_and_directory_are_ours",
    ),
    broken(
        "L7",
        "programs have our environment",
        _PROCESS,
        "env=environment,",
        "",
        f"{_PROCESSES}::test_the_environment_is_ours",
    ),
    broken(
        "L7",
        "programs have our standard input",
        _PROCESS,
        "stdin=subprocess.DEVNULL,",
        "",
        f"{_PROCESSES}::test_directory_and_standard_input_are_nobodys",
    ),
    broken(
        "L7",
        "the environment's proxy is used",
        "tukit_sysext/net/handle.py",
        "handle.setopt(pycurl.PROXY, settings.proxy_for(url))",
        "settings.proxy_for(url) and handle.setopt(pycurl.PROXY, settings.proxy_for(url))",
        f"{_U}/net/test_access.py::test_a_proxy_of_the_environment_is_ignored",
    ),
    broken(
        "L8",
        "everybody may try what needs root",
        "tukit_sysext/machine.py",
        "if not self.privileged:",
        "if False:",
        f"{_U}/test_cli.py::test_what_changes_something_needs_root",
    ),
    broken(
        "L8",
        "who reads writes to the cache",
        "tukit_sysext/sources/cache.py",
        "if not self._writable:",
        "if False:",
        f"{_U}/sources/test_cache.py::test_a_reader_keeps_nothing",
    ),
    broken(
        "L8",
        "who reads writes records",
        _STORE,
        "        if self._writable:\n",
        "        if True:\n",
        f"{_LOOK}::test_a_reader_writes_nothing",
    ),
)
