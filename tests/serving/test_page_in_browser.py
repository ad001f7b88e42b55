"""The page in a real browser: Chromium, if it is installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.serving import ServeSettings, create_app
from shortlist.state import open_state

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, ViewportSize, expect

pytestmark = pytest.mark.integration

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]

KEY = "a-key-of-the-tests-long-enough"
PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page; whatever it complains of fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    yield page
    page.close()
    assert not complaints


@pytest.fixture(scope="module")
def address(shop_bundle: Path, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a shop that keeps events."""
    state = open_state(str(tmp_path_factory.mktemp("page") / "state"))
    with serve(create_app(Recommender.load(shop_bundle, state=state))) as client:
        yield str(client.base_url)
    state.close()


def titles(page: Page) -> list[str]:
    return page.locator("#list > li .title").all_text_contents()


def ids(page: Page) -> list[str]:
    found: list[str] = page.locator("#list > li").evaluate_all("rows => rows.map(row => row.dataset.id)")
    return found


def settled(page: Page) -> None:
    expect(page.locator("#list")).not_to_have_attribute("aria-busy", "true")


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    page.wait_for_selector("#list > li")
    return page


def test_a_user_has_a_history_and_a_list(page: Page, address: str) -> None:
    opened(page, address).get_by_label("User").fill("117")
    page.get_by_role("button", name="Show", exact=True).click()
    answer = httpx.post(f"{address}/v1/recommend", json={"user_id": 117}, trust_env=False).json()
    expect(page.locator("#list > li").first).to_have_attribute("data-id", answer["items"][0]["item_id"])
    expect(page.locator("#history li").first).to_contain_text("Good no.")
    settled(page)

    assert ids(page) == [item["item_id"] for item in answer["items"]]
    assert page.locator("#history time").count() == 12
    assert "Graz" in page.locator("#features").inner_text()
    assert "ranking" in page.locator("#timings").inner_text()


def test_what_is_clicked_is_gone_from_the_list_and_in_the_history(page: Page, address: str) -> None:
    opened(page, address).get_by_role("button", name="New visitor").click()
    expect(page.locator("#known")).to_contain_text("A new visitor")
    settled(page)
    item = ids(page)[1]
    page.locator("#list > li").nth(1).get_by_role("button", name="view").click()
    expect(page.locator("#change")).to_contain_text("After view of")
    expect(page.locator("#history li")).to_have_count(1)

    assert item not in ids(page)
    assert re.search(r"\d+ new, \d+ moved, [1-9]\d* gone", page.locator("#change").inner_text())
    assert page.locator(".mark", has_text="new").count() >= 1
    assert (
        page.locator("#list > li")
        .nth(1)
        .get_by_role("button", name="view")
        .evaluate("button => button === document.activeElement")
    )


def test_a_choice_writes_its_filter_and_the_list_keeps_to_it(page: Page, address: str) -> None:
    opened(page, address).get_by_label("Only").select_option(label="tea (15)")
    expect(page.locator("#list > li").filter(has_text=re.compile("good-[0-9][13579]"))).to_have_count(0)

    assert len(ids(page)) == 10
    assert page.get_by_label("Filter").input_value() == 'category = "tea"'
    assert page.get_by_label("Filter").get_attribute("aria-invalid") is None


def test_a_wrong_filter_is_explained_at_its_place(page: Page, address: str) -> None:
    opened(page, address).get_by_label("Filter").fill("prize < 3")
    expect(page.locator("#filter-error")).to_contain_text("price")

    assert page.get_by_label("Filter").get_attribute("aria-invalid") == "true"
    page.get_by_label("Filter").fill("price < 3")
    expect(page.locator("#filter-error")).to_have_text("")
    expect(page.locator("#list > li")).to_have_count(2)


def test_reasons_and_similar_items_are_shown_when_asked_for(page: Page, address: str) -> None:
    opened(page, address).get_by_label("Reasons").check()
    page.wait_for_selector(".reasons")
    page.get_by_role("button", name=re.compile("^Similar: ")).first.click()
    page.wait_for_selector("#similar li")

    assert page.locator(".reasons").count() == 10
    assert page.locator("#similar-title").inner_text().startswith("Like Good no.")
    page.keyboard.press("Escape")
    assert not page.locator("#similar").is_visible()


def test_diversity_is_left_to_the_rules_until_somebody_moves_it(page: Page, address: str) -> None:
    with page.expect_request("**/v1/recommend") as first:
        opened(page, address)
    with page.expect_request("**/v1/recommend") as second:
        page.get_by_label("Diversity").fill("0.5")

    assert "diversity" not in (first.value.post_data_json or {"diversity": None})
    assert (second.value.post_data_json or {})["diversity"] == 0.5
    assert page.locator("#diversity-value").inner_text() == "0.5"


def test_an_id_of_the_wrong_kind_is_refused_where_it_is_typed(page: Page, address: str) -> None:
    opened(page, address).get_by_label("User").fill("nobody")
    page.keyboard.press("Enter")

    assert "whole numbers" in page.locator("#user-error").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser: Browser, address: str, scheme: str) -> None:
    page = browser.new_page(viewport=PHONE, color_scheme="dark" if scheme == "dark" else "light")
    opened(page, address).get_by_label("Reasons").check()
    page.wait_for_selector(".reasons")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


def test_the_key_is_asked_for_once(page: Page, shop: Recommender, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    with serve(create_app(shop, ServeSettings(api_key_file=str(tmp_path / "keys")))) as client:
        page.goto(str(client.base_url))
        page.get_by_label("Key", exact=True).fill("a-wrong-key-of-some-length")
        page.get_by_role("button", name="Use it").click()
        page.get_by_text("This key is not known").wait_for()
        page.get_by_label("Key", exact=True).fill(KEY)
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector("#list > li")
        page.reload()
        page.wait_for_selector("#list > li")

        assert not page.locator("#key").is_visible()


def test_without_a_state_the_page_keeps_the_history_itself(page: Page, client: httpx.Client) -> None:
    opened(page, str(client.base_url)).get_by_role("button", name="New visitor").click()
    expect(page.locator("#known")).to_contain_text("A new visitor")
    settled(page)
    item = ids(page)[0]
    page.locator("#list > li").first.get_by_role("button", name="purchase").click()
    expect(page.locator("#change")).to_contain_text("After purchase of")

    assert item not in ids(page)
    assert page.locator("#history li").count() == 1


def test_a_click_log_shows_a_row_to_predict(page: Page, clicks_client: httpx.Client) -> None:
    page.goto(str(clicks_client.base_url))
    page.wait_for_selector("#predictions dd")
    first = page.locator("#predictions").inner_text()
    page.get_by_label("banner").fill("blue" if page.get_by_label("banner").input_value() == "red" else "red")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#predictions")).not_to_have_text(first, use_inner_text=True)

    assert "clicked" in page.locator("#predictions").inner_text()


def test_a_server_that_is_gone_is_said_and_asked_again(page: Page, address: str) -> None:
    opened(page, address)
    page.route("**/v1/recommend", lambda route: route.abort())
    page.get_by_label("Reasons").check()
    page.get_by_text("cannot be reached").wait_for()
    page.unroute("**/v1/recommend")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".reasons")

    assert not page.locator("#failure").is_visible()


def test_titles_are_text(page: Page, address: str) -> None:
    page.route(
        "**/v1/recommend",
        lambda route: route.fulfill(
            json={
                "bundle": {"name": "x", "version": "y"},
                "items": [{"item_id": "<b>", "score": 1.5, "source": "<i>", "title": "<img src=x onerror=alert(1)>"}],
            }
        ),
    )
    opened(page, address)

    assert titles(page)[0].startswith("<img src=x")
    assert page.locator("#list img").count() == 0
