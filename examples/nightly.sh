#!/usr/bin/env bash
# Retrain on today's tables, and let the new recommender serve if it is no worse than the one that does. For cron:
#
#   15 3 * * *  cd /srv/shop && ./nightly.sh shop.toml >> nightly.log 2>&1
#
# Each night has a folder of its own, so that the champion's run stays where it is until another one is promoted.
set -euo pipefail

recipe=$1
name=$(basename "$recipe" .toml)
runs=runs/$(date +%F)

shortlist run "$recipe" --runs "$runs"
shortlist register "$runs/$name" --name "$name"
# Exit code 8: the challenger is worse, and the champion stays. Anything else is a failure.
shortlist promote "$name" || [ $? -eq 8 ]
