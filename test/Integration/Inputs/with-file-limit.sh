#!/usr/bin/env bash
# Runs a command that can write files of at most KIB: with-file-limit.sh KIB COMMAND...
# Its output goes through a pipe, which the limit does not concern.
set -o pipefail
limit="$1"
shift
(
  ulimit -f "$limit"
  exec "$@"
) 2>&1 | cat
