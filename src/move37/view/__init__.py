"""The reading room: a run's problems and responses in a browser, to look at and to label.

`room.py` knows what there is to show, `responses.py` what a model wrote on one problem, `copies.py` makes both quick,
`pieces.py` takes texts apart for the page, `server.py` serves it on this machine alone, `export.py` writes a copy that
needs no server. `static/` is the page. Nothing here is counted: the numbers of a report come from `analyses/`.
"""
