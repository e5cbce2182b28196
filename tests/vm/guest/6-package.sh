# SPDX-License-Identifier: Apache-2.0
# The Debian package by itself: what it brings, and that it goes again and leaves people's apps.
# shellcheck shell=bash

test_the_package_has_all_its_files() {
  dpkg --verify dowel >/tmp/verified
  # The machine leaves manual pages and documents out.
  refused grep -v ' /usr/share/\(man\|doc\)/' /tmp/verified
  [ "$(dowel --version)" = "Dowel $(dpkg-query -W -f '${Version}' dowel)" ]
}

test_units_are_switched_on_by_the_package() {
  [ "$(systemctl is-enabled dowel-mounts.service)" = enabled ]
  [ "$(systemctl is-enabled dowel-preinstall.service)" = enabled ]
  [ "$(systemctl --global is-enabled dowel-session.socket)" = enabled ]
  [ "$(systemctl is-enabled dowel-update.timer || true)" = disabled ]
}

test_a_unit_that_was_switched_off_stays_so_over_an_upgrade() {
  systemctl disable dowel-preinstall.service
  dpkg --install /mnt/dowel.deb
  [ "$(systemctl is-enabled dowel-preinstall.service || true)" = disabled ]
}

test_it_goes_and_leaves_the_apps() {
  dpkg --purge dowel
  [ ! -e /usr/bin/dowel ]
  [ -z "$(find /etc/systemd -name 'dowel-*' -type l)" ]
  [ -e /var/lib/dowel/version ]
  dpkg --install /mnt/dowel.deb
  dowel list --system
}
