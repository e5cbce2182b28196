# SPDX-License-Identifier: Apache-2.0
# /usr/share/fish/vendor_completions.d/dowel.fish: the program itself knows what may stand at the cursor.
function __dowel_complete
    set --local line (commandline --current-process --cut-at-cursor | string collect)
    set --local token (commandline --current-token --cut-at-cursor | string collect)
    # fish takes whole words, where the program says what is behind the `=`.
    set --local prefix (string match --regex -- '^--[^=]+=' "$token" | string collect; or echo '')
    set --local typed (string replace --regex -- '^--[^=]+=' '' "$token" | string collect)
    for candidate in (command dowel complete "$line" (string length -- "$line") "$token" 2>/dev/null)
        switch $candidate
            case __FLATPAK_FILE
                printf '%s\n' "$prefix"(__fish_complete_path "$typed")
            case __FLATPAK_DIR
                printf '%s\n' "$prefix"(__fish_complete_directories "$typed")
            case '*'
                printf '%s\n' "$prefix"(string trim --right -- $candidate)
        end
    end
end
complete --command dowel --no-files --arguments '(__dowel_complete)'
