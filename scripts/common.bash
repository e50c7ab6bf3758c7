# Shared by the scripts beside it; sourced, not run.

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly repository

fail() {
  printf '%s: error: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Wrong usage is told apart from failure, as the norma program does.
misuse() {
  printf '%s: error: %s\nTry "%s --help".\n' "${0##*/}" "$*" "$0" >&2
  exit 2
}

# The comment block at the top of the calling script, without its shebang line.
print_help() {
  sed -n '2,/^$/{s/^# \{0,1\}//;p}' "$0"
}

# The build folder of a preset of CMakePresets.json.
build_folder() {
  case "$1" in
  release) printf '%s/build\n' "$repository" ;;
  dev | asan | tsan) printf '%s/build-%s\n' "$repository" "$1" ;;
  *) misuse "--preset is '$1'; expected release, dev, asan or tsan" ;;
  esac
}

# The first Python that can import NumPy; the tests and the demo check results with it.
python_with_numpy() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import numpy' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "no python3 with numpy found; scripts/setup installs python3-numpy for /usr/bin/python3"
}
