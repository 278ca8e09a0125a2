#!/bin/bash
# Checks that every line of requirements.txt has a wheel for each Python and processor that
# Lightkeep runs on: without one, a NAS would have to compile. Needs python3 with pip, and
# the network; root is not needed.
#
#   tests/boxes/wheels.sh [REQUIREMENTS]
set -euo pipefail

repository=$(CDPATH='' cd "$(dirname "$0")/../.." && pwd -P)
requirements=${1:-$repository/requirements.txt}
python=$repository/.venv/bin/python
[ -x "$python" ] || python=python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

printf '%-10s %-10s %8s  %s\n' processor python wheels result
for processor in x86_64 aarch64; do
    for number in 3.11 3.12 3.13; do
        platforms=()
        for tag in manylinux_2_28 manylinux_2_17 manylinux2014; do
            platforms+=(--platform "${tag}_$processor")
        done
        # Nothing is installed: pip says in a report which files it would take. A wheel whose
        # hash requirements.txt lacks does not count.
        result=ok
        "$python" -m pip install --dry-run --ignore-installed --no-deps --require-hashes \
            --only-binary=:all: --target "$work/target" "${platforms[@]}" \
            --implementation cp --python-version "$number" --quiet --report "$work/report" \
            -r "$requirements" >"$work/log" 2>&1 || result="not ok"
        wheels=-
        [ "$result" != ok ] || wheels=$(
            "$python" -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["install"]))' \
                "$work/report"
        )
        printf '%-10s %-10s %8s  %s\n' "$processor" "$number" "$wheels" "$result"
        if [ "$result" != ok ]; then
            failures=$((failures + 1))
            tail -3 "$work/log" | sed 's/^/    | /'
        fi
        rm -f "$work/report"
    done
done
echo "$((6 - failures)) of 6 have every wheel"
[ "$failures" = 0 ]
