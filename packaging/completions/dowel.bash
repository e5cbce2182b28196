# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# /usr/share/bash-completion/completions/dowel: the program itself knows what may stand at the cursor.
_dowel() {
  local word=${COMP_WORDS[COMP_CWORD]} candidate candidates
  # At `=` readline begins a new word, which is what it replaces.
  [ "$word" = "=" ] && word=
  mapfile -t candidates < <(dowel complete "$COMP_LINE" "$COMP_POINT" "$word" 2>/dev/null)
  COMPREPLY=()
  for candidate in "${candidates[@]}"; do
    case $candidate in
    __FLATPAK_FILE | __FLATPAK_DIR)
      local kind=-f
      [ "$candidate" = __FLATPAK_DIR ] && kind=-d
      compopt -o filenames +o nospace 2>/dev/null || true
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen "$kind" -- "$word")
      ;;
    *) COMPREPLY+=("$candidate") ;;
    esac
  done
}
complete -o nospace -F _dowel dowel
