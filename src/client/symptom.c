/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/symptom.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "client/wrap.h"

#define NAME_COLUMNS 22
#define NAME_MAX_BYTES 64
#define NEAR_COUNT 4   /* names to offer */
#define NEAR_LETTERS 3 /* one in so many may be wrong */

const struct symptom *symptom_find(const char *name)
{
    for (const struct symptom *symptom = SYMPTOM_TABLE; symptom->name; symptom++) {
        if (strcasecmp(symptom->name, name) == 0)
            return symptom;
    }
    return NULL;
}

/* ---- near names ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, left out or exchanged to make one word of the other
 * (Levenshtein's distance). Both are shorter than NAME_MAX_BYTES. */
static size_t distance(const char *one, const char *other)
{
    size_t row[NAME_MAX_BYTES], length = strlen(other);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; one[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t exchanged = diagonal + (one[i] != other[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(exchanged, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

static bool is_near(const char *known, const char *name)
{
    return strstr(known, name) || distance(known, name) <= strlen(name) / NEAR_LETTERS;
}

const char *symptom_near(const char *name, char *out, size_t size)
{
    char lower[NAME_MAX_BYTES];
    size_t length = strlen(name), used = 0, count = 0;
    *out = '\0';
    if (length == 0 || length >= sizeof(lower))
        return out;
    for (size_t i = 0; i <= length; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    for (const struct symptom *symptom = SYMPTOM_TABLE; symptom->name && count < NEAR_COUNT;
         symptom++) {
        if (!is_near(symptom->name, lower) || used >= size)
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s", count ? ", " : "", symptom->name);
        count++;
    }
    return out;
}

/* ---- references ---- */

void symptom_print_reference(const char *name, const char *indent, FILE *out)
{
    if (name)
        fprintf(out, "%ssee: evecho explain %s\n", indent, name);
}

void symptom_add_json(json_t *object, const char *name)
{
    (void)json_object_set_new(object, "symptom", name ? json_string(name) : json_null());
}

/* ---- printing ---- */

void symptom_print_list(FILE *out)
{
    const char *group = "";
    for (const struct symptom *symptom = SYMPTOM_TABLE; symptom->name; symptom++) {
        if (strcmp(symptom->group, group) != 0)
            fprintf(out, "%s%s\n", *group ? "\n" : "", symptom->group);
        group = symptom->group;
        fprintf(out, "  %-*s %s\n", NAME_COLUMNS, symptom->name, symptom->summary);
    }
}

void symptom_print(const struct symptom *symptom, size_t columns, FILE *out)
{
    fprintf(out, "%s: %s\n\n", symptom->name, symptom->summary);
    for (const char *const *line = symptom->lines; *line; line++) {
        bool is_command = (*line)[0] == ' ', is_item = (*line)[0] == '-';
        wrap_print("", is_item ? "  " : "", *line, is_command ? 0 : columns, out);
    }
}
