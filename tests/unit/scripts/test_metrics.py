"""The page of metrics is what the catalogue says."""

from chalicelib.telemetry.catalogue import METRICS
from scripts import metrics


def test_the_page_is_up_to_date():
    assert metrics.main(["--check"]) == 0


def test_a_page_that_differs_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(metrics, "PAGE", tmp_path / "metrics.md")
    assert metrics.main(["--check"]) == 1
    assert "python -m scripts.metrics" in capsys.readouterr().err
    assert metrics.main([]) == 0
    assert metrics.main(["--check"]) == 0


def test_every_metric_has_a_row():
    rows = [line for line in metrics.render().splitlines() if line.startswith("| `")]
    assert {metric.name for metric in METRICS} <= {row.split("`")[1] for row in rows}
