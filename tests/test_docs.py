"""The Python in the pages runs and prints what they say it prints; their links lead somewhere."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch

import epochal
from epochal.callbacks import EarlyStopping

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def names(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


RUNNABLE = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", RUNNABLE, ids=names(RUNNABLE))
def test_the_python_of_a_page_runs_in_order_and_prints_the_text_below_it(
    page, tmp_path, monkeypatch
):
    """Blocks share one namespace; a `text` block is what the block before it prints."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    namespace = {"__name__": "page"}
    printed = ""
    for match in BLOCK.finditer(text):
        language, body = match.groups()
        if language == "python":
            # Errors then point into the page itself.
            line = text.count("\n", 0, match.start(2))
            code = compile("\n" * line + body, str(page), "exec")
            with redirect_stdout(StringIO()) as stream:
                exec(code, namespace)
            printed = stream.getvalue()
        elif language == "text":
            assert printed.strip() == body.strip()


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_the_links_of_a_page_lead_to_files_that_exist(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_picture_in_the_readme_is_small_enough_to_load_at_once():
    assert 10_000 < (ROOT / "docs" / "images" / "demo.png").stat().st_size < 100_000


def test_the_recipes_of_contributing_work_together_in_a_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipes = {"__name__": "recipes"}
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for language, body in BLOCK.findall(text):
        if language == "python":
            exec(body, recipes)
    model = epochal.Sequential([recipes["Scale"](2.0, input_dim=3), epochal.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[recipes["LargestError"]()])
    x = torch.rand(40, 3)
    history = model.fit(
        *(x, x.sum(dim=1, keepdim=True)),
        validation_split=0.25,
        epochs=3,
        callbacks=[recipes["Gap"](), EarlyStopping(monitor="gap", mode="min", patience=9)],
        verbose=0,
    )
    assert list(history.history) == [
        "loss",
        "largest_error",
        "val_loss",
        "val_largest_error",
        "gap",
    ]
    assert model.evaluate(x, x.sum(dim=1, keepdim=True), batch_size=7, verbose=0)[1] == (
        pytest.approx(abs(model.predict(x, verbose=0)[:, 0] - x.sum(dim=1).numpy()).max(), rel=1e-5)
    )
    assert model.layers[0].get_config()["initial"] == 2.0
