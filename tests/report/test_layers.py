from complexity_lab.report.layers import layer_rows, layer_table
from tests.synthetic import make_survey


def column(table, key):
    place = [each.key for each in table.columns].index(key)
    return [row.cells[place] for row in table.rows]


def test_each_tensor_is_one_row_with_what_is_known_of_it():
    tables = make_survey(n_models=3, tensors=4, planes=2, nulls=("shuffle",)).tables
    rows = layer_rows(tables)
    # the sign bits of synthetic surveys belong to other tensors than their planes
    assert len(rows) == 3 * 8
    assert rows["ratio"].notna().sum() == rows["percent"].notna().sum() == 12
    assert rows["shuffled_percent"].notna().sum() == 12
    assert not rows[["kind", "shape", "depth", "weights"]].isna().any().any()
    assert rows["model"].drop_duplicates().tolist() == tables.models["model"].tolist()


def test_unknown_columns_are_left_out():
    table = layer_table(make_survey(n_models=3, tensors=4).tables)
    assert [each.key for each in table.columns][-2:] == ["ratio", "ratio_sd"]
    ratios = [cell.key for cell in column(table, "ratio")]
    assert ratios == sorted(ratios)
    planes = layer_table(make_survey(n_models=2, tensors=3, metrics=("gzip",), planes=2).tables)
    assert planes is not None


def test_too_many_tensors_keep_those_that_changed_most_and_say_so():
    tables = make_survey(n_models=4, tensors=6).tables
    everything, some = layer_table(tables), layer_table(tables, most=8)
    assert everything.left_out == ""
    assert len(everything.rows) == 24
    assert len(some.rows) == 8
    assert some.left_out.startswith("16 of 24 tensors are not listed: of each model, the 2 that changed most are.")
    rows = layer_rows(tables)
    change = (rows["ratio"] - 1).abs()
    wanted = {
        tuple(pair)
        for _, group in rows.groupby("model")
        for pair in rows.loc[change[group.index].nlargest(2).index, ["model", "tensor"]].to_numpy()
    }
    assert {(row.cells[0].text, row.cells[1].text) for row in some.rows} == wanted


def test_no_tensors_no_table():
    assert layer_table(make_survey(n_models=2, tensors=0).tables) is None
    assert layer_table(make_survey(n_models=2, trained_seeds=0).tables) is None
    assert layer_table(make_survey(n_models=0).tables) is None
