/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho explain: the page of symptoms, on a terminal. */
#include <stdio.h>

#include "base/error.h"
#include "client/commands.h"
#include "client/symptom.h"
#include "client/wrap.h"

#define COLUMNS_DEFAULT 80 /* if standard output is no terminal */

static int report_unknown(const char *name)
{
    struct error err;
    char near[SYMPTOM_NEAR_MAX];
    symptom_near(name, near, sizeof(near));
    if (*near)
        error_usage(&err, "nothing is known about '%.64s'; is one of these meant: %s?", name, near);
    else
        error_usage(&err,
                    "nothing is known about '%.64s'; '" OPTIONS_PROGRAM " explain' lists the names",
                    name);
    return error_report(&err, OPTIONS_PROGRAM);
}

int explain_run(const struct client_options *options)
{
    const char *name = options->set.argument;
    const struct symptom *symptom = name ? symptom_find(name) : NULL;
    if (name && !symptom)
        return report_unknown(name);
    if (symptom) {
        size_t columns = wrap_width(stdout);
        symptom_print(symptom, columns ? columns : COLUMNS_DEFAULT, stdout);
        return EXIT_CODE_OK;
    }
    symptom_print_list(stdout);
    printf("\n" OPTIONS_PROGRAM
           " explain NAME says what it usually means, and what to type next.\n");
    return EXIT_CODE_OK;
}
