# SPDX-License-Identifier: BSD-2-Clause
#
# Makes the table that `evecho explain` prints (symptom.h) out of docs/SYMPTOMS.md, its only source.
#
#     ## Group
#     ### name
#     *summary: one line*
#     paragraphs, items that begin with "- ", and commands that are indented by four spaces
#
# What stands before the first group is for the page alone. A paragraph or an item becomes one line
# of the entry's text, to be wrapped when it is printed; a command stays a line as it is.

function fail(message)
{
    printf "%s:%d: %s\n", FILENAME, FNR, message >"/dev/stderr"
    has_failed = 1
    exit 1
}

# As the inside of a C string, without the marks that a terminal does not show. What is between
# backticks is set apart by quotes.
function text_of(markdown)
{
    gsub(/\*\*/, "", markdown)
    gsub(/`/, "'", markdown)
    gsub(/\\/, "\\\\", markdown)
    gsub(/"/, "\\\"", markdown)
    return markdown
}

function end_line()
{
    if (line != "")
        printf "\n         \"%s\",", text_of(line)
    line = ""
}

# An empty line is printed before what follows it, so none ends an entry.
function begin_line(text)
{
    end_line()
    if (is_blank && has_text)
        printf "\n         \"\","
    line = text
    is_blank = 0
    has_text = 1
}

function end_entry()
{
    end_line()
    if (name != "" && !has_text)
        fail("'" name "' has no text")
    if (name != "")
        print "\n         NULL}},"
    name = ""
    has_text = is_blank = 0
}

BEGIN {
    print "/* SPDX-License-Identifier: BSD-2-Clause */"
    print "/* Made by symptoms.awk out of docs/SYMPTOMS.md. */"
    print "#include \"client/symptom.h\""
    print ""
    print "const struct symptom SYMPTOM_TABLE[] = {"
}

/[^ -~]/ { fail("a byte that is not printable ASCII") }

/^## / {
    end_entry()
    group = substr($0, 4)
    next
}

/^### / {
    if (group == "")
        fail("an entry before the first group")
    end_entry()
    name = substr($0, 5)
    needs_summary = 1
    next
}

name == "" { next }

needs_summary {
    if ($0 == "")
        next
    if ($0 !~ /^\*[^*]+\*$/)
        fail("'" name "' needs its summary next, as *one line*")
    printf "    {\"%s\", \"%s\",\n     \"%s\",\n     (const char *const[]){", text_of(group), text_of(name),
        text_of(substr($0, 2, length($0) - 2))
    needs_summary = 0
    next
}

/^$/ {
    end_line()
    is_blank = 1
    next
}

/^    / {
    begin_line($0)
    end_line()
    next
}

/^- / || line == "" {
    begin_line($0)
    next
}

{
    sub(/^ +/, "")
    line = line " " $0
}

END {
    if (has_failed)
        exit 1
    end_entry()
    print "    {NULL, NULL, NULL, NULL},\n};"
}
