/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link VERSION MODEL: 0 if the installed library is that version, reads the installed model and makes keys. */
#include <srec/srec.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(srec_version(), argv[1]) != 0) {
        fprintf(stderr, "library %s, not %s\n", srec_version(), argc > 1 ? argv[1] : "?");
        return 1;
    }
    srec_model *model;
    srec_error error;
    if (srec_model_load(argv[2], &model, &error) != SREC_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    printf("%s: %zu weights\n", argv[2], srec_model_parameters(model));
    srec_model_free(model);

    srec_key *key = srec_key_new();
    uint64_t session;
    const int failed = srec_key_generate(key) != SREC_OK || srec_session_generate(&session) != SREC_OK || session == 0;
    srec_key_free(key);
    return failed;
}
