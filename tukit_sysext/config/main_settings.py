# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext.conf`` of a tree with its drop-ins: all of the configuration but the sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tukit_sysext.config import values
from tukit_sysext.config.early import HISTORY, MAIN, take_history, take_metrics
from tukit_sysext.config.files import EffectiveValue, Keys, Problem, load_main
from tukit_sysext.config.values import absolute_path, share, size, time_span
from tukit_sysext.layout import CONFIGURATION
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.quantities import KEEP_FREE, Share
from tukit_sysext.system.tree import Tree


class Blocked(NamedTuple):
    """A version of an image (UAPI.10) that is never chosen, and the file that says so."""

    name: str
    version: str
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """``tukit-sysext.conf``.

    ``refuse_for``: seconds for which a required image may hold back updates, None for no limit ([Update]
    RefuseFor=). ``image_max``: the most bytes that an image may have ([Fetch] ImageMax=). ``network`` from
    [Network]; its proxies are empty where the configuration names none, the system's count then. ``grace``: seconds
    for which an image stays after nothing needed it any more ([Store] Grace=). ``store_max``: from where on the
    size of the store is warned of ([Store] StoreMax=), ``keep_free``: what a fetch leaves free ([Store] KeepFree=).
    ``history``: seconds for which the ledger remembers what is gone ([History] Keep=). ``plugins``: names of the
    third-party plugins that are loaded ([Plugins] Load=). ``blocked``: versions that are never chosen ([Block]
    Image=NAME=VERSION). ``repair_merges``: whether images that were repaired are merged where nothing is ([Repair]
    Refresh=). ``metrics`` is the file that monitoring reads ([Metrics] File=, None: there is none).
    """

    refuse_for: int | None = None
    grace: int = 7 * 86400
    store_max: Share = field(default_factory=lambda: Share(percent=20))
    keep_free: Share = KEEP_FREE
    history: int = HISTORY
    plugins: tuple[str, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    image_max: int = 4 * 1024**3
    repair_merges: bool = False
    metrics: str | None = None
    network: NetworkSettings = field(default_factory=NetworkSettings)


def block_file(name: str) -> str:
    """The file that ``tukit-sysext block`` writes for an image, below a tree."""
    return f"/{CONFIGURATION[0]}/{MAIN}.d/block-{name}.conf"


def load_settings(tree: Tree) -> tuple[Settings, tuple[Problem, ...], tuple[EffectiveValue, ...]]:
    """The settings of a tree, what is wrong in their files, and the values that count, as they are written.

    Never raises for what stands in the files; a wrong value is the default.
    """
    files, main_problems = load_main(tree, MAIN)
    keys = Keys(*files)
    default = Settings()
    settings = Settings(
        refuse_for=keys.take("Update", "RefuseFor", time_span, None),
        image_max=keys.take("Fetch", "ImageMax", size, default.image_max),
        network=_network(keys),
        grace=keys.take("Store", "Grace", time_span, default.grace),
        store_max=keys.take("Store", "StoreMax", share, default.store_max),
        keep_free=keys.take("Store", "KeepFree", share, default.keep_free),
        history=take_history(keys),
        plugins=keys.take_all("Plugins", "Load", values.component),
        blocked=tuple(
            Blocked(name=name, version=version, origin=where)
            for (name, version), where in keys.take_where("Block", "Image", values.image_version)
        ),
        repair_merges=keys.take("Repair", "Refresh", values.repair_refresh, False),
        metrics=take_metrics(keys),
    )
    return settings, (*main_problems, *keys.finish()), tuple(keys.effective)


def _network(keys: Keys) -> NetworkSettings:
    default = NetworkSettings()
    proxy = keys.take("Network", "Proxy", values.proxy, "")
    return NetworkSettings(
        connect_timeout=keys.take("Network", "ConnectTimeout", values.waiting_time, default.connect_timeout),
        deadline=keys.take("Network", "Deadline", values.waiting_time, default.deadline),
        finding_out=keys.take("Update", "Deadline", values.waiting_time, default.finding_out),
        image_deadline=keys.take("Network", "ImageDeadline", values.waiting_time, default.image_deadline),
        least_rate=keys.take("Network", "LeastRate", values.rate, default.least_rate),
        http_proxy=proxy,
        https_proxy=proxy,
        no_proxy=",".join(keys.take_all("Network", "NoProxy", str)),
        ca_file=keys.take("Network", "CAFile", absolute_path, None),
    )
