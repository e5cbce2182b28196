# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
refused() {
  if "$@"; then
    echo "This should have failed: $*"
    exit 1
  fi
}
