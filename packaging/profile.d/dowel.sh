# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# /etc/profile.d/dowel.sh: for sessions that begin with a login shell.
if [ -r /usr/lib/dowel/session.sh ]; then
  . /usr/lib/dowel/session.sh
fi
