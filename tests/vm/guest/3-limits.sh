# SPDX-License-Identifier: Apache-2.0
# What bounds a sandbox, in force and told, with the controllers of a real cgroup2.
# shellcheck shell=bash
app=org.example.Probe

test_memory_past_its_limit_ends_the_app_and_is_told() {
  code=0
  dowel run --limit=memory=24M --limit=swap=0 "$app" memory 256 2>/tmp/said || code=$?
  [ "$code" = 137 ]
  grep 'warning: The app ran out of memory.*memory.max 25165824' /tmp/said
  dowel run --limit=memory=24M --limit=swap=0 "$app" memory 4
}

test_tasks_past_their_limit_are_refused_and_told() {
  dowel run --limit=tasks=10 "$app" forks 50 once >/tmp/said 2>&1
  grep '"made":8,"error":"EAGAIN"' /tmp/said
  grep 'warning: The app could not start.*pids.max 10' /tmp/said
}

test_limits_show_in_ps_and_info() {
  dowel override --system --limit=cpu=25% --limit=memory=64M "$app"
  dowel info "$app" | grep 'Limits: cpu=25% memory=64M'
  dowel run --limit=tasks=50 "$app" wait >/tmp/said &
  until grep -q ready /tmp/said; do sleep 0.1; done
  dowel ps --columns=limits | grep 'memory.max=67108864 cpu.max=25000 100000 pids.max=50'
  dowel kill "$app"
  wait $! || [ $? = 137 ]
  dowel override --system --reset "$app"
  [ -z "$(find /sys/fs/cgroup -name 'dowel-[0-9]*')" ]
}

test_a_user_without_a_group_of_its_own_gets_a_scope() {
  . ./2-user.sh
  as_tester dowel run --limit=tasks=10 "$app" forks 50 once | grep '"made":8,"error":"EAGAIN"'
  as_tester sh -c "dowel run $app wait & until dowel ps | grep $app; do sleep 0.1; done; dowel ps --columns=cgroup; dowel kill $app" |
    grep '/app.slice/.*dowel-'
}

test_limits_are_in_force_before_the_first_instruction() {
  dowel run --limit=memory=512M --limit=tasks=77 "$app" wait >/tmp/said &
  until grep -q ready /tmp/said; do sleep 0.1; done
  group=$(dowel ps --columns=cgroup)
  grep -x 536870912 "$group/memory.max"
  grep -x 77 "$group/pids.max"
  dowel kill "$app"
  wait $! || [ $? = 137 ]
}

test_io_and_swap_limits_are_written_to_the_group() {
  dowel run --limit=io=1M --limit=swap=0 "$app" wait >/tmp/said &
  until grep -q ready /tmp/said; do sleep 0.1; done
  group=$(dowel ps --columns=cgroup)
  grep -x 0 "$group/memory.swap.max"
  grep -q 'rbps=1048576 wbps=1048576' "$group/io.max"
  dowel kill "$app"
  wait $! || [ $? = 137 ]
}

test_a_nested_instance_keeps_its_own_limits_and_ends_with_its_parent() {
  dowel run --limit=tasks=50 "$app" wait >/tmp/said &
  parent=$!
  until grep -q ready /tmp/said; do sleep 0.1; done
  pid=$(dowel ps --columns=pid)
  dowel run --parent-pid="$pid" --parent-share-pids --limit=tasks=10 "$app" forks 50 once | grep '"made":8,"error":"EAGAIN"'
  dowel kill "$app"
  wait $parent || [ $? = 137 ]
}
