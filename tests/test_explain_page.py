"""The page of an explanation in a real browser: three stages, the keyboard, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAM, Browser

import backprop_ext as bx
from backprop_ext import explain

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> str:
    x, y = bx.tensor([2.0, 3.0, 1.0]), bx.tensor(3.0)
    w = bx.tensor([1.0, 1.0, 2.0], requires_grad=True)
    with explain.record():
        y_hat = w @ x
        loss = (y_hat - y) ** 2
    path = explain(loss).save(tmp_path_factory.mktemp("page") / "lecture.html")
    return path.as_uri()


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> str:
    block = lambda: bx.nn.Sequential(bx.nn.Linear(4, 4), bx.nn.Tanh())  # noqa: E731
    model = bx.nn.Sequential(*[block() for _ in range(25)])
    page = explain(model, bx.ones(2, 4)).save(tmp_path_factory.mktemp("page") / "deep.html")
    return page.as_uri()


def details(browser: Browser) -> str:
    return str(browser.run("document.getElementById('details').innerText"))


def status(browser: Browser) -> str:
    return str(browser.run("document.getElementById('status').innerText"))


def now(browser: Browser) -> str:
    """The name under the symbol of the current step."""
    script = "document.querySelector('#graph > :not([hidden]) .now[tabindex] .name').textContent"
    return str(browser.run(script))


def test_the_page_stands_alone_and_runs_without_an_error(browser: Browser, lecture: str) -> None:
    browser.requests.clear()
    browser.open(lecture)
    assert browser.failures == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert browser.run("document.documentElement.lang") == "en"


def test_the_three_stages_by_keyboard(browser: Browser, lecture: str) -> None:
    browser.open(lecture)
    assert status(browser) == "Forward pass, 1 of 6"
    seen = [now(browser)]
    for _ in range(5):
        browser.press("ArrowRight")
        seen.append(now(browser))
    assert seen == ["w", "x", "y_hat", "y", "v1", "loss"]
    assert "loss = v1 ^ 16" not in details(browser)
    assert "= 16" in details(browser)
    assert "loss = (y_hat - y) ** 2" in details(browser)
    browser.press("2")
    browser.press("End")
    assert status(browser) == "Local gradients, 3 of 3"
    assert "∂loss/∂v1 = 8" in details(browser)
    browser.press("3")
    assert status(browser) == "Backward pass, 1 of 4"
    assert "∂L/∂v1 = ∂L/∂loss · ∂loss/∂v1 = 1 · 8 = 8" in details(browser)
    browser.press("End")
    assert now(browser) == "w"
    assert "∂L/∂w = [16, 24, 8]" in details(browser)
    browser.press("ArrowLeft")
    assert now(browser) == "y_hat"
    assert "∂L/∂w = ∂L/∂y_hat · ∂y_hat/∂w = 8 · [2, 3, 1] = [16, 24, 8]" in details(browser)
    browser.press("Home")
    assert now(browser) == "loss"
    assert browser.failures == []


def test_numbers_appear_when_their_step_is_reached(browser: Browser, lecture: str) -> None:
    browser.open(lecture)

    def shown(cls: str) -> list[str]:
        script = f"""[...document.querySelectorAll('#graph > :not([hidden]) text.{cls}')].filter(
            t => getComputedStyle(t).visibility === 'visible').map(t => t.textContent)"""
        return list(browser.run(script))

    assert shown("value") == ["[2, 3, 1]"] or shown("value") == ["[1, 1, 2]"]
    assert shown("gradient") == []
    browser.press("3")
    assert shown("gradient") == ["∂ 1"]
    browser.press("End")
    assert len(shown("gradient")) == 4
    assert len(shown("value")) == 6


def test_tab_reaches_symbols_and_enter_goes_to_them(browser: Browser, lecture: str) -> None:
    browser.open(lecture)
    reached = []
    for _ in range(20):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.getAttribute('aria-label')"))
    assert "y_hat by DotBackward0" in reached
    browser.run("document.querySelector('[aria-label=\"y_hat by DotBackward0\"]').focus()")
    browser.press("Enter")
    assert now(browser) == "y_hat"
    assert browser.run("document.querySelectorAll('[aria-current=step]').length") == 1


def test_buttons_and_the_address_agree(browser: Browser, lecture: str) -> None:
    browser.open(lecture)
    browser.run("document.querySelector('[data-stage=backward]').click()")
    browser.run("document.querySelector('[data-move=next]').click()")
    assert browser.run("location.hash") == "#stage=backward&step=1&view=fits"
    pressed = "document.querySelector('[aria-pressed=true]').dataset.stage"
    assert browser.run(pressed) == "backward"
    browser.open(lecture + "?again#stage=local&step=1")
    assert status(browser) == "Local gradients, 2 of 3"
    browser.open(lecture + "?wrong#stage=nonsense&step=99")
    assert status(browser) == "Forward pass, 6 of 6"


def test_modules_fold_and_unfold_by_keyboard(browser: Browser, deep: str) -> None:
    browser.open(deep)
    groups = "document.querySelectorAll('#graph > :not([hidden]) .group').length"
    assert 0 < browser.run(groups) < 25  # as many as fit are open
    browser.press("Escape")
    assert browser.run(groups) == 25
    browser.run("document.querySelectorAll('#graph > :not([hidden]) .group')[3].focus()")
    browser.press("Enter")
    assert browser.run(groups) == 24
    ops = "document.querySelectorAll('#graph > :not([hidden]) .op').length"
    assert browser.run(ops) == 2
    browser.press("Escape")
    assert browser.run(groups) == 25
    browser.press("End")
    assert now(browser) == "24"  # the folded module that the step lies in
    assert status(browser) == "Forward pass, 101 of 101"
    assert browser.failures == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_readable(browser: Browser, lecture: str, scheme: str) -> None:
    browser.prefer(scheme)
    browser.open(lecture + f"?{scheme}#stage=backward&step=3")
    script = """(() => {
      const parse = c => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const light = c => { const [r, g, b] = parse(c).map(v => (v /= 255) <= 0.03928 ? v / 12.92
        : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05); };
      const paper = getComputedStyle(document.querySelector('.paper')).fill;
      const found = [...document.querySelectorAll('.bx-graph text')].map(
        t => ratio(getComputedStyle(t).fill, paper));
      found.push(ratio(getComputedStyle(document.querySelector('aside')).color,
                       getComputedStyle(document.querySelector('aside')).backgroundColor));
      found.push(ratio(getComputedStyle(document.querySelector('.quiet')).color,
                       getComputedStyle(document.body).backgroundColor));
      return [Math.min(...found), light(paper)];
    })()"""
    contrast, paper = browser.run(script)
    assert contrast >= 4.5  # WCAG AA
    assert (paper > 0.5) == (scheme == "light")
    browser.prefer("light")


def test_a_phone_needs_no_sideways_scroll_of_the_page(browser: Browser, lecture: str) -> None:
    browser.resize(360, 740)
    browser.open(lecture + "?phone")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    top = "document.getElementById('details').getBoundingClientRect().top"
    assert browser.run(top) > browser.run(
        "document.getElementById('graph').getBoundingClientRect().bottom - 1"
    )
    assert len(browser.screenshot()) > 5000
    browser.resize(1200, 800)


def test_names_are_escaped(browser: Browser, tmp_path: Path) -> None:
    w = bx.ones(2, requires_grad=True)
    name = "<b>&\"'</script><script>window.broken = 1</script>"
    page = explain((w * w).sum(), names={name: w}).save(tmp_path / "names.html")
    browser.open(page.as_uri())
    assert browser.run("window.broken === undefined")
    assert name in details(browser)
    assert browser.failures == []
