"""Results of every kind, and what a page holds, read as a browser would."""

from functools import cache
from html.parser import HTMLParser

from tests import synthetic, synthetic_rounding, synthetic_study, synthetic_training, synthetic_trajectory

NULLS = ("shuffle", "gaussian", "permutation")


@cache
def results_of(kind):
    """Return small results with a failed task where the kind can have one."""
    return {
        "survey": lambda: synthetic.make_survey(n_models=8, planes=4, nulls=NULLS, failed=1, accuracy=True),
        "initial": lambda: synthetic.make_survey(n_models=4, trained_seeds=0),
        "series": synthetic_trajectory.one,
        "trajectory": lambda: synthetic_study.study("overfitting", failed=("digits-8-n20-true-wd0-s0",)),
        "training": lambda: synthetic_training.experiment(models=("mlp",), failed=("mlp-baseline-0",)),
        "rounding": lambda: synthetic_rounding.rounding(failed=("mlp_12-seed0",)),
        "pruning": lambda: (
            synthetic.Study(kind="pruning", rows=[synthetic.model_row("a")], plan={"sparsity": 0.5}).results
        ),
    }[kind]()


KINDS = ("survey", "initial", "series", "trajectory", "training", "rounding", "pruning")


def table_of(page, name):
    """Return a table of a page by its name."""
    tables = [table for group in page.groups for section in group.sections for table in section.tables]
    return {table.name: table for table in (*tables, *page.failures)}[name]


def column(table, label):
    """Return the cells below a label."""
    place = [each.label for each in table.columns].index(label)
    return [row[place] for row in table.rows]


class Browser(HTMLParser):
    """What a page asks for, and whether its elements are nested and named as they should be."""

    VOID = ("meta", "img", "input", "br", "hr")

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.ids, self.open, self.text = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        known = dict(attrs)
        self.links += [known[name] for name in ("src", "href", "action", "data") if name in known]
        self.ids += [known["id"]] if "id" in known else []
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
