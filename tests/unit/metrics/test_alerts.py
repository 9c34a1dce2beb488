# SPDX-License-Identifier: LGPL-2.1-or-later
"""The alert rules and the man page have the metrics that there are, and Prometheus' own tool takes all of it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spec.man import pages
from tests.promtool import promtool
from tests.rpm import TOP
from tukit_sysext.grammar import parser
from tukit_sysext.metrics.exposition import Metric, Sample, rendered
from tukit_sysext.metrics.table import METRICS, PREFIX

ALERTS = TOP / "spec/examples/fleet/alerts.yml"
RULES_TEST = Path(__file__).with_name("alerts.test.yml")
OF_PROMETHEUS = {"instance"}


def rules() -> Iterator[str]:
    """The rules of the file, each as its text."""
    yield from ALERTS.read_text().split("- alert: ")[1:]


def metrics_of(text: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}(\w+)", text))


def rule_problems(rule: str) -> list[str]:
    """Metrics and labels of a rule that do not exist."""
    names = metrics_of(rule)
    problems = [f"metric {name}" for name in sorted(names - METRICS.keys())]
    labels = {label for name in names & METRICS.keys() for label in METRICS[name].labels} | OF_PROMETHEUS
    used = set(re.findall(r"\$labels\.(\w+)", rule))
    used |= {label.strip() for listed in re.findall(r"\bon \(([^)]*)\)", rule) for label in listed.split(",")}
    return problems + [f"label {label}" for label in sorted(used - labels)]


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: str(rule.partition("\n")[0]))
def test_a_rule_uses_metrics_and_labels_that_exist(rule: str) -> None:
    assert metrics_of(rule)
    assert rule_problems(rule) == []


def test_a_rule_with_a_fault_is_found() -> None:
    assert rule_problems("A\nexpr: tukit_sysext_store_bites == 1") == ["metric store_bites"]
    assert rule_problems("A\nexpr: tukit_sysext_store_bytes == 1\nx: {{ $labels.tree }}") == ["label tree"]


def test_the_commands_of_the_alerts_are_understood() -> None:
    said = re.findall(r"tukit-sysext ([^\",]+)", "\n".join(re.findall(r"On the machine: .*", ALERTS.read_text())))
    assert len(said) >= len(list(rules()))
    for command in said:
        parser().parse_args(shlex.split(re.sub(r"\{\{.*?\}\}", "gdb", command)))


def test_every_rule_is_tested() -> None:
    tested = set(re.findall(r"alertname: (\w+)\n +exp_alerts", RULES_TEST.read_text()))
    assert tested == {rule.partition("\n")[0] for rule in rules()}


def test_every_metric_is_in_the_manual() -> None:
    text = pages.source("tukit-sysext-fleet.7")
    assert {name for name in METRICS if not re.search(rf"^\*{PREFIX}{name}\*", text, re.M)} == set()


@pytest.mark.root
def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    for file in (ALERTS, RULES_TEST):
        shutil.copy(file, tmp_path)
    for argv in (["check", "rules", ALERTS.name], ["test", "rules", RULES_TEST.name]):
        done = subprocess.run([promtool(), *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
def test_prometheus_has_nothing_against_the_metrics() -> None:
    """Names, texts and kinds; all metrics at once, each with its labels."""
    made = [
        Metric(
            name=f"{PREFIX}{name}",
            text=kind.text,
            samples=(Sample(value=1, labels=dict.fromkeys(kind.labels, 'x "y" \\')),),
        )
        for name, kind in METRICS.items()
    ]
    argv = [str(promtool()), "check", "metrics"]
    done = subprocess.run(argv, input=rendered(made), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
