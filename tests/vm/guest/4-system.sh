# SPDX-License-Identifier: Apache-2.0
# The system service with real systemd, polkit and system bus, and the units of the package.
# shellcheck shell=bash
app=org.example.Probe
text=/var/lib/dowel/app/$app/current/active/files/share/text
unit=dowel-system.service

# A process of a user in a session that systemd-logind knows, without a seat: polkit calls it inactive.
as_user() {
  user=$1
  shift
  systemd-run --quiet --pipe --wait --collect --uid="$user" --setenv=HOME="/home/$user" \
    --setenv=PATH="$PATH" --setenv=XDG_RUNTIME_DIR="/run/user/$(id -u "$user")" -p PAMName=login "$@"
}

unmount_all() {
  for target in /run/dowel/images/*/*/; do umount -l "$target" 2>/dev/null || true; done
  refused grep -q ' - overlay composefs ' /proc/1/mountinfo
}

is_down() { [ "$(systemctl show -P ActiveState "$unit")" = inactive ]; }

test_the_package_is_in_its_place() {
  if [ ! -e "$text" ]; then
    cp -r /mnt/one /var/tmp/images
    dowel remote-add --system apps oci:/var/tmp/images
    dowel install --system -y apps "$app"
  fi
  useradd --create-home --shell /bin/bash keeper
  printf '%s\n' 'polkit.addRule(function (action, subject) {' \
    '  if (action.id.indexOf("org.freedesktop.Flatpak.") === 0 && subject.user === "keeper") return polkit.Result.YES;' \
    '});' >/etc/polkit-1/rules.d/10-keeper.rules
  # The service ends soon when nobody asks, so that a test can see it.
  mkdir -p /etc/systemd/system/$unit.d
  printf '[Service]\nExecStart=\nExecStart=/usr/bin/dowel system serve --linger=4\n' >/etc/systemd/system/$unit.d/soon.conf
  systemctl daemon-reload
  busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig
  SYSTEMD_LOG_LEVEL=err systemd-analyze verify --man=no /usr/lib/systemd/system/dowel-*.{service,timer} >/tmp/verified 2>&1
  [ ! -s /tmp/verified ]
}

test_the_bus_starts_the_service_for_a_user_who_may() {
  is_down
  as_user keeper dowel config --system languages de
  [ "$(dowel config --system languages)" = de ]
  journalctl --no-pager -u "$unit" | grep "config of user $(id -u keeper) for the installation default: done"
}

test_the_service_ends_when_nobody_asks_and_starts_again() {
  for _ in $(seq 600); do
    is_down && break
    sleep 0.2
  done
  is_down
  [ "$(systemctl show -P Result "$unit")" = success ]
  as_user keeper dowel config --system --unset languages
  [ "$(systemctl show -P Type "$unit")" = dbus ]
  [ "$(dowel config --system languages)" = '*unset*' ]
}

test_polkit_refuses_another_user() {
  refused as_user tester dowel uninstall --system -y --noninteractive "$app" 2>/tmp/said
  grep 'needed \[NOT_PERMITTED\]' /tmp/said
  grep 'The polkit action is org.freedesktop.Flatpak.app-uninstall' /tmp/said
  [ -e "$text" ]
}

test_who_sits_at_the_machine_updates_without_a_password() {
  cp -r /mnt/two/. /var/tmp/images/
  refused as_user tester dowel update --system -y --noninteractive
  systemd-run --quiet --wait --collect --uid=tester --setenv=HOME=/home/tester --setenv=PATH="$PATH" \
    --setenv=XDG_SEAT=seat0 --setenv=XDG_VTNR=1 --setenv=XDG_SESSION_TYPE=tty --setenv=XDG_SESSION_CLASS=user \
    -p PAMName=login -p TTYPath=/dev/tty1 -p StandardInput=tty -p StandardOutput=file:/tmp/updated -p StandardError=file:/tmp/updated \
    sh -c 'loginctl show-session $XDG_SESSION_ID; exec dowel update --system -y --noninteractive' || true
  cat /tmp/updated
  grep -q two "$text"
}

test_a_user_cannot_have_the_name() {
  refused as_user tester busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.dowel.System1 6 2>/tmp/said
  grep -i 'not allowed\|denied' /tmp/said
}

test_a_killed_service_is_started_again_by_the_next_call() {
  as_user keeper dowel config --system languages fr
  systemctl kill --signal=KILL --kill-whom=main "$unit"
  as_user keeper dowel config --system --unset languages
}

test_a_user_runs_what_nobody_has_mounted_since_the_boot() {
  unmount_all
  as_user tester dowel run --no-require-cgroup "$app" id | grep "\"uid\":$(id -u tester)"
  grep ' - overlay composefs ' /proc/1/mountinfo | grep verity=require
}

test_the_unit_for_mounts_mounts_for_everybody() {
  unmount_all
  systemctl start dowel-mounts.service
  [ "$(grep -c ' - overlay composefs ' /proc/1/mountinfo)" -ge 2 ]
}

test_the_unit_of_the_first_boot_installs_what_is_listed_and_respects_a_removal() {
  dowel uninstall --system -y --all
  mkdir -p /usr/share/dowel/preinstall.d
  printf '[Flatpak Preinstall %s]\nBranch=stable\n' "$app" >/usr/share/dowel/preinstall.d/probe.preinstall
  systemctl enable --now dowel-preinstall.service
  grep -q two "$text"
  as_user keeper dowel uninstall --system -y "$app"
  systemctl start dowel-preinstall.service
  [ ! -e "$text" ]
  as_user keeper dowel preinstall --system -y --reinstall
  grep -q two "$text"
}

test_media_of_a_user_give_the_service_what_a_remote_names() {
  rm -rf /var/tmp/images
  cp -r /mnt/one /var/tmp/images
  dowel uninstall --system -y --all
  dowel install --system -y apps "$app"
  cp -r /mnt/two/. /var/tmp/images/
  # The remote still says what there is, but has lost the layers; only the medium, which is for its owner alone, has them.
  medium=/home/keeper/medium
  install -d -m 0700 -o keeper -g keeper "$medium" /home/keeper/outside
  cp -r /mnt/two/. "$medium"
  find /var/tmp/images/blobs -type f -size +8k -delete
  refused as_user keeper dowel update --system -y --noninteractive "$app"
  # Out of the medium no link leads.
  for blob in $(find "$medium/blobs" -type f -size +8k); do
    mv "$blob" /home/keeper/outside/
    ln -s "/home/keeper/outside/${blob##*/}" "$blob"
  done
  chown -R keeper: "$medium"
  refused as_user keeper dowel update --system -y --noninteractive --sideload-repo="$medium" "$app"
  grep -q one "$text"
  mv -f /home/keeper/outside/* "$medium/blobs/sha256/"
  chown -R keeper: "$medium"
  as_user keeper dowel update --system -y --noninteractive --sideload-repo="$medium" "$app"
  grep -q two "$text"
  dowel repair --system --dry-run
}

test_the_timer_of_updates_is_set_and_its_unit_updates() {
  rm -rf /var/tmp/images
  cp -r /mnt/one /var/tmp/images
  dowel uninstall --system -y --all
  dowel install --system -y apps "$app"
  cp -r /mnt/two/. /var/tmp/images/
  systemctl enable --now dowel-update.timer
  [ "$(systemctl show -P ActiveState dowel-update.timer)" = active ]
  systemctl show -P TimersCalendar dowel-update.timer | grep OnCalendar
  systemctl start dowel-update.service
  grep -q two "$text"
  grep "\"to\":" /var/lib/dowel/background.json
  systemctl disable --now dowel-update.timer
}
