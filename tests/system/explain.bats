#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# evecho explain and its source docs/SYMPTOMS.md: complete, and true for our own programs.

# shellcheck disable=SC2154 # top_srcdir is the environment's
load lib
load client
load proxies

teardown() {
    stop_liar
    common_teardown
}

# names: those that the list has, one a line.
names() { evecho explain | awk '/^  [a-z]/ { print $1 }'; }

# entries: the whole page, as it is printed entry by entry.
entries() {
    local name
    while read -r name; do
        evecho explain "$name" || return 1
    done < <(names)
}

@test "the list has each entry of the page once, in a line of 80 columns, under its heading" {
    ends 0 evecho explain
    [[ ! -s stderr ]]
    [[ -z $(awk 'length > 80' stdout) ]] || fail "$(awk 'length > 80' stdout)"
    [[ $(names) == "$(sed -n 's/^### //p' "$top_srcdir/docs/SYMPTOMS.md")" ]] || fail "$(names)"
    [[ -z $(names | sort | uniq -d) ]] || fail "twice: $(names | sort | uniq -d)"
    [[ $(grep -E '^[A-Z]' stdout) == "$(sed -n 's/^## //p' "$top_srcdir/docs/SYMPTOMS.md")" ]]
}

@test "each property of check and each class of error has an entry" {
    local name missing
    start_server
    evecho check --list | awk '{ print $1 }' >wanted
    # Datagrams have an idle of their own.
    echo udp-idle >>wanted
    evecho bench -n 1 --json - "$ENDPOINT" 2>text | jq -r '.errors | keys[]' | sed 's/^errors_//' >>wanted
    (($(wc -l <wanted) > 35)) || fail "$(<wanted)"
    missing=$(while read -r name; do evecho explain "$name" >/dev/null 2>&1 || echo "$name"; done <wanted)
    [[ -z $missing ]] || fail "no entry: $missing"
    # As people see the classes.
    grep -oE 'REFUSED.*OTHER' text | grep -oE '[A-Z]+' >classes
    (($(wc -l <classes) == 8)) || fail "$(<text)"
    while read -r name; do
        evecho explain "$name" >/dev/null || fail "$name"
    done <classes
}

@test "each entry says what was seen, what it means, and a command to type next" {
    local name
    while read -r name; do
        evecho explain "$name" >entry
        grep -q "^$name: " entry && grep -q '^Seen: ' entry && grep -q '^Means: ' entry &&
            grep -q '^Next:' entry || fail "$(<entry)"
        [[ $(tail -n 1 entry) == '    '[a-z]* ]] || fail "no command at the end: $(<entry)"
        (($(wc -l <entry) <= 40)) || fail "too long: $(<entry)"
    done < <(names)
}

@test "it is wrapped to 80 columns, on a terminal to the terminal's, and has no colours" {
    local columns
    entries >out
    [[ -z $(awk 'length > 80 && !/^    /' out) ]] || fail "$(awk 'length > 80 && !/^    /' out)"
    (($(awk 'length > 70 && !/^    /' out | wc -l) > 100))
    for columns in 60 80 120; do
        NO_COLOR=1 script -qec "stty cols $columns; '$EVECHO' explain half-close" typescript >/dev/null 3>&-
        grep -v '^Script ' typescript | tr -d '\r' >shown
        [[ -z $(awk -v most="$columns" 'length > most && !/^    /' shown) ]] || fail "$columns: $(<shown)"
        awk -v least=$((columns - 15)) 'length > least { is_wide = 1 } END { exit !is_wide }' shown ||
            fail "not as wide as $columns: $(<shown)"
        ! grep -q $'\e' shown || fail "an escape sequence: $(cat -v shown)"
        # Wherever it is wrapped, it says the same.
        [[ $(tr -s ' \n' ' ' <shown) == "$(evecho explain half-close | tr -s ' \n' ' ')" ]] || fail "$(<shown)"
    done
}

@test "an unknown name is refused with those that are near" {
    ends 2 evecho explain half-clos
    grep -q "'half-clos'.*half-close, half-close-at-once" stderr || fail "$(<stderr)"
    ends 2 evecho explain Refusd
    grep -q "meant: refused?" stderr || fail "$(<stderr)"
    ends 2 evecho explain xyzzyxyzzy
    grep -q "'evecho explain' lists the names" stderr || fail "$(<stderr)"
    for name in '' "$(printf 'a%.0s' {1..500})" $'\n' '%s%n'; do
        ends 2 evecho explain "$name"
        (($(wc -l <stderr) == 1)) || fail "$(<stderr)"
    done
    ends 2 evecho explain refused reset
    ends 2 evecho explain --nonsense
}

@test "commands of ours that an entry names parse, and name properties that exist" {
    local command list name count=0
    entries >out
    evecho check --list | awk '{ print $1 }' >properties
    while read -r command; do
        # The words as a shell would split them; quotes alone are used in the page.
        eval "words=(${command#evecho})"
        "$EVECHO" "${words[@]}" --help >/dev/null 2>stderr || fail "$command: $(<stderr)"
        list=$(grep -oE -e '--(only|skip) [^ ]+' <<<"$command" | cut -d' ' -f2 | tr ',' '\n')
        for name in $list; do
            grep -qx -e "$name" properties || fail "$command: no property '$name'"
        done
        count=$((count + 1))
    done < <(grep -E '^    evecho ' out | sed 's/^ *//')
    ((count > 60)) || fail "only $count"
}

@test "an entry names only entries and options of ours that exist" {
    local name
    entries >out
    tr -s '\n ' ' ' <out | grep -oE "[Ss]ee ('[a-z0-9-]+'(, | and )?)+" | grep -oE "'[a-z0-9-]+'" |
        tr -d "'" | sort -u >named
    (($(wc -l <named) > 15)) || fail "$(<named)"
    while read -r name; do
        evecho explain "$name" >/dev/null || fail "see '$name'"
    done <named
    "$EVECHOD" --help >help
    for command in cat ping bench check; do evecho $command --help >>help; done
    grep -E 'evechod|evecho ' out | grep -oE -e "'--[a-z-]+" | tr -d "'" | sort -u >options
    (($(wc -l <options) > 5)) || fail "$(<options)"
    while read -r name; do
        grep -qE -e "$name( |,|\[|=|\$)" help || fail "no option $name"
    done <options
}

@test "each failure names the entry that fits, in bench, ping and check" {
    start_liar reset 100
    ends 1 evecho bench -n 1 -s 1k --json json "$LIAR_ENDPOINT"
    sees reset
    json '.failures[0].symptom == "reset"'
    start_liar drop 100 40
    ends 1 evecho ping -c 1 -s 1k "$LIAR_ENDPOINT"
    sees bytes-missing
    start_liar mute 0
    ends 1 evecho ping -c 1 --timeout 300ms "$LIAR_ENDPOINT"
    sees nothing-back
    ends 1 evecho check --only single-bytes --timeout 300ms --json json "$LIAR_ENDPOINT"
    sees nothing-back
    json '.properties[0].failure.symptom == "nothing-back"'
    start_server
    ends 0 evecho check --skip unread-then-half-close,holds-the-sender "$ENDPOINT"
    not grep 'see: evecho' stdout
}

@test "each failure names the entry that fits: datagrams that are cut or refused" {
    LIAR=udpliar
    start_liar cut -1 8192
    ends 1 evecho check --only large-datagrams "$LIAR_ENDPOINT"
    sees large-datagrams
    start_liar cut -1 8192
    ends 1 evecho ping -c 1 -s 9000 --json json "$LIAR_ENDPOINT"
    sees large-datagrams
    start_liar -o 2 leave 0
    ends 1 evecho ping -c 2 -i 10ms "$LIAR_ENDPOINT"
    sees udp-refused
    start_liar -o 2 leave 0
    ends 1 evecho bench -n 10 -t 0 --timeout 100ms --json json "$LIAR_ENDPOINT"
    sees udp-refused
    json '[.failures[].symptom] | index("udp-refused")'
}

@test "each failure names the entry that fits: half-closes through nginx, and what mends them there" {
    need nginx
    start_server
    local stream="load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid nginx.pid;
events {}
stream { server { listen 127.0.0.1:@port@; proxy_pass @echo@; mend } }"
    start_proxy "nginx -e stderr -p $T -c proxy.conf" "${stream/mend/}"
    ends 1 evecho check --only half-close-at-once --json json "$PROXY"
    sees half-close
    json '.properties[0].failure.symptom == "half-close"'
    # Enough for the FIN to be there before the echo.
    head -c 20M /dev/zero >zeros
    ends 1 evecho cat "$PROXY" <zeros
    grep -q '; see: evecho explain half-close$' stderr || fail "$(<stderr)"
    evecho explain half-close | tr -s ' \n' ' ' | grep -q "'proxy_half_close on' mends it"
    end_bg proxy
    rm -f proxy.in
    start_proxy "nginx -e stderr -p $T -c proxy.conf" "${stream/mend/proxy_half_close on;}"
    ends 0 evecho check --only half-close-at-once "$PROXY"
}
