/* SPDX-License-Identifier: BSD-2-Clause */
/* The usual meaning of a symptom, and the next commands to try: the entries of docs/SYMPTOMS.md,
 * which the build turns into a table (symptoms.awk). */
#ifndef CLIENT_SYMPTOM_H
#define CLIENT_SYMPTOM_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

struct failure;

struct symptom {
    const char *group;   /* which heading of the page it is under */
    const char *name;    /* a property of check, a class of error, or a symptom */
    const char *summary; /* a line */
    /* Paragraphs, items ("- ...") and commands ("    ..."), each a line however long, and empty
     * lines; ended by NULL. */
    const char *const *lines;
};

/* In the page's order, ended by a row without a name. Entries of one group follow one another. */
extern const struct symptom SYMPTOM_TABLE[];

/* The entry of that name in any case of letters, or NULL. */
const struct symptom *symptom_find(const char *name);

/* The names that are most like one that is not known, with commas between; an empty text if none
 * is. Returns `out`. */
#define SYMPTOM_NEAR_MAX 200
const char *symptom_near(const char *name, char *out, size_t size);

/* The name of the entry that fits the failure, or NULL. */
const char *symptom_for(const struct failure *failure);

/* A line that refers to an entry; nothing for NULL. */
void symptom_print_reference(const char *name, const char *indent, FILE *out);

/* Adds "symptom", the name of an entry or null. */
void symptom_add_json(json_t *object, const char *name);

/* A line for each entry, under its group. */
void symptom_print_list(FILE *out);

/* One entry, wrapped to so many columns. Commands are not wrapped. */
void symptom_print(const struct symptom *symptom, size_t columns, FILE *out);

#endif
