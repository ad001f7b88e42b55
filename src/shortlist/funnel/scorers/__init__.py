"""The catalogue of scorers: what a model that was fitted in one go left behind, answering requests.

Each is a class `Scorer` of `shortlist.funnel.scorers._base`, in the module of its name.
"""
