"""The experiment of the paper, at sizes that take a second."""

import json
import math

import pytest
import torch
from prechelt import experiment, report
from prechelt.nets import OUTPUTS, RUNS, Nets, RandomRprop, mean_errors, squared_error
from prechelt.problems import PROBLEMS, TOPOLOGIES, Group, Problem, groups, read
from prechelt.results import Results
from prechelt.run import main
from prechelt.table import CRITERIA, Row, compare, of_paper, rank_correlation, table
from torch.nn.functional import softsign

import epochal
from epochal.stopping import paper_criteria

HEADER = "bool_in=0\nreal_in=2\nbool_out=1\nreal_out=0\n"
SIZES = "training_examples=12\nvalidation_examples=6\ntest_examples=6\n"


@pytest.fixture
def data(tmp_path):
    """A folder as that of PROBEN1, with one small problem; and a printed table."""
    random = torch.Generator().manual_seed(0)
    folder = tmp_path / "data" / "proben1"
    folder.mkdir(parents=True)
    for permutation in (1, 2, 3):
        x = torch.rand(24, 2, generator=random)
        y = (x.sum(1, keepdim=True) + torch.rand(24, 1, generator=random) > 1.5).float()
        rows = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in torch.cat([x, y], 1).tolist())
        (folder / f"cancer{permutation}.dt").write_text(f"{HEADER}{SIZES}{rows}\n")
    columns = list(Row.__annotations__)
    lines = [f"{name},{','.join(str(i + 1) for _ in columns)}" for i, name in enumerate(CRITERIA)]
    text = "\n".join([f"criterion,{','.join(columns)}", *lines])
    (tmp_path / "data" / "prechelt_table1.csv").write_text(text)
    return tmp_path / "data"


@pytest.fixture
def problem(data):
    return read(data / "proben1", "cancer")


def test_all_runs_are_those_of_the_paper_and_quick_ones_are_a_tenth_with_every_problem():
    assert len(groups()) * 3 * RUNS == report.ALL_RUNS
    quick = groups(quick=True)
    assert len(set(quick)) == 15
    assert {group.problem for group in quick} == set(PROBLEMS)
    assert {group.topology for group in quick} == set(TOPOLOGIES)
    assert set(quick) < set(groups())


def test_a_problem_is_read_with_its_parts_in_their_order_and_permutations_side_by_side(data):
    problem = read(data / "proben1", "cancer")
    parts = (problem.train, problem.validation, problem.test)
    assert [tuple(x.shape) for x, _ in parts] == [(12, 3, 2), (6, 3, 2), (6, 3, 2)]
    line = (data / "proben1" / "cancer2.dt").read_text().splitlines()[7 + 12 + 1]
    row = torch.cat([problem.validation[0][1, 1], problem.validation[1][1, 1]])
    assert row.tolist() == pytest.approx([float(value) for value in line.split()])


@pytest.mark.parametrize("sizes", [(2, 3, 0, 2), (2, 3, 4, 2)])
def test_every_unit_sees_the_inputs_a_bias_and_all_layers_below(sizes):
    nets = Nets("name", 3, sizes)
    x = torch.rand(5, 3, 2)
    outputs = nets(x)
    assert outputs.shape == (5, 3, RUNS, 2)
    layers = len(nets.widths)
    for permutation in range(3):
        for run, kind in enumerate(OUTPUTS):
            weights = [weight[permutation, run] for weight in nets.weights]
            seen = torch.cat([x[:, permutation], torch.ones(5, 1)], dim=1)
            hidden = torch.empty(5, 0)
            for layer in range(layers):
                unit = seen @ weights[layer]
                if layer:
                    unit = unit + hidden @ weights[layers + layer - 1]
                if layer < layers - 1:
                    hidden = torch.cat([hidden, softsign(unit)], dim=1)
            expected = softsign(unit) if kind == "sigmoid" else unit
            torch.testing.assert_close(outputs[:, permutation, run], expected)


def test_weights_and_first_steps_are_in_the_papers_ranges_and_belong_to_the_nets_name():
    nets, same, other = (
        Nets("a", 3, (9, 16, 8, 2)),
        Nets("a", 1, (9, 16, 8, 2)),
        Nets("b", 1, (9, 2, 0, 2)),
    )
    for weight, step in zip(nets.weights, nets.first_steps, strict=True):
        assert -0.5 <= weight.min() < weight.max() <= 0.5
        assert 0.05 <= step.min() < step.max() <= 0.2
    assert torch.equal(nets.weights[0][:1], same.weights[0])
    assert not torch.equal(same.weights[0][..., :2], other.weights[0])


def test_the_first_step_of_every_weight_is_its_own_and_grows_by_a_tenth(problem):
    nets = Nets("name", 3, (2, 3, 0, 1))
    begin = [weight.detach().clone() for weight in nets.weights]
    model = epochal.Model(nets)
    model.compile(RandomRprop(nets.first_steps), squared_error)
    model.fit(*problem.train, batch_size=12, epochs=1, verbose=0)
    for weight, old, step in zip(nets.weights, begin, nets.first_steps, strict=True):
        torch.testing.assert_close((weight - old).abs(), step)
    once = [weight.detach().clone() for weight in nets.weights]
    model.fit(*problem.train, batch_size=12, epochs=1, verbose=0)
    for weight, old, step in zip(nets.weights, once, nets.first_steps, strict=True):
        moved = (weight - old).abs()
        # A gradient that turned leaves its weight where it is.
        torch.testing.assert_close(moved, torch.where(moved > 0, 1.1 * step, 0.0))


def test_a_net_learns_the_same_whatever_the_others_are_given(problem):
    changed = Problem(
        *((x.clone(), y.clone()) for x, y in (problem.train, problem.validation, problem.test))
    )
    changed.train[0][:, 1:] = 0.5
    group = Group("cancer", (2, 0))
    whole, other = (experiment.train(group, given, limit=25) for given in (problem, changed))
    assert whole[0] == other[0]
    assert whole[1] != other[1]


def test_records_hold_what_every_criterion_would_have_done(problem):
    records = experiment.train(Group("cancer", (4, 2)), problem, limit=40)
    assert [record["permutation"] for record in records] == [1, 2, 3]
    for record in records:
        assert (record["problem"], record["topology"]) == ("cancer", "4+2")
        assert [run["outputs"] for run in record["runs"]] == list(OUTPUTS)
        for run in record["runs"]:
            assert set(run["criteria"]) == set(CRITERIA)
            for end in run["criteria"].values():
                assert end["best_after"] % 5 == 0
                assert end["best_after"] <= end["epochs"] <= run["epochs"] <= 40
                assert end["test"] > 0
    assert json.loads(json.dumps(records)) == records


def test_runs_end_where_progress_is_less_than_the_paper_asks_for_and_fit_with_the_last(problem):
    names = ["net0", "net1", "net2"]
    recording = experiment.Recording(names, problem)
    recording.set_model(lambda x: torch.zeros(len(x), 3, 1, 1))
    recording.on_train_begin()
    # Progress of the first strip is large; the first net makes none in the second.
    falls = [10.0 - epoch / 2 for epoch in range(15)]
    stays = falls[:5] + [5.0] * 10
    ended = []
    for epoch in range(10):
        logs = dict(zip(names, (stays[epoch], falls[epoch], falls[epoch]), strict=True))
        recording.on_epoch_end(epoch, logs | {f"val_{name}": 1.0 for name in names})
        ended.append(set(recording.ends))
    assert ended == [set()] * 9 + [{"net0"}]
    assert recording.ends["net0"] == (10, "training progress 0 < 0.1 per thousand")
    assert not recording.model.stop_training
    for epoch in range(10, 15):
        recording.on_epoch_end(epoch, dict.fromkeys([*names, *(f"val_{n}" for n in names)], 1.0))
    assert {end for end, _ in recording.ends.values()} == {10, 15}
    assert recording.model.stop_training


def test_the_names_are_the_papers():
    assert {experiment.name_of(criterion) for criterion in paper_criteria()} == set(CRITERIA)


def test_errors_are_squared_error_percentages_of_each_net():
    y_true = torch.zeros(2, 3, 1)
    y_pred = torch.arange(9.0).view(1, 3, 3, 1).expand(2, 3, 3, 1)
    assert mean_errors(y_true, y_pred).tolist() == [100.0 * i * i for i in range(9)]
    assert squared_error(y_true, y_pred) == 100.0 * sum(i * i for i in range(9))


def end(epochs, best_after=None, validation=1.0, test=1.0):
    return {
        "epochs": epochs,
        "best_after": best_after or epochs,
        "validation": validation,
        "test": test,
        "fired": True,
    }


def test_the_table_has_the_papers_columns():
    criteria = {name: end(20, 10, validation=2.0, test=4.0) for name in CRITERIA}
    criteria["GL2"] = end(40, 20, validation=1.0, test=2.0)
    criteria["PQ3"] = end(80, 20, validation=1.0, test=2.0)
    rows = table([{"criteria": criteria}])
    # The best is GL2: PQ3 finds the same, later.
    assert rows["PQ3"] == Row(2.0, 2.0, 3.0, 1.0, 1.0, 1.0)
    assert rows["UP2"] == Row(0.5, 0.5, 1.0, 2.0, 2.0, 0.0)
    both = table([{"criteria": criteria}, {"criteria": {name: end(40) for name in CRITERIA}}])
    assert both["UP2"] == Row(0.75, 0.75, 0.5, 1.5, 1.5, 0.5)


def test_the_rank_correlation_of_the_papers_table_with_itself_is_one(shared_data):
    paper = of_paper(shared_data / "prechelt_table1.csv")
    assert paper["UP2"].slowness_best == 0.792
    assert all(value == pytest.approx(1) for value in compare(paper, paper).values())
    assert rank_correlation([1, 2, 2, 3], [3, 2, 2, 1]) == pytest.approx(-1)
    assert math.isnan(rank_correlation([1, 2], [3, 3]))


def test_what_is_done_is_kept_also_where_a_kill_cut_a_line(tmp_path):
    def records(*permutations):
        return [
            {
                "problem": "card",
                "permutation": k,
                "topology": "2+2",
                "runs": [{"outputs": "linear"}],
            }
            for k in permutations
        ]

    group, path = Group("card", (2, 2)), tmp_path / "results" / "results.jsonl"
    results = Results(path)
    results.add(records(1, 2))
    assert not Results(path).has(group)
    results.add(records(3))
    assert Results(path).has(group)
    assert len(Results(path).runs([group])) == 3
    assert Results(path).runs([Group("card", (2, 0))]) == []
    path.write_text(path.read_text()[:-5])
    cut = Results(path)
    assert not cut.has(group)
    cut.add(records(3))
    assert Results(path).has(group)


def test_the_report_says_that_it_is_of_few_runs_and_only_writes_what_is_done(
    data, problem, tmp_path, capsys
):
    results = Results(tmp_path / "out" / "results.jsonl")
    record = experiment.train(Group("cancer", (2, 0)), problem, limit=20)
    for group in groups(quick=True):
        results.add([{**r, "problem": group.problem, "topology": group.shape} for r in record])
    arguments = ["--quick", "--data", str(data), "--out", str(tmp_path / "out")]
    main([*arguments, "--report", str(tmp_path)])
    assert "15 of 15 groups of 9 nets are done" in capsys.readouterr().out
    text = (tmp_path / "RESULTS-quick.md").read_text()
    assert "**only 135** of 1,296 runs" in text
    assert "| thyroid | 9 |" in text
    assert (tmp_path / "RESULTS-quick.png").stat().st_size > 10_000


def test_without_the_data_or_without_a_run_it_says_so(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path / "nowhere")])
    assert "--data which folder holds proben1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--report-only", "--data", str(data), "--out", str(tmp_path / "out")])
    assert "has no run yet" in capsys.readouterr().err


def test_the_table_in_the_docs_is_that_of_the_results(root):
    def rows(page):
        lines = (root / page).read_text(encoding="utf-8").splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return {row[0]: [*map(float, row[1:])] for row in cells if row[0] in CRITERIA}

    results, docs = rows("benchmarks/prechelt/RESULTS.md"), rows("docs/stopping.md")
    assert set(docs) == set(CRITERIA)
    for name, numbers in docs.items():
        # Three numbers for each of S best, S GL2, r, B best, B GL2 and P good.
        expected = [results[name][at] for at in (3, 4, 12, 13, 6, 7, 15, 16)]
        assert numbers == pytest.approx(expected, abs=0.0051)
