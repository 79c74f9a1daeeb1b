"""The report: results as one HTML file with charts, for a browser.

:mod:`~hwgen.report.runs`
    What is shown, the same for results of ``bench``, ``run`` and ``map``.
:mod:`~hwgen.report.html.charts`
    Charts, by Plotly.
:mod:`~hwgen.report.html.page`
    The page, by Jinja: figures, tables, pictures of mappings.

``sortable_tablesort`` is a copy of the package of that name, version 4.1.7, from npm (the
Unlicense): it sorts tables by a click on a heading.
"""
