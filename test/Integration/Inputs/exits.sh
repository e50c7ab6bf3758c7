#!/usr/bin/env bash
# Succeeds when a command ends with the expected exit code: exits.sh CODE COMMAND...
expected="$1"
shift
"$@"
actual=$?
[[ "$actual" == "$expected" ]] && exit 0
echo "exit code $actual, expected $expected: $*" >&2
exit 1
