# SPDX-License-Identifier: Apache-2.0
# The session service by its units, under the service manager of an ordinary user.
# shellcheck shell=bash
. ./2-user.sh
unset -f $(compgen -A function test_)
app=org.example.Probe
unit=dowel-session.service
peer=/home/tester/bus-peer

manager() { as_tester systemctl --user "$@"; }
state_is() { [ "$(manager show -P ActiveState $unit)" = "$1" ]; }
main_pid() { manager show -P MainPID $unit; }

# Until a command succeeds, two minutes at most.
eventually() {
  for _ in $(seq 240); do
    "$@" && return
    sleep 0.5
  done
  "$@"
}

# Starts the app in a unit of the user's own; all other words stand behind `run`.
start_app() { as_tester systemd-run --user --quiet --collect --unit=probe dowel run --user --filesystem="$peer:ro" "$@" "$app" wait; }
is_listed() { as_tester dowel session status --json | grep -q "\"app\": *\"$app\""; }
greets() { as_tester dowel enter "$app" "$peer" hello /run/flatpak/bus; }
stop_app() { manager stop probe; }

test_the_units_are_in_their_place() {
  loginctl enable-linger tester
  eventually systemctl is-active --quiet "user@$(id -u tester).service"
  cp /mnt/tools/bus-peer "$peer"
  if [ ! -e /home/tester/.local/share/dowel/app/$app ]; then
    cp -r /mnt/one /home/tester/session-images
    chown -R tester: /home/tester
    as_tester dowel remote-add --user session oci:/home/tester/session-images
    as_tester dowel install --user -y session "$app"
  fi
  # The service ends soon when no app runs, so that a test can see it.
  mkdir -p /etc/systemd/user/$unit.d
  printf '[Service]\nExecStart=\nExecStart=/usr/bin/dowel session serve --linger=4\n' >/etc/systemd/user/$unit.d/soon.conf
  # Tests before this one may have left a service that an app started.
  manager stop dowel-session.socket dowel-session.service || true
  rm -f "/run/user/$(id -u tester)/dowel/session.sock"
  manager daemon-reload
  manager enable --now dowel-session.socket
  as_tester env SYSTEMD_LOG_LEVEL=err sh -c "systemd-analyze --user verify --man=no $unit dowel-session.socket dowel-timers.service dowel-update.timer 2>&1" >/tmp/verified
  cat /tmp/verified
  [ ! -s /tmp/verified ]
}

test_the_first_app_starts_the_service_by_its_socket() {
  state_is inactive
  start_app
  eventually is_listed
  state_is active
  as_tester dowel session status --json | grep "\"pid\": *$(main_pid)\b"
  [ "$(ps -o cgroup= -p "$(main_pid)" | grep -c "/session.slice/$unit")" = 1 ]
  greets
}

test_a_killed_service_comes_back_and_the_app_works_on() {
  before=$(main_pid)
  number=$(as_tester dowel ps --columns=instance)
  manager kill --signal=KILL --kill-whom=main $unit
  eventually is_listed
  [ "$(main_pid)" != "$before" ]
  [ "$(as_tester dowel ps --columns=instance)" = "$number" ]
  greets
  as_tester dowel session status --json | tr -d ' \n' | grep "\"instance\":\"$number\""
}

test_the_service_ends_when_no_app_runs_and_comes_back() {
  stop_app
  eventually state_is inactive
  [ "$(manager show -P Result $unit)" = success ]
  manager is-active dowel-session.socket
  start_app
  eventually is_listed
  state_is active
  greets
  stop_app
}

test_a_timer_starts_the_service_that_has_ended() {
  # A service that lingers has read the timers already.
  eventually state_is inactive
  file=/home/tester/.local/share/dowel/timers/$app.json
  due=$(($(date +%s) + 90))
  as_tester mkdir -p "${file%/*}"
  as_tester sh -c "echo '{\"timers\":[{\"name\":\"alarm\",\"due\":${due}000,\"accuracy\":0,\"data\":\"\"}]}' >$file"
  manager start dowel-timers.service
  eventually state_is active
  eventually state_is inactive
  manager list-timers --all | grep "dowel-timers-$due.timer"
  [ -e "$file" ]
  eventually test ! -e "$file"
  [ "$(date +%s)" -ge $due ]
}

test_an_app_from_a_login_shell_has_a_scope_with_its_limits_and_the_bus() {
  as_tester dowel run --user --limit=tasks=10 "$app" forks 50 once | grep '"made":8,"error":"EAGAIN"'
  as_tester sh -c "dowel run --user --filesystem=$peer:ro --limit=memory=64M --command=$peer $app serve /run/flatpak/bus $app.Echo" &
  eventually as_tester busctl --user --timeout=60 call $app.Echo / org.example.Bench Echo
  group=$(as_tester dowel ps --columns=cgroup)
  [[ $group = */app.slice/*dowel-* ]]
  grep -x 67108864 "$group/memory.max"
  # Whoever looks at its connection sees the app.
  owner=$(as_tester busctl --user call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixProcessID s $app.Echo | cut -d' ' -f2)
  grep "^name=$app$" "/proc/$owner/root/.flatpak-info"
  as_tester dowel kill "$app"
  wait $! || [ $? = 137 ]
  eventually [ ! -d "$group" ]
}
