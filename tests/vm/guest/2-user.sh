# SPDX-License-Identifier: Apache-2.0
# An ordinary user in a session that systemd keeps.
# shellcheck shell=bash
as_tester() {
  systemd-run --quiet --pipe --wait --collect --uid=tester --setenv=HOME=/home/tester \
    --setenv=PATH="$PATH" --setenv=XDG_RUNTIME_DIR="/run/user/$(id -u tester)" \
    --setenv=DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$(id -u tester)/bus" -p PAMName=login "$@"
}

# What a desktop starts is in a unit of the user's own service manager, whose control groups are the user's.
in_session() { as_tester systemd-run --user --quiet --pipe --wait --collect "$@"; }

test_a_user_has_a_session() {
  loginctl enable-linger tester
  for _ in $(seq 300); do
    systemctl is-active --quiet "user@$(id -u tester).service" && return
    sleep 0.2
  done
  systemctl status "user@$(id -u tester).service"
}

test_a_user_runs_what_root_installed() {
  in_session dowel run org.example.Probe id | grep "\"uid\":$(id -u tester)"
}

test_a_user_installs_updates_and_runs() {
  cp -r /mnt/one /home/tester/images
  chown -R tester: /home/tester/images
  as_tester dowel remote-add --user apps oci:/home/tester/images
  as_tester dowel install --user -y apps org.example.Probe
  in_session dowel run --user org.example.Probe id | grep "\"uid\":$(id -u tester)"
  cp -r /mnt/two/. /home/tester/images/
  as_tester dowel update --user -y
  grep -q two /home/tester/.local/share/dowel/app/org.example.Probe/current/active/files/share/text
  as_tester dowel repair --user --dry-run
}

test_a_session_finds_what_apps_export() {
  user=/home/tester/.local/share/dowel/exports
  systemctl restart "user@$(id -u tester).service"
  as_tester systemctl --user show-environment | grep "^XDG_DATA_DIRS=$user/share:/var/lib/dowel/exports/share:"
  as_tester systemctl --user show-environment | grep "^PATH=.*:$user/bin:/var/lib/dowel/exports/bin$"
  runuser -l tester -c 'echo $XDG_DATA_DIRS' | grep "^$user/share:/var/lib/dowel/exports/share:"
  in_session sh -lc 'org.example.Probe id' | grep "\"uid\":$(id -u tester)"
}

test_where_no_control_group_can_be_made_the_start_is_refused() {
  # Neither the caller's own group nor, without a session's folder, a systemd that could give one.
  refused as_tester env -u XDG_RUNTIME_DIR dowel run org.example.Probe id
  as_tester env -u XDG_RUNTIME_DIR dowel run --no-require-cgroup org.example.Probe id | grep "\"uid\":$(id -u tester)"
}

test_an_instance_has_a_control_group_with_its_limits() {
  as_tester systemd-run --user --quiet --collect --unit=limited dowel run --user --limit=memory=64M org.example.Probe wait
  group=
  for _ in $(seq 300); do
    group=$(grep -rlsx 67108864 /sys/fs/cgroup/user.slice --include=memory.max | head -1 || true)
    [ -n "$group" ] && [ -n "$(cat "${group%/*}/cgroup.procs")" ] && break
    sleep 0.2
  done
  group=${group%/*}
  getfattr -d -m - "$group"
  getfattr -d -m - "$group" | grep org.example.Probe
  as_tester systemctl --user stop limited
  [ ! -d "$group" ]
}
