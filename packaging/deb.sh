#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a Debian package of what was built: deb.sh BUILD VERSION FOLDER [COMPRESSION]. Prints its path. The same build gives the same bytes
# at the same SOURCE_DATE_EPOCH.
set -eu
build=$1 version=$2 folder=$3 compression=${4:-xz}
from=$(dirname "$(readlink -f "$0")")
arch=$(dpkg --print-architecture)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
umask 022

"$from/install.sh" "$build" "$tree"
install -d "$tree/usr/share/doc/dowel" "$tree/DEBIAN"
install -m 644 "$from/../LICENSE" "$tree/usr/share/doc/dowel/copyright"
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f1)
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/" "$from/debian/control.in" >"$tree/DEBIAN/control"
install -m 755 "$from/debian/postinst" "$from/debian/prerm" "$from/debian/postrm" "$tree/DEBIAN"
echo /etc/profile.d/dowel.sh >"$tree/DEBIAN/conffiles"
(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
mkdir -p "$folder"
dpkg-deb --root-owner-group "-Z$compression" --build "$tree" "$folder/dowel_${version}_$arch.deb" >/dev/null
echo "$folder/dowel_${version}_$arch.deb"
