# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# /usr/lib/dowel/session.sh: tells a session what installed apps export. XDG_DATA_DIRS gets the folders of their desktop
# entries, icons and services at its beginning, the user's own first; PATH gets their commands at its end, so that no app
# can stand in for a program of the system.
dowel_add() {
  case ":${XDG_DATA_DIRS-}:" in
  *":$1/exports/share:"*) ;;
  *) dowel_share="$dowel_share$1/exports/share:" ;;
  esac
  case ":$PATH:" in
  *":$1/exports/bin:"*) ;;
  *) PATH="$PATH:$1/exports/bin" ;;
  esac
}

dowel_share=
if [ -n "${HOME-}" ]; then
  dowel_add "${DOWEL_USER_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/dowel}"
fi
for dowel_file in /etc/dowel/installations.d/*.conf; do
  [ -r "$dowel_file" ] || continue
  while read -r dowel_line || [ -n "$dowel_line" ]; do
    case $dowel_line in
    Path=/*) dowel_add "${dowel_line#Path=}" ;;
    esac
  done <"$dowel_file"
done
dowel_add "${DOWEL_SYSTEM_DIR:-/var/lib/dowel}"
XDG_DATA_DIRS="$dowel_share${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
export XDG_DATA_DIRS PATH
unset -f dowel_add
unset dowel_share dowel_file dowel_line
