#!/usr/bin/env bash
# Test the installed wheel with core dependencies only, away from the source tree.
#   scripts/bare_job.sh VENV
set -euo pipefail
venv=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$venv/bin/python" - <<'PY'
from importlib.util import find_spec
present = [name for name in ("tensorflow", "keras", "mlflow", "tensorboard", "sklearn") if find_spec(name)]
if present:
    raise SystemExit(f"the bare environment is not bare: {present}")
PY

cp -r "$root/tests" "$root/examples" "$work"
# The registration of markers and the like, without the package itself.
cp "$root/pyproject.toml" "$work"
cd "$work"
"$venv/bin/diagnose" examples/logs --fail-on never > /dev/null
"$venv/bin/python" -m pytest -m "not keras and not browser and not long and not slow" --ignore=tests/project --ignore=tests/recipes --ignore=tests/tuners \
  -p no:cacheprovider
