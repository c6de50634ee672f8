"""The page: well formed, complete in one file, and safe whatever names come in."""

import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from onebasin.report import write_report
from onebasin.report.findings import Findings
from onebasin.report.page import page
from onebasin.report.summary import summary
from onebasin.run.run_directory import RunDirectory
from onebasin.store import StoreError

pytestmark = pytest.mark.slow  # whole runs are made for these tests

VOID = {"meta", "link", "img", "source", "br", "hr", "input"}
RESOURCES = {"src", "srcset", "href", "data", "action", "poster", "background"}
CHROMIUM = shutil.which("chromium")


class Reader(HTMLParser):
    """Checks that tags close in order, and collects attributes, ids and text by tag."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def values(self, *names: str) -> list[str]:
        return [value for _, name, value in self.attributes if name in names]


def test_every_tag_is_closed_in_order_and_every_id_is_unique(report) -> None:
    ids = Reader(report.html).values("id")
    assert len(ids) == len(set(ids))


def test_links_lead_to_places_on_the_page(report) -> None:
    reader = Reader(report.html)
    links = reader.values("href")
    assert links
    assert {link.removeprefix("#") for link in links} <= set(reader.values("id"))


def test_the_page_needs_nothing_from_outside(report) -> None:
    reader = Reader(report.html)
    resources = [value for _, name, value in reader.attributes if name in RESOURCES]
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in resources)
    assert not {"script", "link", "iframe", "object", "embed"} & set(reader.tags)
    style = "".join(reader.text["style"])
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_is_plain_ascii_and_names_no_folder_of_this_machine(report) -> None:
    assert report.page.read_bytes().isascii()
    assert str(report.run.path) not in report.html


def test_every_figure_is_described_and_explained(report) -> None:
    reader = Reader(report.html)
    count = len(list((report.run.path / "figures").iterdir()))
    assert len([alt for alt in reader.values("alt") if len(alt) > 40]) == count
    for start in ("What it shows.", "How to read it.", "When it misleads."):
        assert reader.text["strong"].count(start) == count


def test_the_page_is_made_for_phones_dark_screens_and_paper(digits) -> None:
    assert "width=device-width" in digits.html
    assert "prefers-color-scheme: dark" in digits.html
    assert "@media print" in digits.html


def test_the_page_names_the_data_and_the_network(digits, diabetes) -> None:
    assert Reader(digits.html).text["h1"] == ["digits, 64-12-10 relu network"]
    assert Reader(diabetes.html).text["h1"] == ["diabetes, 10-12-1 relu network"]


def test_what_comes_from_files_is_escaped(changed_digits) -> None:
    evil = "<script>alert('&\"')</script>"
    report = changed_digits(
        config={"data": {"target": evil}},
        versions={"jax": evil},
        align={"alignment": {"matching": evil}},
    )
    html = page(Findings(report.run, report.setup), [])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 3


def test_a_data_set_from_a_file_is_named_without_its_folder(digits) -> None:
    config = digits.setup.config
    data = config.data.model_copy(update={"name": "/some/place/my<b>.csv"})
    setup = digits.setup._replace(config=config.model_copy(update={"data": data}))
    html = page(Findings(digits.run, setup), [])
    assert Reader(html).text["title"][0].startswith("onebasin: my<b>.csv, ")
    assert "/some/place" not in Reader(html).text["h1"][0]


def test_a_report_needs_every_step(digits, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", digits.run.config)
    with pytest.raises(StoreError, match=r"for which sample, align, .* is not done"):
        write_report(run, digits.setup)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_on_the_page_is_wider_than_the_screen(report, width: int, tmp_path: Path) -> None:
    # A window is never narrower than 500 pixels; a frame is.
    wrapper = f"""<title></title><iframe style="width: {width}px; border: 0"
      srcdoc="{escape(report.html)}"></iframe><script>
      document.querySelector("iframe").onload = event => {{
        const root = event.target.contentDocument.documentElement;
        document.title = [root.clientWidth, root.scrollWidth, root.scrollHeight].join(" ");
      }};
    </script>"""
    file = tmp_path / "wrapper.html"
    file.write_text(wrapper)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"]
    place = [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,900", file.as_uri()]
    dom = subprocess.run(
        [str(CHROMIUM), *options, *place], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    found = re.search(r"<title>(\d+) (\d+) (\d+)</title>", dom)
    assert found
    client, scroll, height = map(int, found.groups())
    assert client == width
    assert scroll <= width
    assert height > 3000


def test_the_summary_says_what_a_table_was_taken_for(diabetes, tmp_path):
    names = tuple(f"input {i}" for i in range(10))
    data = {"target_name": "goal", "feature_names": names, "notes": ("Commas were guessed.",)}
    changed = diabetes.changed(tmp_path / "run", {"sample": {"data": data}})
    texts = {remark.topic: remark.text for remark in summary(changed.findings)}
    assert texts["Data"].startswith("The task is the regression of the column goal. The 10 inputs")
    assert texts["Data"].endswith("input 8 and input 9. Commas were guessed.")
    assert "Data" not in {remark.topic for remark in summary(diabetes.findings)}
