# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything ends, and costs what has to be looked at; unsigned descriptions: P5, P9."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_U = "tests/unit"
_LINEAR = f"{_U}/update/test_linear.py"
_BOUNDS = f"{_U}/net/test_bounds.py"
_TRANSFER = "tukit_sysext/net/transfer.py"
_ATTEMPT = "tukit_sysext/net/attempt.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "P5",
        "descriptions are asked for one by one",
        "tukit_sysext/update/search.py",
        "            most *= 2\n",
        "            most = 1\n",
        f"{_LINEAR}::test_the_newest_costs_one_and_none_a_few_rounds",
    ),
    broken(
        "P5",
        "each round judges everything again",
        "tukit_sysext/update/options.py",
        "@lru_cache(maxsize=65536)\ndef verdict_of",
        "@lru_cache(maxsize=0)\ndef verdict_of",
        f"{_LINEAR}::test_each_release_is_judged_once",
    ),
    broken(
        "P5",
        "each file of the store is compared with each wanted image",
        "tukit_sysext/update/local.py",
        "any(file[:length] in facts.wanted for length in lengths)",
        "any(file.startswith(name) for name in facts.wanted)",
        f"{_LINEAR}::test_many_images_and_many_files_are_no_product",
    ),
    broken(
        "P5",
        "what was said of a version is asked again in the next run",
        "tukit_sysext/sources/described.py",
        "            self._cache.put_note(",
        "            str(",
        f"{_U}/sources/test_web_descriptions.py::test_every_kind_is_read_whether_the_list_names_it_or_not",
    ),
    broken(
        "P5",
        "each slow answer has a time of its own",
        _TRANSFER,
        "allowance.spend(self._clock() - begun)",
        "allowance.spend(0)",
        f"{_BOUNDS}::test_slow_answers_one_after_the_other_share_one_time",
        f"{_BOUNDS}::test_finding_out_ends",
    ),
    broken(
        "P5",
        "each image that trickles has a time of its own",
        _TRANSFER,
        "min(state.request.deadline, shared.left(state.progress))",
        "state.request.deadline",
        f"{_BOUNDS}::test_images_that_trickle_share_one_time",
    ),
    broken(
        "P5",
        "an image of which nothing comes is waited for as for one that comes slowly",
        _ATTEMPT,
        "min(settings.least_rate_window, settings.silence)",
        "settings.least_rate_window",
        f"{_BOUNDS}::test_an_image_of_which_nothing_comes",
    ),
    broken(
        "P5",
        "all images come at once over a slow line",
        _TRANSFER,
        "line.is_crowded(received)",
        "False",
        f"{_BOUNDS}::test_on_a_slow_line_one_image_is_whole_before_the_next_goes_on",
    ),
    broken(
        "P5",
        "loading libcurl waits for a name server",
        "tukit_sysext/net/libcurl.py",
        'f"timeout:{_SERVER_TIMEOUT:.0f} attempts:1"',
        '""',
        f"{_BOUNDS}::test_name_servers_that_never_answer_while_libcurl_is_loaded",
        f"{_BOUNDS}::test_a_name_server_that_never_answers",
    ),
    broken(
        "P5",
        "libcurl waits for its thread that resolves a name",
        _ATTEMPT,
        "handle.setopt(_QUICK_EXIT, True)",
        "pass",
        f"{_BOUNDS}::test_a_name_server_that_never_answers",
    ),
    broken(
        "P5",
        "what came of an image is forgotten at the end of a run",
        "tukit_sysext/store/incoming.py",
        "        self._keep()\n        self._digest.close()\n",
        "        self._digest.close()\n",
        f"{_U}/store/test_partial.py::test_a_slow_line_gets_there_in_the_end",
    ),
    broken(
        "P5",
        "what is no part of an image is kept for ever",
        "tukit_sysext/store/incoming.py",
        "        self._worth_keeping = False\n        with suppress(OSError):\n            self._partial.drop()\n",
        "",
        f"{_U}/store/test_partial.py::test_what_is_no_part_of_the_image_costs_one_more_download",
    ),
    broken(
        "P5",
        "a FIFO in the place of a small file is waited on",
        "tukit_sysext/system/small_file.py",
        "os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY",
        "os.O_RDONLY | os.O_NOCTTY",
        f"{_U}/system/test_small_file.py::test_notes_of_ours",
    ),
    broken(
        "P5",
        "a program that was killed is waited for without end",
        "tukit_sysext/system/process.py",
        "process.wait(LEFT_AFTER)",
        "process.wait()",
        f"{_U}/system/test_process.py::test_a_child_that_does_not_end_when_it_is_killed_is_left",
    ),
    broken(
        "P5",
        "each call to a directory that hangs is waited for",
        "tukit_sysext/sources/directory.py",
        "if self._away or left <= 0:",
        "if left <= 0:",
        f"{_U}/sources/test_dead_directory.py::test_a_directory_that_hangs_is_waited_for_once",
    ),
    broken(
        "P9",
        "what anybody on the way writes excludes a version",
        "tukit_sysext/update/options.py",
        "        if known.vouched:\n            return described\n",
        "        return described\n",
        f"{_U}/update/test_doubted.py::test_no_image_is_frozen",
    ),
    broken(
        "P9",
        "an older version stays in the place of one that is said not to fit",
        "tukit_sysext/update/options.py",
        "return doubted if doubted is not None and version.option.whole else version",
        "return version",
        f"{_U}/update/test_doubted.py::test_no_image_is_frozen",
    ),
    broken(
        "P9",
        "contents are fetched in vain without end",
        "tukit_sysext/update/options.py",
        "if facts.tried.get(_name(option), 0) >= MOST_TRIED:",
        "if False:",
        f"{_U}/update/test_doubted.py::test_a_few_contents_are_fetched_in_vain_and_where_that_ends_is_said",
    ),
    broken(
        "P9",
        "every description is vouched for",
        "tukit_sysext/sources/web.py",
        'vouched=ask[number][1] in self._hashes or result.url.startswith("https:")',
        "vouched=True",
        f"{_U}/sources/test_web_descriptions.py::test_what_the_list_does_not_name_is_vouched_for_by_nobody",
    ),
    broken(
        "P9",
        "descriptions are kept whole until all are there",
        "tukit_sysext/net/attempt.py",
        'body = b"" if state.request.discard else body',
        "body = body * 1",
        f"{_U}/sources/test_web_descriptions.py::test_of_many_large_ones_a_few_keys_stay_in_memory",
    ),
)
