# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics as Prometheus' text format has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One value with its labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A gauge: its name, what it is, and its samples (none where it is not known)."""

    name: str
    text: str
    samples: tuple[Sample, ...]


def rendered(metrics: Iterable[Metric]) -> str:
    """The content of the file."""
    lines: list[str] = []
    for metric in metrics:
        if not metric.samples:
            continue
        text = metric.text.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {metric.name} {text}", f"# TYPE {metric.name} gauge"]
        lines += [f"{metric.name}{_labels(sample.labels)} {_value(sample.value)}" for sample in metric.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _value(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
