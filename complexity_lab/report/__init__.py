"""Results and figures as one page: a self-contained HTML file of the same build for every kind of study.

The program fills in numbers and does not judge them; what a study shows, says its author, in ``text.md`` next to the
tables. What a kind of study adds to the page is a module of ``report.sections``.
"""
