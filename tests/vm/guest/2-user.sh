# SPDX-License-Identifier: Apache-2.0
# An ordinary user in a session that systemd keeps.
# shellcheck shell=bash
as_tester() {
  systemd-run --quiet --pipe --wait --collect --uid=tester --setenv=HOME=/home/tester \
    --setenv=PATH="$PATH" --setenv=XDG_RUNTIME_DIR="/run/user/$(id -u tester)" \
    --setenv=DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$(id -u tester)/bus" -p PAMName=login "$@"
}

test_a_user_has_a_session() {
  loginctl enable-linger tester
  for _ in $(seq 300); do
    systemctl is-active --quiet "user@$(id -u tester).service" && return
    sleep 0.2
  done
  systemctl status "user@$(id -u tester).service"
}

test_a_user_runs_what_root_installed() {
  as_tester dowel run org.example.Probe id | grep "\"uid\":$(id -u tester)"
}

test_a_user_installs_updates_and_runs() {
  cp -r /mnt/one /home/tester/images
  chown -R tester: /home/tester/images
  as_tester dowel remote-add --user apps oci:/home/tester/images
  as_tester dowel install --user -y apps org.example.Probe
  as_tester dowel run --user org.example.Probe id | grep "\"uid\":$(id -u tester)"
  cp -r /mnt/two/. /home/tester/images/
  as_tester dowel update --user -y
  grep -q two /home/tester/.local/share/dowel/app/org.example.Probe/current/active/files/share/text
  as_tester dowel repair --user --dry-run
}
