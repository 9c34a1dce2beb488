# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a server sends: names, descriptions and amounts, the rows N1 to N5, N9 and N13."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_ATTEMPT = "tukit_sysext/net/attempt.py"
_HANDLE = "tukit_sysext/net/handle.py"
_TRANSFER = "tukit_sysext/net/transfer.py"
_WEB = "tukit_sysext/sources/web.py"
_WEB_LIST = "tukit_sysext/sources/web_list.py"
_LISTED = "tukit_sysext/sources/repository.py"
_LIST = "tukit_sysext/formats/checksums.py"
_MANIFEST = "tukit_sysext/formats/manifest.py"
_NAMES = "tukit_sysext/rules/names.py"
_INCOMING = "tukit_sysext/store/incoming.py"
_MUCH = "limit=100 << 20,"
"""A limit that is none for what a test sends, and keeps a broken copy from filling the machine."""
_U = "tests/unit"
_LIMITS = f"{_U}/net/test_limits.py"
_RESUME = f"{_U}/net/test_resume.py"
_SIGNED = f"{_U}/sources/test_web_signatures.py"
_LISTS = f"{_U}/formats/test_checksums.py"
_RECEIVE = f"{_U}/store/test_receive.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "N1",
        "a name may have any character",
        _NAMES,
        'r"[A-Za-z0-9_+~^@=:][A-Za-z0-9_+~^@=:.-]*"',
        'r"[^/]+"',
        f"{_U}/rules/test_names.py::test_refused",
    ),
    broken("N1", "a name may have two dots", _NAMES, 'if ".." in name:', "if False:", f"{_U}/rules/test_names.py"),
    broken("N1", "a name may be long", _NAMES, "if len(name) > MAX_LENGTH:", "if False:", f"{_U}/rules/test_names.py"),
    broken(
        "N1",
        "a line with a bad name counts",
        _LIST,
        "if not _is_harmless(name) or",
        "if",
        f"{_LISTS}::test_what_sha256sum_reads_is_read_and_foreign_lines_are_counted",
    ),
    broken(
        "N2",
        "a description may speak of another name",
        _MANIFEST,
        "if isinstance(name, str) and name not in _UNNAMED and not image.startswith(name):",
        "if False:",
        f"{_U}/formats/test_manifest.py",
    ),
    broken(
        "N2",
        "a description may speak of another version",
        _MANIFEST,
        "if isinstance(version, str) and version not in image:",
        "if False:",
        f"{_U}/formats/test_manifest.py",
    ),
    broken(
        "N2",
        "sysextmgr's description of another image is taken",
        _MANIFEST,
        'entry.get("image_name") == image and ',
        "",
        f"{_U}/formats/test_manifest.py",
    ),
    broken(
        "N3",
        "a name may have two hashes",
        _LIST,
        "elif hashes.setdefault(name, value.lower()) != value.lower():",
        "elif hashes.setdefault(name, value.lower()) is None:",
        _LISTS,
    ),
    broken(
        "N3",
        "an image may have a bad hash",
        _LIST,
        "or not (good or _OURS.fullmatch(name))",
        "or not good",
        f"{_LISTS}::test_what_speaks_wrongly_of_a_file_of_ours_refuses_the_whole_list",
    ),
    broken(
        "N3",
        "a page of somebody on the way is a list of nothing",
        _LIST,
        "if skipped and not is_list:",
        "if False:",
        f"{_LISTS}::test_what_speaks_wrongly_of_a_file_of_ours_refuses_the_whole_list",
    ),
    broken(
        "N9",
        "a description may have another hash than the list says",
        _LISTED,
        "if listed is not None and listed != actual:",
        "if False:",
        f"{_U}/sources/test_web_descriptions.py::test_one_that_was_replaced_counts_as_none",
    ),
    broken(
        "N9",
        "the content does not decide",
        "tukit_sysext/update/content_judge.py",
        "        if not self.fits(known, wanted):\n            return known, None\n",
        "",
        "tests/on_lab/test_bad_images.py::test_the_content_decides_and_not_the_manifest[directory-microos]",
    ),
    broken(
        "N13",
        "packed data is asked for",
        _ATTEMPT,
        "Accept-Encoding: identity",
        "Accept-Encoding: gzip",
        f"{_LIMITS}::test_the_plain_file_is_asked_for",
    ),
    broken(
        "N13",
        "packed data is taken",
        _ATTEMPT,
        'if encoding != "identity":',
        "if False:",
        f"{_LIMITS}::test_what_is_packed_all_the_same_is_refused",
    ),
    broken(
        "N13",
        "what unfolds is unfolded whole",
        _MANIFEST,
        "decoder.decompress(content, LIMIT + 1)",
        "decoder.decompress(content)",
        f"{_U}/formats/test_manifest.py::test_what_unfolds_is_not_unfolded_whole",
    ),
    broken(
        "N4",
        "no limit of what is transferred",
        _ATTEMPT,
        "if len(data) > room:",
        "if False:",
        f"{_LIMITS}::test_just_the_limit_is_taken",
    ),
    broken(
        "N4",
        "no limit of a list from a server",
        _WEB_LIST,
        "limit=checksums.LIMIT,",
        _MUCH,
        f"{_U}/sources/test_web_requests.py::test_an_endless_list",
    ),
    broken(
        "N4",
        "no limit of a list",
        _LIST,
        "if len(content) > LIMIT:",
        "if False:",
        f"{_LISTS}::test_a_list_that_is_too_large_is_refused",
    ),
    broken(
        "N4",
        "no limit of a signature",
        _WEB_LIST,
        "limit=repository.SIGNATURE_LIMIT,",
        _MUCH,
        f"{_SIGNED}::test_an_endless_signature",
    ),
    broken(
        "N4",
        "no limit of a description",
        _WEB,
        "limit=manifest.LIMIT,",
        _MUCH,
        f"{_U}/sources/test_web_descriptions.py::test_an_endless_one",
    ),
    broken(
        "N4",
        "no limit of an image from a server",
        "tukit_sysext/sources/on_servers.py",
        "limit=self._image_max,",
        _MUCH,
        f"{_U}/sources/test_web_fetch.py::test_where_nobody_has_it_the_reason_is_told",
    ),
    broken(
        "N4",
        "no limit of what the store receives",
        _INCOMING,
        "if self.size > self._limit:",
        "if self.size > 100 * self._limit:",
        f"{_RECEIVE}::test_endless_data_ends_at_the_limit",
    ),
    broken(
        "N4",
        "a stated size beyond the limit is no reason",
        _INCOMING,
        "if size > self._limit:",
        "if False:",
        f"{_RECEIVE}::test_a_size_beyond_the_limit_is_told_before_anything_is_read",
    ),
    broken(
        "N4",
        "the body of an error has no end",
        _ATTEMPT,
        "if self._discarded > _ERROR_BODY:",
        "if False:",
        f"{_LIMITS}::test_the_body_of_an_error_ends_too",
    ),
    broken(
        "N4",
        "what unfolds to too much is taken",
        _MANIFEST,
        "if len(plain) > LIMIT:",
        "if False:",
        f"{_U}/formats/test_manifest.py::test_bad_gzip_is_refused",
    ),
    broken(
        "N5",
        "no time to connect",
        _HANDLE,
        "handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(settings.connect_timeout * 1000))",
        "pass",
        f"{_LIMITS}::test_a_server_that_takes_no_connection_is_left_in_time",
    ),
    broken(
        "N5",
        "no least rate",
        _HANDLE,
        "handle.setopt(pycurl.LOW_SPEED_LIMIT, settings.least_rate)",
        "pass",
        f"{_LIMITS}::test_a_trickle_is_given_up_for_the_next_server",
    ),
    broken(
        "N5",
        "an attempt may take longer than there is time",
        _HANDLE,
        "round(seconds * 1000)",
        "round(seconds * 20_000)",
        f"{_U}/net/test_mirrors.py::test_an_answer_that_does_not_come_ends_with_the_deadline",
    ),
    broken(
        "N5",
        "a server is asked again after the deadline",
        _TRANSFER,
        "return again if again < until else None",
        "return again if again < until + 3 else None",
        f"{_U}/net/test_mirrors.py::test_nobody_is_asked_beyond_the_deadline",
    ),
    broken(
        "N5",
        "no pause where a server sends a little each time",
        _TRANSFER,
        "free=state.gained >= _MUCH",
        "free=True",
        f"{_RESUME}::test_a_server_that_sends_a_little_each_time_ends_with_the_deadline",
    ),
    broken(
        "N4",
        "an answer without end is read",
        "tukit_sysext/net/sending.py",
        "return None if len(body) <= _LIMIT else -1",
        "return None",
        "tests/unit/net/test_sending.py::test_an_answer_that_is_too_long_ends_it",
    ),
    broken(
        "N5",
        "a request without a file has no end",
        "tukit_sysext/net/sending.py",
        "seconds=None if sends_file else _STORE_TIMEOUT,",
        "seconds=None,",
        "tests/unit/net/test_sending.py::test_an_answer_that_comes_fast_enough_and_takes_for_ever",
    ),
)
