#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts Dowel into a tree, from what was built: install.sh BUILD DESTDIR. For makers of packages, and what `./dev deb` packs.
set -eu
build=$1
to=$2
from=$(dirname "$(readlink -f "$0")")

# put MODE FOLDER FILE…
put() {
  mode=$1 folder=$to/$2
  shift 2
  install -d "$folder"
  install -m "$mode" "$@" "$folder"
}

put 755 usr/bin "$build/bin/dowel"
put 755 usr/lib/dowel "$build/lib/dowel/dowel-program"
put 644 usr/lib/dowel "$from/session.sh"
put 644 etc/profile.d "$from/profile.d/dowel.sh"
put 644 usr/lib/systemd/system "$from"/systemd/*.service "$from"/systemd/*.timer
put 644 usr/lib/systemd/user "$from"/systemd/user/*
put 755 usr/lib/systemd/user-environment-generators "$from"/systemd/user-environment-generators/*
put 644 usr/share/dbus-1/system.d "$from"/dbus/*.conf
put 644 usr/share/dbus-1/system-services "$from"/dbus/*.service
put 644 usr/share/polkit-1/actions "$from"/polkit/*.policy
put 644 usr/share/polkit-1/rules.d "$from"/polkit/*.rules
put 644 usr/share/dowel "$from"/schema/*
put 644 usr/share/zsh/vendor-completions "$from/completions/_dowel"
put 644 usr/share/fish/vendor_completions.d "$from/completions/dowel.fish"
install -d "$to/usr/share/bash-completion/completions"
install -m 644 "$from/completions/dowel.bash" "$to/usr/share/bash-completion/completions/dowel"
install -d "$to/usr/share/man"
"$build/bin/dowel" plumbing manual "$to/usr/share/man/man1" >/dev/null
gzip -9n "$to"/usr/share/man/man1/*.1
chmod 644 "$to"/usr/share/man/man1/*
