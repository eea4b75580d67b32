"""A page in a real browser: headless Chromium, driven by Selenium, with axe-core's rules for accessibility.

It reaches files and this machine alone, plays sounds without a hand that allows it, and keeps what the page wrote to
the console and what it asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["AXE_TAGS", "Accessibility", "Browser", "BrowserError", "why_no_browser"]

AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

_PROGRAMS = ("chromium", "chromedriver")
_PACKAGES = ("selenium", "selenium_axe_python")
_PATIENCE = 20.0
"""Seconds that something on a page may take on a machine that does other things as well."""

_SWITCHES = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--lang=en-GB",
    # No name is looked up, and nothing of the browser's own is fetched.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Accessibility:
    """What axe-core found.

    Attributes
    ----------
    faults : list of str
        Rule, element and reason, for each element that breaks a rule.
    passed : set of str
        The rules that something on the page was held against and passed.
    """

    faults: list[str]
    passed: set[str]


class BrowserError(AssertionError):
    """A page did not come to what was waited for."""


def why_no_browser() -> str | None:
    """Say what is missing and how to get it, or None where a browser can be started."""
    programs = [name for name in _PROGRAMS if shutil.which(name) is None]
    if programs:
        return f"no {' and no '.join(programs)} on the PATH; on Debian: apt-get install chromium chromium-driver"
    packages = [name for name in _PACKAGES if find_spec(name) is None]
    if packages:
        return f"no Python package {', '.join(packages)}; pip install -e .[dev]"
    return None


class Browser:
    """One headless Chromium; use it in a ``with`` statement.

    Parameters
    ----------
    profile : Path
        An empty folder for all that it writes.
    """

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for switch in (*_SWITCHES, f"--user-data-dir={profile / 'profile'}"):
            options.add_argument(switch)
        if os.geteuid() == 0:  # Chromium's sandbox refuses root, who needs none for pages of our own
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(str(shutil.which("chromedriver")), log_output=str(profile / "driver.log"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_script_timeout(_PATIENCE * 3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.quit()

    def open(self, page: Path, *, fragment: str = "", width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a page anew, and wait for its load event.

        Parameters
        ----------
        page : Path
            A file.
        fragment : str
            What follows ``#`` in its address.
        width, height : int
            Of the window, in pixels of CSS.
        dark : bool
            Whether the reader prefers dark colours; light ones otherwise.
        """
        self.driver.get("about:blank")  # the same page again, at another fragment, would not be loaded again
        self.complaints()
        self.requested()
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}  # scrolling jumps, so that nothing waits for it
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, still]})
        self.driver.get(page.resolve().as_uri() + (f"#{fragment}" if fragment else ""))

    def js(self, code: str, *given: Any) -> Any:
        """Give what an expression is on the page; it knows `given` as ``given[0]``, ``given[1]`` and so on."""
        return self.driver.execute_script(f"const given = arguments; return ({code});", *given)

    def until(self, code: str, *given: Any) -> Any:
        """Wait until an expression is true on the page, and give what it is.

        Raises
        ------
        BrowserError
            It does not come true; the message names it.
        """
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if found := self.js(code, *given):
                return found
            time.sleep(0.02)
        raise BrowserError(f"this did not come true within {_PATIENCE:g} s: {code} with {given}")

    def click(self, selector: str) -> None:
        """Click the first element of a selector as a reader would: it has to be seen and not covered."""
        element = self.driver.find_element("css selector", selector)
        self.js("given[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, where the focus is; special ones as `selenium.webdriver.Keys` has them."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def clipboard(self) -> str:
        """Give the text on the clipboard."""
        self.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
        read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(`${error}`));"
        return str(self.driver.execute_async_script(read))

    def complaints(self) -> list[str]:
        """Give the errors and warnings that the console has got since this was last asked."""
        return [
            str(entry["message"]) for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
        ]

    def requested(self) -> list[str]:
        """Give the addresses of all that was asked for since this was last asked, the page itself included.

        `performance.getEntriesByType("resource")` of a page has nothing of a ``file:`` address. What an address of
        ``data:`` holds is in the page already, or is an icon of the browser's own.
        """
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("data:")]

    def axe(self, tags: Sequence[str] = AXE_TAGS) -> Accessibility:
        """Hold the page as it stands against axe-core's rules."""
        from selenium_axe_python import Axe

        Axe(self.driver).inject()
        # Without `preload: false` axe waits ten seconds for sounds, which load nothing before they are played; with
        # `resultTypes` it describes the elements that break a rule alone, which takes most of its time.
        options = {"preload": False, "resultTypes": ["violations"], "runOnly": {"type": "tag", "values": list(tags)}}
        run = "const [options, done] = arguments; axe.run(options).then(done, (error) => done({ error: `${error}` }));"
        found = self.driver.execute_async_script(run, options)
        if "error" in found:
            raise BrowserError(f"axe-core could not look at the page: {found['error']}")
        faults = [
            f"{rule['id']}: {' '.join(map(str, node['target']))}: {' '.join(node['failureSummary'].split())}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        return Accessibility(faults, {rule["id"] for rule in found["passes"]})
