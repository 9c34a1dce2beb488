# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in Cockpit, in a real browser, on a machine with the package: what it shows is what the program says.

The tests are of one machine, in their order; each can be run by itself, too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Flavour, Lab
from tests.lab.cockpit import PACKAGES, Browser, served
from tests.lab.faults import Trickle
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.lab.with_packages import disk_with
from tests.on_lab.site import NEW, OLD, Site, Web, installed_tree

pytestmark = [pytest.mark.tool("chromium", "chromedriver"), pytest.mark.rpm]

LATER = {"VERSION_ID": "20261215", "SYSEXT_LEVEL": "glibc-2.44"}
MARKUP = "<img src=x onerror=document.title='hacked'>"
PASSWORD = "correct horse"  # noqa: S105  # of the lab's users


@pytest.fixture(scope="module")
def site(our_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A machine without any image and source, with Cockpit; anna may use sudo, bob may not."""
    pytest.importorskip("selenium")
    folder = tmp_path_factory.mktemp("cockpit")
    page = installed_tree(folder, package="cockpit-tukit-sysext.rpm")
    repository = Repository(folder / "repository")
    disk = disk_with("microos", PACKAGES)
    with (
        Server(repository.folder) as server,
        Lab.start(Flavour.MICROOS, install={our_tree: "/", page: "/"}, image=disk) as lab,
    ):
        lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
        for user in ("anna", "bob"):
            lab.run(["useradd", "--create-home", "--shell", "/bin/bash", user])
        lab.run(["usermod", "--append", "--groups", "sudo", "anna"])
        lab.run(["chpasswd"], input=f"anna:{PASSWORD}\nbob:{PASSWORD}\n")
        yield Site(lab=lab, web=Web(repository=repository, server=server, key=SigningKey.shared()))


@pytest.fixture
def used(site: Site) -> Site:
    """That machine after an update that came and one that was refused, which the first tests left."""
    if "gdb.raw" not in site.links():
        site.with_source()
        site.publish("gdb", "15.3", OLD)
        site.publish("gdb", "15.4", NEW)
        site.command("install", "gdb")
        assert site.update().returncode == 0
        assert site.update(release=LATER).returncode == 75
    return site


@pytest.fixture(scope="module")
def browser(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def nothing_was_wrong(browser: Browser) -> Iterator[None]:
    """No script failed, and nothing was asked for that the content security policy forbids, or that is not there."""
    browser.log()
    yield
    # a test ends with the server, whatever the page is loading: what a view lacks while it runs, its test notices
    assert [line for line in browser.log() if "net::ERR_CONNECTION_RE" not in line] == []


def images(browser: Browser) -> dict[str, list[str]]:
    """The rows of the images on offer by name, without what can be done."""
    return {row[0]: row[1:5] for row in browser.rows("table.cards")[1:]}


def matrix(browser: Browser) -> list[list[str]]:
    """The matrix, its row headers cut to number and marks."""
    script = (
        "const parts = cell => [...cell.querySelectorAll('.number, .badge')].map(part => part.textContent);"
        "return [...document.querySelectorAll('.matrix tr')].map(({cells: [head, ...cells]}) =>"
        " [parts(head).join(' ').trim() || head.innerText, ...cells.map(cell => cell.innerText.trim())])"
    )
    rows: list[list[str]] = browser.until(lambda: browser.run(script))
    return rows


def test_a_machine_with_nothing(site: Site, browser: Browser) -> None:
    """Every view says that there is nothing, and what to do."""
    with served(site.lab) as address:
        browser.open(address)
        assert "No snapshot has an extension image" in browser.text("#view")
        browser.view("Images")
        assert "tukit-sysext sources add NAME URL --key FILE" in browser.text("#view")
        browser.view("Sources")
        assert "No source is configured" in browser.text("#view")
        browser.view("Store")
        assert "No image is stored" in browser.text("#view")


def test_root_sees_and_does_everything(site: Site, browser: Browser) -> None:
    """One machine through an update that comes, one that is refused, and every action."""
    site.with_source()
    site.publish("gdb", "15.1", OLD)
    site.publish("htop", "3.4", OLD, kind="erofs")
    site.publish("strace", "6.1", NEW)
    with served(site.lab) as address:
        browser.open(address, "images")
        assert images(browser)["strace"][1:3] == ["none fits", "-"]
        assert "SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42" in images(browser)["strace"][3]
        browser.click("[aria-label='Versions of strace']")
        assert browser.rows(".why table")[-1] == ["SYSEXT_LEVEL", "glibc-2.42", "glibc-2.43", "no"]
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")

        for name, policy in (("gdb", "required"), ("htop", "optional")):
            browser.press(f"Install {name}")
            browser.click(f"dialog [value={policy}]")
            browser.press("Install", "dialog")
            assert "finished" in browser.outcome(f"Installing {name}")
            assert images(browser)[name][0] == images(browser)[name][1].split()[0]
            assert images(browser)[name][2] == policy
        assert site.links().keys() == {"gdb.raw", "htop.raw"}

        browser.press("Hold gdb")
        browser.press("Cancel", "dialog")
        assert "Hold=" not in site.lab.path("/etc/tukit-sysext/images.d/gdb.conf").read_text()
        browser.press("Hold gdb")
        browser.press("Hold", "dialog")
        assert "finished" in browser.outcome("Holding gdb") and "held at 15.1" in images(browser)["gdb"][2]
        site.publish("gdb", "15.3", OLD)
        site.publish("htop", "3.6", OLD)
        browser.press("Reload")
        browser.until(lambda: "update to 3.6" in images(browser)["htop"][3])
        browser.settled()
        assert "htop 3.4 → 3.6" in browser.text("[aria-label=Update]") and "gdb" not in browser.text(
            "[aria-label=Update]"
        )
        browser.press("Release gdb")
        browser.until(lambda: "update to 15.3" in images(browser)["gdb"][3])
        browser.press("Update all")
        browser.press("Update", "dialog")
        assert "finished" in browser.outcome("Updating all images")
        assert {name: row[0] for name, row in images(browser).items()} == {"gdb": "15.3", "htop": "3.6", "strace": "-"}
        assert site.links() == {"gdb.raw": "gdb-15.3.x86-64.raw", "htop.raw": "htop-3.6.x86-64.raw"}

        site.publish("gdb", "15.4", NEW)
        site.publish("htop", "3.7", NEW)
        assert site.update().returncode == 0
        assert site.update(release=LATER).returncode == 75
        following_is_shown_and_refusals_are(site, browser)

        browser.view("Images")
        browser.run(
            "const tree = document.getElementById('tree'); tree.selectedIndex = 1;"
            "tree.dispatchEvent(new Event('change'))"
        )
        browser.until(lambda: images(browser)["strace"][1].startswith("6.1"))
        assert images(browser)["gdb"][0] == "15.4"
        browser.press("Install strace")
        browser.press("Install", "dialog")
        # required, and none fits the running system: nothing is done
        assert "failed" in browser.outcome("Installing strace")
        assert "strace" in browser.text("#outcome") and "glibc-2.43" in browser.text("#outcome")
        browser.press("Remove htop")
        browser.press("Remove", "dialog")
        assert "finished" in browser.outcome("Removing htop")
        assert site.links().keys() == {"gdb.raw"} and "htop.raw" not in site.links(site.default())

        browser.view("Store")
        assert "A collection frees nothing now" in browser.text("#view")
        site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
        site.command("gc")
        browser.press("Reload")
        browser.until(lambda: "goes" in browser.text("#view table"))
        browser.settled()
        going = {row[0] for row in browser.rows("table.cards") if row[2] == "goes"}
        assert {"htop-3.6.x86-64.raw", "htop-3.7.x86-64.raw"} <= going
        browser.press("Collect now")
        assert str(len(going)) in browser.text("dialog")
        browser.press("Collect", "dialog")
        assert f"{len(going)} deleted" in browser.outcome("Collecting images")
        assert not going & set(site.store())

        browser.view("Images")
        for action, title, merged in (("Install", "Installing", True), ("Remove", "Removing", False)):
            browser.press(f"{action} htop")
            browser.click("dialog [name=now]")
            browser.press(action, "dialog")
            assert "The running /usr was merged anew" in browser.outcome(f"{title} htop")
            assert ("htop" in site.lab.run(["systemd-sysext", "status"]).stdout) == merged
        site.lab.run(["systemd-sysext", "unmerge"])


def following_is_shown_and_refusals_are(site: Site, browser: Browser) -> None:
    """The matrix against what the program says, with the update that was refused as its first row."""
    browser.view("Snapshots")
    shown = matrix(browser)
    assert shown[0] == ["Snapshot", "gdb", "htop"]
    assert shown[1][0] == "refused" and "does not fit" in shown[1][1]
    told = site.json("snapshots")["snapshots"]
    expected = []
    for row in reversed(told):
        marks = "running" * row["running"] + "next" * row["default"]
        has = {entry["image"]: entry["shown"] for entry in row["images"]}
        expected.append([f"{row['number']} {marks}".strip(), has["gdb"], has["htop"]])
    assert shown[2:] == expected
    assert f"An update to {site.json('status')['refused']['system']} is refused" in browser.text("#state")
    assert "Next step:" in browser.text("#state")


def test_a_source_that_is_away_and_progress_of_what_runs(used: Site, browser: Browser) -> None:
    """A failing source is told with its next step; a job that another one began is followed to its end."""
    assert used.web is not None
    with served(used.lab) as address:
        browser.open(address, "sources")
        assert browser.text(".panel .badge") == "ok"
        assert used.web.key.fingerprint in browser.text(".panel")
        listed = used.web.repository.folder / "SHA256SUMS"
        listed.rename(listed.with_name("away"))
        browser.press("Check now")
        browser.outcome("Asking the sources")
        assert browser.text(".panel .badge") == "fails"
        listed.with_name("away").rename(listed)
        browser.press("Check now")
        browser.until(lambda: browser.text(".panel .badge") == "ok")
        browser.settled()

        used.publish("gdb", "15.5", OLD, size_mib=3)
        used.web.server.fail("gdb-15.5.*raw", Trickle(bytes_per_second=1 << 20))
        with subprocess.Popen(used.lab.enter_command(["tukit-sysext", "update"]), stdout=subprocess.DEVNULL) as update:
            said = browser.until(lambda: (text := browser.text("#job")).count("MiB") and text)
            assert update.wait(60) == 0
        assert said.startswith("tukit-sysext update runs") and "of 1 file" in said
        browser.settled()


def test_who_has_no_administrative_access_reads(used: Site, browser: Browser) -> None:
    """bob sees the running system, and what is on offer; nothing can be changed, and what is tried is denied."""
    with served(used.lab, "bob") as address:
        browser.open(address)
        assert "Administrative access is needed" in browser.text("#view")
        assert [row[0] for row in matrix(browser)] == ["Snapshot", "refused", "running"]
        browser.view("Images")
        assert images(browser)["gdb"][2] == "required"
        assert browser.run("return [...document.querySelectorAll('#view button')].every(each => each.disabled)")
        browser.view("Store")
        assert "Administrative access is needed" in browser.text("#view")
        assert "This needs administrative access" in told_by(browser, "change", "hold", "gdb")
        assert "--no-such-image" in told_by(browser, "ask", "why-not", "--no-such-image")
        browser.gain_access(PASSWORD)
        browser.until(lambda: "not in the sudoers file" in browser.text() or "Problem becoming" in browser.text())
    assert "Hold=" not in used.lab.path("/etc/tukit-sysext/images.d/gdb.conf").read_text()


def told_by(browser: Browser, function: str, command: str, name: str) -> str:
    """What comes of a command that the page itself would not run."""
    script = (
        "const [how, command, name, done] = arguments;"
        "import('./program.js').then(program => program[how](command, {}, [name]))"
        ".then(() => done('it was done'), error => done(error.message))"
    )
    return str(browser.driver.execute_async_script(script, function, command, name))


def test_access_is_gained_in_the_shell(used: Site, browser: Browser) -> None:
    """anna becomes administrator in the shell's dialog, and the page shows all without being asked to."""
    with served(used.lab, "anna") as address:
        browser.open(address)
        assert [row[0] for row in matrix(browser)] == ["Snapshot", "refused", "running"]
        browser.gain_access(PASSWORD)
        browser.until(browser.enter)
        browser.until(lambda: len(matrix(browser)) > 3)
        browser.view("Images")
        browser.press("Hold gdb")
        browser.press("Hold", "dialog")
        assert "finished" in browser.outcome("Holding gdb")
        browser.press("Release gdb")
        assert "finished" in browser.outcome("Releasing gdb")


def test_names_of_others_are_text(used: Site, browser: Browser) -> None:
    """What a publisher, a snapshot or a folder is called is shown as it is written, and does nothing."""
    used.lab.run(["snapper", "--no-dbus", "create", "--description", MARKUP, "--read-write"])
    used.lab.path(f"/etc/extensions/{MARKUP}").mkdir()
    (used.images / f"gdb-{MARKUP.replace('/', '')}.raw").write_bytes(b"")
    used.list_images()
    with served(used.lab) as address:
        browser.open(address)
        assert MARKUP in matrix(browser)[0]
        titles = browser.run("return [...document.querySelectorAll('.matrix th')].map(each => each.title)")
        assert MARKUP in titles
        browser.view("Images")
        for view in ("Sources", "Store"):
            browser.view(view)
        assert browser.run("return document.querySelector('img') === null && document.title") == "Extension Images"
    used.lab.path(f"/etc/extensions/{MARKUP}").rmdir()


def test_bad_files_and_a_program_that_fails(used: Site, browser: Browser) -> None:
    """What is wrong in a file is said on every view; a program that says nothing leaves no empty page."""
    used.write("/etc/tukit-sysext/images.d/bad.conf", "[Image]\nPolicy=perhaps\n")
    used.write("/etc/tukit-sysext/sources.d/bad.conf", "[Source]\nURL=ftp://nowhere/\n")
    with served(used.lab) as address:
        browser.open(address, "sources")
        assert "Policy" in browser.text("#state") and "ftp" in browser.text("#state") + browser.text("#view")
        used.lab.run(["mount", "--bind", "/usr/bin/false", "/usr/bin/tukit-sysext"])
        try:
            for view in ("Snapshots", "Images", "Sources", "Store"):
                browser.view(view)
                assert "failed" in browser.text("#view"), view
            assert "The state of the images is not known" in browser.text("#state")
        finally:
            used.lab.run(["umount", "/usr/bin/tukit-sysext"])
        browser.press("Reload")
        browser.until(lambda: "failed" not in browser.text("#view"))
        browser.settled()
    used.lab.run(["rm", "/etc/tukit-sysext/images.d/bad.conf", "/etc/tukit-sysext/sources.d/bad.conf"])


def test_a_narrow_screen_and_the_keyboard(used: Site, browser: Browser, tmp_path: Path) -> None:
    """Nothing is wider than a telephone, light or dark; buttons and dialogs are reached by keys alone."""
    with served(used.lab) as address:
        browser.size(360, 740)
        browser.open(address)
        for style in ("dark", "light"):
            browser.style(style)
            dark = browser.run("return document.documentElement.classList.contains('dark')")
            assert dark == (style == "dark")
            for view in ("Snapshots", "Images", "Sources", "Store"):
                browser.view(view)
                assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), view
                browser.shot(tmp_path / f"{view}-{style}.png")
        browser.size(1280, 900)
        browser.view("Images")
        browser.run("document.querySelector('#views button').focus()")
        press_keys(browser, "Remove gdb")
        assert "Remove gdb?" in browser.text("dialog")
        browser.driver.switch_to.active_element.send_keys("\ue00c")  # Escape
        browser.until(lambda: browser.run("return document.querySelector('dialog') === null"))
        assert "gdb.raw" in used.links()


def press_keys(browser: Browser, label: str) -> None:
    """Tab to a button, and press it with Enter."""
    for _ in range(60):
        browser.driver.switch_to.active_element.send_keys("\ue004")
        if browser.driver.switch_to.active_element.get_attribute("aria-label") == label:
            browser.driver.switch_to.active_element.send_keys("\ue007")
            return
    raise AssertionError(f"{label} is not reached with the Tab key")


@pytest.mark.long
def test_forty_images_in_sixty_snapshots(used: Site, browser: Browser, tmp_path: Path) -> None:
    """As quick as three images in two, and the matrix is scrolled in its own frame."""
    names = [f"image-{number:02}" for number in range(40)]
    for name in names:
        used.publish(name, "1.0", OLD)
    used.command("install", "--optional", *names)
    for number in range(60 - len(used.numbers())):
        if number % 20 == 10:
            used.publish(names[number % 40], "1.1", OLD)
            used.command("update", names[number % 40])
        used.lab.run(["snapper", "--no-dbus", "create", "--description", f"number {number}"])
    with served(used.lab) as address:
        for width, style in ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")):
            browser.size(width, 900)
            browser.open(address) if (width, style) == (1280, "light") else browser.style(style)
            for view in ("Snapshots", "Images", "Sources", "Store"):
                browser.view(view)
                assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), view
                browser.shot(tmp_path / f"{view}-{width}-{style}.png")
        browser.size(1280, 900)
        browser.view("Snapshots")
        shown = matrix(browser)
        assert len(shown) >= 61 and set(names) <= set(shown[0])
        browser.one("input[type=search]").send_keys("image-1")
        assert [name for name in matrix(browser)[0] if name != "Snapshot"] == names[10:20]
