"""Rewriting a ranker's graph so that what depends on the request alone is computed once a request.

The graph takes each request once, and begins by gathering its columns for every row that belongs to it. Such a gather
commutes with every operation that treats rows alike: f(x[request]) = f(x)[request]. The rewrite moves it towards the
output for as long as that holds, and a product with a matrix is taken apart into the part of the request's columns and
the part of the others.
"""
