"""Every night: retrain on today's tables, register, promote if it is no worse. A DAG of Airflow 3.

Each stage is a task of its own. A task that is tried again finds done what was done, and goes on from the last
checkpoint. Shortlist is called as a command, so that Airflow's own environment needs none of its packages.
"""

from __future__ import annotations

import datetime
from itertools import pairwise

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

SHOP = "/srv/shop"
"""Where MLflow's database lies, unless MLFLOW_TRACKING_URI names a server: each task works there."""
RECIPE = f"{SHOP}/shop.toml"
RUNS = SHOP + "/runs/{{ ds }}"
SHORTLIST = f"{SHOP}/.venv/bin/shortlist"
STEPS = {
    "prepare": f"prepare {RECIPE} --runs {RUNS}",
    "train": f"train {RECIPE} --runs {RUNS}",
    "evaluate": f"evaluate {RECIPE} --runs {RUNS}",
    "register": f"register {RUNS}/shop --name shop",
    "promote": "promote shop",
}
KEPT_THE_CHAMPION = 8
"""Exit code of `promote` where the challenger is worse: nothing has failed, and the task counts as skipped."""

with DAG(
    dag_id="recommender",
    schedule="15 3 * * *",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    default_args={"retries": 2, "retry_delay": datetime.timedelta(minutes=10)},
) as dag:
    tasks = [
        BashOperator(task_id=name, bash_command=f"{SHORTLIST} {words}", cwd=SHOP, skip_on_exit_code=KEPT_THE_CHAMPION)
        for name, words in STEPS.items()
    ]
    for first, then in pairwise(tasks):
        first >> then
