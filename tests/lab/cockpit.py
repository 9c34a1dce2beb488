# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cockpit in a lab, and a browser of this machine that looks at it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.lab.machine import Lab

PACKAGES = ("cockpit-bridge", "cockpit-system", "cockpit-ws", "sudo")
"""What the disk of such a lab has beside (tests/lab/with_packages.py)."""

PAGE = "tukit-sysext"
_FRAME = f"iframe[name='cockpit1:localhost/{PAGE}']"
_ACCESS = "#super-user-indicator button"
_PATIENCE = 30
_POLL = 0.05
"""Seconds between two looks at a page: WebDriver says nothing by itself."""
_BUS = "test -e /run/dbus/pid || { mkdir -p /run/dbus && dbus-daemon --system --fork; }"

_SERVE = """
export LISTEN_FDS=1 LISTEN_PID=$$
exec /usr/lib/cockpit/cockpit-ws --local-session=/usr/bin/cockpit-bridge 3<&0 </dev/null
"""
"""Its socket listens before it runs (sd_listen_fds(3)), so that nobody has to wait for it; standard input brings it."""


@contextlib.contextmanager
def served(lab: Lab, user: str = "root") -> Iterator[str]:
    """Cockpit with a session of this user, who needs no password for it; gives its address. It is for one browser.

    What its bridge starts and leaves behind ends with the lab, which has a PID namespace of its own.
    """
    lab.run(["sh", "-c", _BUS])
    home = "/root" if user == "root" else f"/home/{user}"
    session = ["env", f"HOME={home}", f"USER={user}", "dbus-run-session", "--", "sh", "-c", _SERVE]
    command = lab.enter_command(["runuser", "-u", user, "--", *session])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        process = subprocess.Popen(
            command,
            stdin=listening.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    with process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Browser:
    """Chromium without a screen, looking at our page. Needs chromedriver and python3-selenium."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.add_argument(f"--user-data-dir={profile}")
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver: Any = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.size(1280, 900)
        self._style = ""

    def close(self) -> None:
        self.driver.quit()

    def size(self, width: int, height: int) -> None:
        """What the browser's window shows, in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, address: str, view: str = "") -> None:
        """Go to the page, and wait until it has all."""
        self.driver.delete_all_cookies()  # they are of a host, whatever its port
        self.driver.get(f"{address}/{PAGE}{'#/' + view if view else ''}")
        self.until(self.enter)
        self.settled()

    def style(self, style: str) -> None:
        """Choose light or dark, as the shell's menu does."""
        self.driver.switch_to.default_content()
        self.run(
            "localStorage.setItem('shell:style', arguments[0]);"
            "const event = new CustomEvent('cockpit-style', {detail: {style: arguments[0]}});"
            "window.dispatchEvent(event);"
            "for (const frame of document.querySelectorAll('iframe')) frame.contentWindow.dispatchEvent("
            "  new frame.contentWindow.CustomEvent('cockpit-style', {detail: {style: arguments[0]}}));",
            style,
        )
        self.enter()

    def enter(self) -> bool:
        """From now on the page's own document is meant, not the shell's around it."""
        self.driver.switch_to.default_content()
        self.driver.switch_to.frame(self.one(_FRAME))
        return True

    def until(self, condition: Callable[[], Any], seconds: float = _PATIENCE) -> Any:
        """Wait until a condition is true; gives what it said. A page that is drawn anew meanwhile is no fault."""
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(WebDriverException):
                if said := condition():
                    return said
            time.sleep(_POLL)  # no event of a browser tells of any condition, as in selenium's own WebDriverWait
        raise AssertionError(f"waited for {seconds} s in vain; the page says:\n{self.text()}\n{self.log()}")

    def settled(self) -> None:
        """Wait until nothing is loaded or changed."""
        self.until(
            lambda: self.run(
                "return document.getElementById('view').getAttribute('aria-busy') === 'false'"
                " && !document.querySelector('.loading') && !document.getElementById('job').hasChildNodes()"
            )
        )

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str = "body") -> str:
        return str(self.one(selector).text)

    def click(self, selector: str) -> None:
        self.until(lambda: self.one(selector).click() is None)

    def press(self, label: str, within: str = "body") -> None:
        """Click a button by its label."""
        script = (
            "return [...document.querySelectorAll(arguments[0] + ' button')]"
            ".find(each => (each.getAttribute('aria-label') ?? each.textContent) === arguments[1] && !each.disabled)"
        )
        self.until(lambda: (found := self.run(script, within, label)) and found.click() is None)

    def view(self, label: str) -> None:
        """Change to another view."""
        self.press(label, "#views")
        self.until(lambda: self.text("#views [aria-current]") == label)
        self.settled()

    def rows(self, selector: str) -> list[list[str]]:
        """The cells of a table, of its head too."""
        cells = "[...row.cells].map(cell => cell.innerText.trim())"
        script = f"return [...document.querySelector(arguments[0]).rows].map(row => {cells})"
        rows: list[list[str]] = self.until(lambda: self.run(script, selector))
        return rows

    def outcome(self, title: str) -> str:
        """What came of the action with this title, once it is over."""
        self.until(lambda: title in self.text("#outcome"))
        self.settled()
        return self.text("#outcome")

    def gain_access(self, password: str) -> None:
        """Become administrator in the shell's dialog."""
        self.driver.switch_to.default_content()
        self.click(_ACCESS)
        field = self.until(lambda: self.one("input[type=password]"))
        field.send_keys(password)
        self.click(".pf-v6-c-modal-box button.pf-m-primary, .pf-v5-c-modal-box button.pf-m-primary")

    def log(self) -> list[str]:
        """What the page wrote to the console, and what of it was not allowed or not found."""
        return [entry["message"] for entry in self.driver.get_log("browser") if f"/{PAGE}/" in entry["message"]]

    def shot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))
