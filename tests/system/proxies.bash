# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # tests read what is set here
#
# proxies.bash: real proxies and servers on a port of their own, before the server of the test.

# start_proxy COMMAND CONFIGURATION: starts it with proxy.conf on PROXY_PORT, and waits until it listens; PROXY
# is its endpoint. In the configuration @port@ is PROXY_PORT, and @echo@ the server's address.
start_proxy() {
    PROXY_PORT=$(free_port)
    PROXY=tcp://127.0.0.1:$PROXY_PORT
    printf '%s\n' "$2" | sed "s|@port@|$PROXY_PORT|; s|@echo@|127.0.0.1:${PORT:-0}|" >proxy.conf
    # shellcheck disable=SC2086 # words
    bg proxy $1
    wait_for 5 is_listening "$PROXY_PORT"
}

is_listening() { [[ -n $(ss -Hltn "sport = :$1") ]]; }

# start_haproxy [LINE]...: a haproxy before the server, with more lines for its listener.
start_haproxy() {
    need haproxy
    start_proxy "haproxy -f proxy.conf" "defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen echo
    bind 127.0.0.1:@port@
    server echo @echo@ ${SERVER_LINE:-}
$(printf '    %s\n' "$@")"
}
