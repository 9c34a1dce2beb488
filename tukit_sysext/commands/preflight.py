# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext preflight``: would an update to what the repositories offer now be refused?

For ExecCondition= (systemd.service(5)), where every status but 0 and 255 skips the update: whatever goes wrong in here
ends with 0. What goes wrong before (no Python) has another status than 75, which spec/examples looks at.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import asdict, replace

from tukit_sysext.errors import TukitSysextError, in_words
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.preflight.decide import Answer, Verdict, judge, without_plan
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned
from tukit_sysext.update import refusal

log = logging.getLogger(__name__)


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the answer. 0 for passes, unknown and no update; 75 where the update would be refused."""
    out = Output.of(arguments)
    try:
        answer = _answer(machine)
    except TukitSysextError as error:
        answer = Answer(verdict=Verdict.UNKNOWN, reason=str(error))
    except Exception as error:
        # a fault of ours keeps no update away: it may be the one that fixes us
        log.error("a fault of tukit-sysext itself: %s", in_words(error), exc_info=error)
        answer = Answer(verdict=Verdict.UNKNOWN, reason=in_words(error))
    if answer.verdict is not Verdict.NO_UPDATE:
        answer = replace(answer, warnings=_warnings(machine))
    _remember(machine, answer)
    out.json({**asdict(answer), "images": [asdict(image) for image in answer.images]})
    _show(out, answer)
    return ExitStatus.REFUSED if answer.verdict is Verdict.REFUSED else ExitStatus.DONE


def _answer(machine: Machine) -> Answer:
    # in here, so that an installation that is broken has an answer too, see the top
    from tukit_sysext.config.settings import load_configuration
    from tukit_sysext.config.wanted import load_wanted
    from tukit_sysext.plugins.manager import Plugins
    from tukit_sysext.preflight.offered import of_release, offered
    from tukit_sysext.preflight.repositories import statements
    from tukit_sysext.rules.release import ReleaseData
    from tukit_sysext.system.system_release import read_release
    from tukit_sysext.system.tree import Tree
    from tukit_sysext.update.search import Resolver

    with Tree(machine.layout.root) as tree:
        if not any(image.may_refuse for image in load_wanted(tree).images.values()):
            return Answer(verdict=Verdict.PASSES, reason="no image is required")
        release = read_release(tree) or ReleaseData()
        running = of_release(release)
        found = None
        looking = replace(machine, read_only=True)
        if running is not None:
            found = offered(running, statements(looking, tree, load_configuration(tree), release))
        answer = without_plan(running, found)
        if answer is not None or running is None or found is None:
            return answer or Answer(verdict=Verdict.UNKNOWN, reason="not known")
        refused_for = refusal.ages(refusal.known(machine, writable=False), now=int(time.time()))
        resolver = Resolver(looking, tree, Plugins.of(machine), refused_for=refused_for)
        return judge(resolver, running, found)


def _remember(machine: Machine, answer: Answer) -> None:
    try:
        from tukit_sysext.preflight.last_answer import remember

        remember(machine, answer)
    except Exception as error:
        # as above; and the answer that is printed stands, whoever remembers it
        log.warning("the answer is not remembered: %s", in_words(error))


def _warnings(machine: Machine) -> tuple[str, ...]:
    """What linked images need and the update takes away; nothing where not known."""
    try:
        from tukit_sysext.preflight.taken_away import warnings
        from tukit_sysext.system.tree import Tree

        with Tree(machine.layout.root) as tree:
            return tuple(warnings(machine, tree))
    except Exception as error:
        # a warning is all that is lost, the answer is not
        log.warning("what the update takes away from images is not known: %s", in_words(error))
        return ()


def _show(out: Output, answer: Answer) -> None:
    what = f"An update to {answer.offered}" if answer.offered is not None else "An update"
    match answer.verdict:
        case Verdict.REFUSED:
            out.tell(Toned(f"{what} would be REFUSED, {answer.reason}.", Tone.BAD))
        case Verdict.PASSES:
            out.tell(f"{what} would pass: {answer.reason}.")
        case Verdict.NO_UPDATE:
            out.tell(f"No update: {answer.reason} ({answer.running}).")
        case Verdict.UNKNOWN:
            out.tell(f"Whether an update would be refused is not known: {answer.reason}.")
    for image in answer.images:
        if image.verdict is not Verdict.PASSES:
            out.tell(f"  {image.name}: {image.verdict}, {image.reason}")
        else:
            out.say(f"  {image.name}: {image.reason}")
    for warning in answer.warnings:
        out.tell(f"  warning: {warning}")
    if answer.repository is not None:
        out.say(f"  offered by repository {answer.repository}, running is {answer.running}")
