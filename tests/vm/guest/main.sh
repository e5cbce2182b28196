# SPDX-License-Identifier: Apache-2.0
# Runs in the machine, as root. Each test is a function of one of the files beside this one, in a shell of its own, where
# a command that fails fails it; what must fail is called by `refused`, since a shell does not mind that `! command` fails.
set -u
cd /mnt/guest
export PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin HOME=/root LANG=C.UTF-8 XDG_RUNTIME_DIR=/run/user/0
mkdir -p /run/user/0
dpkg --install /mnt/dowel.deb >/tmp/installed 2>&1 || cat /tmp/installed
count=0
echo "# $(uname -r), up for $(cut -d' ' -f1 /proc/uptime) s"
for file in $(cat files); do
  for name in $(grep -o '^test_[a-z_0-9]*' "$file"); do
    count=$((count + 1))
    if bash -euo pipefail -c '. ./common.sh; . "./$1"; set -x; "$2"' - "$file" "$name" >/tmp/output 2>&1; then
      echo "ok $count - ${name#test_} # up for $(cut -d' ' -f1 /proc/uptime) s"
    else
      echo "not ok $count - ${name#test_}"
      sed 's/^/#   /' /tmp/output
    fi
  done
done
echo "1..$count"
