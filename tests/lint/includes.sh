#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Data flows in one direction, and includes follow it, between the rooms
#   daemon -> echo -> stream -> tls -> net -> base     client -> stream, tls, net, base
# and within two of them, as `ranks` says. A file includes files of its own rank or a lower one. Of
# src/stream the client includes only the loop (and library, for its hooks). Only the owners of
# events include libevent, and only the stream and its transports use bufferevents.
. "${top_srcdir:-.}/tests/lint/tap.sh"

ranks='counters=1 evecho_listener=12 evecho=70 account=10 policy=10 bucket=15 tls=15 limit=20 service=20 conn=30 proxy=35 udp=35 listener=40 worker=50 acceptor=65
http=45 options=60 status=68 server_parts=69 report=70 drain=71 reload=71 server=75 main=80 notify=5 pidfile=5 privilege=5 metrics=5 request=5 activation=5 sandbox=62 watchdog=55'

# A rank is the room's hundred plus the place in its line below. A file that serves several others
# and includes none of them (notify, pidfile...) has 5.
wrong_way()
{
    c_files src | xargs awk -v ranks="$ranks" '
        function noun(path) { sub(/.*\//, "", path); sub(/\.[ch]$/, "", path); return path }
        function room(path) { sub(/\/.*/, "", path); return path }
        function rank(path,    r, n) {
            r = room(path); n = noun(path)
            if (!(n in line)) sub(/_.*/, "", n)
            if (r in rooms && r != "echo" && r != "daemon") return rooms[r]
            return (r in rooms && n in line) ? rooms[r] + line[n] : -1
        }
        BEGIN {
            n = split(ranks, l, /[ \n]/)
            for (i = 1; i <= n; i++) { split(l[i], kv, "="); line[kv[1]] = kv[2] }
            n = split("base net tls stream echo daemon client", l, / /)
            for (i = 1; i <= n; i++) rooms[l[i]] = (i - 1) * 100
        }
        FNR == 1 {
            self = FILENAME; sub(/^src\//, "", self); mine = rank(self)
            if (mine < 0) print FILENAME ": has no rank: give it one in tests/lint/includes.sh"
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, part, "\""); target = part[2]
            if (target == "config.h") next
            if (target !~ /\//) { print FILENAME ":" FNR ": name the room: " $0; next }
            theirs = rank(target)
            if (theirs < 0) print FILENAME ":" FNR ": unknown rank: " $0
            else if (theirs > mine ||
                (room(self) == "client" && room(target) ~ /^(echo|daemon)$/) ||
                (room(self) == "client" && room(target) == "stream" && target !~ /^stream\/(loop|library)\.h$/))
                print FILENAME ":" FNR ": runs the wrong way: " $0
        }'
}

# includes_outside PATTERN ALLOWED: lines that include PATTERN in other files.
includes_outside()
{
    c_files src | xargs grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$1" /dev/null |
        grep -vE "^src/($2):"
}

# HACKING.md draws the same order in one line: each file in it must have a lower rank than those
# before it.
wrong_picture()
{
    awk -v ranks="$ranks stream=0.4 tls=0.3 net=0.2 base=0.1" '
        BEGIN { n = split(ranks, l, / /); for (i = 1; i <= n; i++) { split(l[i], kv, "="); rank[kv[1]] = kv[2] } }
        /^    main -> / {
            seen = 1; last = 1000
            n = split($0, step, / *-> */)
            for (i = 1; i <= n; i++) {
                m = split(step[i], noun, /[ ,]+/); lowest = last
                for (j = 1; j <= m; j++) {
                    if (noun[j] == "") continue
                    if (!(noun[j] in rank) || rank[noun[j]] + 0 >= last) print "HACKING.md:" FNR ": " noun[j]
                    else if (rank[noun[j]] + 0 < lowest) lowest = rank[noun[j]] + 0
                }
                last = lowest
            }
        }
        END { if (!seen) print "HACKING.md: the order is not there" }' HACKING.md
}

tap_plan 4
tap_clean "includes follow the ranks" "$(wrong_way)"
tap_clean "only the stream and its transports name bufferevent" \
    "$(includes_outside 'event2/bufferevent' 'stream/(stream|transport_[a-z]*)\.[ch]')"
tap_clean "libevent is named by stream, the client, and the owners of events alone" \
    "$(includes_outside 'event2?[/.]|event2?/' \
        'stream/[a-z_]*\.[ch]|(client/[a-z_]*|echo/(proxy_reader|worker|listener|udp|acceptor)|daemon/(watchdog|notify|http|report|drain|server|main))(_[a-z_]*)?\.[ch]')"
tap_clean "HACKING.md draws the ranks as they are" "$(wrong_picture)"
