"""The report of a finished study, as a browser shows it."""

import re
import shutil
import subprocess

import pages
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Run in the page after loading, 420 pixels wide: how many pictures are shown with type that can be read, what
# is under the middle of the first value that one tells, and whether a click makes a picture larger.
PROBE = """<script>
window.addEventListener("load", () => {
  const pictures = [...document.querySelectorAll(".picture svg")];
  const readable = pictures.filter(svg => {
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    return box.height > 20 && 7 * scale >= 9 && svg.querySelectorAll("text").length > 0;
  });
  const told = document.querySelector(".picture title").parentNode;
  told.scrollIntoView({block: "center", inline: "center"});
  const box = told.getBoundingClientRect();
  const under = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const before = pictures[0].getBoundingClientRect().width;
  pictures[0].parentNode.click();
  const after = pictures[0].getBoundingClientRect().width;
  document.title = "pictures:" + pictures.length + " readable:" + readable.length +
    " told:" + (under === told) + " larger:" + (after > before);
});
</script></body>"""


def test_the_report_tells_the_story_in_order(finished):
    text = (finished.path / "results/report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "In short",
        "Models and tasks",
        "Do tasks of one domain share units?",
        "What breaks when a circuit is silenced?",
        "Evidence",
        "Functional localizers",
        "Behind this report",
        "Glossary",
    ]
    # Every link leads to a file beside the page, or to a place in it.
    for href in re.findall(r'\shref="([^"]+)"', text):
        if href.startswith("#"):
            assert f'id="{href[1:]}"' in text, href
        elif not href.startswith("data:"):
            assert (finished.path / "results" / href).is_file(), href
    figures = {path.stem for path in (finished.path / "results/figures").glob("*.svg")}
    shown = {source.removesuffix(".csv") for source in re.findall(r'"figures/(\S+?\.csv)', text)}
    # One model has no agreement with others to show, one network no overlap, one task no pair in its domain.
    left_out = {"consistency_overlap.neurons", "consistency_ablation.neurons", "localizer_overlap"}
    left_out.add("confounds.neurons")
    assert figures - shown == left_out


def test_methods_and_tables_are_written(finished):
    results = finished.path / "results"
    assert "`models.tiny.filter` | aligned" in (results / "methods.md").read_text()
    assert "@article{hubert1985comparing" in (results / "methods.bib").read_text()
    for name in ("modularity", "domain_modularity", "threshold_robustness", "confounds"):
        assert "| tiny |" in (results / f"statistics/tables/{name}.md").read_text()
        assert r"\toprule" in (results / f"statistics/tables/{name}.tex").read_text()


@pytest.mark.slow
def test_a_browser_renders_every_figure_without_an_error(finished, tmp_path):
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    text = (finished.path / "results/report.html").read_text(encoding="utf-8")
    # The page allows no script; the probe is one. Closed details hide pictures: open them.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    page = tmp_path / "report.html"
    page.write_text(text.replace("<details", "<details open").replace("</body>", PROBE))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--window-size=420,800"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    title = re.search(r"pictures:(\d+) readable:(\d+) told:(\w+) larger:(\w+)", done.stdout)
    assert int(title[1]) == int(title[2]) == text.count("<svg ") > 10
    assert (title[3], title[4]) == ("true", "true")
    # And as it is, with its policy: nothing is refused.
    original = finished.path / "results/report.html"
    done = subprocess.run(
        [*command, original.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "CONSOLE" not in done.stderr, done.stderr


def test_every_column_of_the_results_is_explained(root, finished):
    assert pages.unexplained(finished.path / "results", root / "docs") == []
