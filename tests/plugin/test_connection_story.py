"""A user names a server and tries it."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.misbehaving import Fake, misbehaving
from tests.slicer_host.acting import measured_gaps, picture, press, settle, write
from tests.slicer_host.window import Host
from VerisimLib.client import Address, Client, Wires
from VerisimLib.panels import connection
from VerisimLib.problems import Problem
from VerisimLib.server import Server


@pytest.fixture(scope="module")
def one() -> Iterator[Fake]:
    with misbehaving() as fake:
        yield fake


@pytest.fixture
def server(one: Fake) -> Fake:
    one.behave(silent={"/info/": 0.2})
    return one


@pytest.fixture(autouse=True)
def _no_key_of_before() -> None:
    connection._typed.clear()


@pytest.fixture
def panel(host: Host) -> object:
    return host.load(MODULES / "VerisimSegment.py").panel


@pytest.fixture
def box(panel: object) -> object:
    return panel.connection


def tried(box: object, address: str) -> str:
    """What the box says about an address."""
    box.ui.address.text = address
    press(box.ui.testButton)
    settle(lambda: box.ui.testButton.enabled, 20)
    return str(box.ui.status.text)


def test_a_typed_address_is_tried_and_remembered(
    host: Host, box: object, server: Fake, pictures: Path
) -> None:
    write(box.ui.address, f" {server.address}/ ")
    settle(lambda: box.ui.testButton.enabled)
    assert box.ui.status.text == "Connected to Verisim 0.1.0: 1 models."
    assert box.ui.recentServers.itemText(0) == server.address
    assert slicer.app.userSettings().value("Verisim/servers").count(server.address) == 1
    picture(host.window, pictures / "connected.png")


def test_the_key_is_sent_and_kept_out_of_the_scene(
    box: object, server: Fake, tmp_path: Path
) -> None:
    server.behave(key="open-sesame")
    said = tried(box, server.address)
    assert said == "The server does not let you in. Enter the key that its admin gave you."
    box.ui.apiKey.text = "open-sesame"
    assert tried(box, server.address).startswith("Connected")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrml"), {})
    assert "open-sesame" not in (tmp_path / "scene.mrml").read_text()
    assert "open-sesame" not in settings_text()


def settings_text() -> str:
    """The file of the settings."""
    settings = slicer.app.userSettings()
    settings.sync()
    return Path(settings.fileName()).read_text()


def test_a_key_is_kept_only_while_the_person_wants_it(box: object, server: Fake) -> None:
    server.behave(key="open-sesame")
    box.ui.apiKey.text = "open-sesame"
    assert not box.ui.rememberKey.checked
    box.ui.rememberKey.checked = True
    assert tried(box, server.address).startswith("Connected")
    assert "open-sesame" in settings_text()
    path = Path(slicer.app.userSettings().fileName())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    box.ui.rememberKey.checked = False
    assert tried(box, server.address).startswith("Connected")
    assert "open-sesame" not in settings_text()


def test_a_kept_key_comes_back_when_slicer_starts_again(host: Host, server: Fake) -> None:
    box = host.load(MODULES / "VerisimSegment.py").panel.connection
    box.ui.apiKey.text, box.ui.rememberKey.checked = "open-sesame", True
    tried(box, server.address)
    host.close()
    connection._typed.clear()
    again = host.load(MODULES / "VerisimAudit.py").panel.connection
    assert (again.ui.apiKey.text, again.ui.rememberKey.checked) == ("open-sesame", True)


def test_a_key_that_is_not_kept_serves_the_other_panels_until_slicer_ends(
    host: Host, server: Fake
) -> None:
    box = host.load(MODULES / "VerisimSegment.py").panel.connection
    box.ui.apiKey.text = "open-sesame"
    tried(box, server.address)
    host.close()
    again = host.load(MODULES / "VerisimAudit.py").panel.connection
    assert (again.ui.apiKey.text, again.ui.rememberKey.checked) == ("open-sesame", False)
    host.close()
    connection._typed.clear()
    last = host.load(MODULES / "VerisimAudit.py").panel.connection
    assert last.ui.apiKey.text == ""


def test_a_server_of_earlier_is_chosen_with_its_key(box: object, server: Fake) -> None:
    box.ui.apiKey.text = "open-sesame"
    tried(box, server.address)
    other = server.address.replace("127.0.0.1", "localhost")
    box.ui.apiKey.text = ""
    tried(box, other)
    assert box.ui.address.text == other
    box.ui.recentServers.setCurrentIndex(1)
    box.ui.recentServers.activated.emit(1)
    assert (box.ui.address.text, box.ui.apiKey.text) == (server.address, "open-sesame")


def test_the_panel_never_stands_still_while_the_server_thinks(box: object, server: Fake) -> None:
    server.behave(silent={"/info/": 1.0})
    with measured_gaps() as gaps:
        tried(box, server.address)
    assert gaps.longest_ms < 50


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:9", "Nothing listens at 127.0.0.1:9. Start the server"),
        ("http://nobody.invalid:8000", "No machine is called nobody.invalid. Check the name"),
        ("http://", "is no address of a server. Write one such as"),
        ("ftp://127.0.0.1", "is no address of a server."),
        ("http://127.0.0.1:no", "is no address of a server."),
    ],
)
def test_an_address_that_leads_nowhere_is_a_sentence(box: object, address: str, said: str) -> None:
    assert said in tried(box, address)


PLAIN = {"name": "MONAILabel - Radiology", "version": "0.8", "models": {}}


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"refuse": {"/info/": (500, {}, {})}}, "The server failed (status 500). Try again"),
        ({"refuse": {"/info/": (404, {}, {})}}, "does not know this request. Check the address"),
        ({"refuse": {"/info/": (503, {"Retry-After": "9"}, {})}}, "busy. Try again in 9 s."),
        ({"info": {"name": "Verisim", "version": "9.1", "models": {}}}, "of the same version."),
        ({"info": {"hello": "world"}}, "not as a MONAI Label server does. Check the address"),
        ({"info": PLAIN}, "a plain MONAI Label server with 0 models: it can segment"),
        ({"cut": ["/info/"]}, "ended before all had come. Try again"),
    ],
)
def test_an_odd_server_is_a_sentence(
    box: object, server: Fake, behaviour: dict[str, object], said: str
) -> None:
    server.behave(**behaviour)
    assert said in tried(box, server.address)


def test_a_server_that_never_answers_is_given_up(panel: object, server: Fake) -> None:
    server.behave(silent={"/info/": 30})
    panel._reach = lambda address, job: Server(Client(address, seconds=0.5))
    assert "did not answer within 0.5 s. Check the network" in tried(
        panel.connection, server.address
    )


def test_https_where_there_is_none_is_a_sentence(box: object, server: Fake) -> None:
    said = tried(box, server.address.replace("http:", "https:"))
    assert "does not speak https. Write http:// instead." in said


def test_closing_while_the_server_thinks_leaves_nothing(
    host: Host, box: object, server: Fake
) -> None:
    server.behave(silent={"/info/": 30})
    box.ui.address.text = server.address
    press(box.ui.testButton)
    host.close()


def test_a_connection_that_opens_after_the_cut_is_broken_too(server: Fake) -> None:
    server.behave(silent={"/info/": 30})
    wires = Wires()
    wires.cut()
    begun = time.monotonic()
    with pytest.raises(Problem):
        Server(Client(Address(server.address), wires=wires)).info()
    assert time.monotonic() - begun < 10


def test_an_empty_address_is_asked_for(box: object) -> None:
    box.ui.address.text = "  "
    press(box.ui.testButton)
    assert "Name a server" in box.ui.status.text


def test_an_address_with_a_key_is_not_shown_by_python() -> None:
    assert "sesame" not in repr(Address("http://a", "sesame"))
