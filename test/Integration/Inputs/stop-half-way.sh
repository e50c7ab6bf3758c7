#!/usr/bin/env bash
# Stops a command with a signal once a file that matches a pattern exists, and prints its exit code:
# stop-half-way.sh SIGNAL PATTERN COMMAND...
signal="$1"
pattern="$2"
shift 2
"$@" &
process=$!
# Bounded: a command that ends by itself shows its own exit code.
while kill -0 "$process" 2>/dev/null; do
  if compgen -G "$pattern" >/dev/null; then
    sleep 0.05
    kill -s "$signal" "$process"
    break
  fi
  sleep 0.01
done
wait "$process" 2>/dev/null
echo "exit code $?"
