/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Speed of the LDPC codes on one core, blocks of 8448 bits, in Mbit/s of information. One JSON object on standard
 *  output: medians of RUNS runs. The decoders run 8 iterations on random LLRs, which meet no block's checks. Time is
 *  the processor's. */
#include <srec/ldpc.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS         5
#define BLOCKS       28u
#define BLOCK_BYTES  1056u
#define ITERATIONS   8u
#define REPEATS_FAST 10u

static void must(srec_status status)
{
    if (status == SREC_OK)
        return;
    fprintf(stderr, "bench_ldpc: %s\n", srec_strerror(status));
    exit(1);
}

/* Seconds of processor time. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, RUNS, sizeof *values, ascending);
    return values[RUNS / 2];
}

static double mbit_per_s(const srec_ldpc_code *code, unsigned repeats, double seconds)
{
    return 1e-6 * 8.0 * (double)code->info_bytes * repeats / seconds;
}

static double bench_decoder(const srec_ldpc_code *code, int reference, const int8_t *llr, uint8_t *info)
{
    const srec_ldpc_options options = { ITERATIONS, 1, reference };
    const srec_ldpc_transmission transmission = { llr, 0 };
    const unsigned repeats = reference ? 1 : REPEATS_FAST;
    srec_ldpc_decoder *decoder;
    double speed[RUNS];
    must(srec_ldpc_decoder_create(&options, &decoder, NULL));
    for (int run = -1; run < RUNS; run++) {
        const double start = now();
        for (unsigned i = 0; i < repeats; i++) {
            srec_ldpc_result result;
            srec_ldpc_decode(decoder, code, &transmission, 1, info, &result);
            if (result.iterations != ITERATIONS * code->n_blocks)
                must(SREC_ERR_INTERNAL); /* a block stopped early */
        }
        if (run >= 0)
            speed[run] = mbit_per_s(code, repeats, now() - start);
    }
    srec_ldpc_decoder_free(decoder);
    return median(speed);
}

static double bench_encoder(const srec_ldpc_code *code, const uint8_t *info, uint8_t *bits)
{
    srec_ldpc_encoder *encoder;
    double speed[RUNS];
    must(srec_ldpc_encoder_create(&encoder, NULL));
    for (int run = -1; run < RUNS; run++) {
        const double start = now();
        for (unsigned i = 0; i < REPEATS_FAST; i++)
            must(srec_ldpc_encode(encoder, code, 0, info, bits));
        if (run >= 0)
            speed[run] = mbit_per_s(code, REPEATS_FAST, now() - start);
    }
    srec_ldpc_encoder_free(encoder);
    return median(speed);
}

int main(void)
{
    static const struct {
        const char *name;
        size_t coded_bytes; /* of a block */
    } rates[] = { { "1/3", 3 * BLOCK_BYTES }, { "1/2", 2 * BLOCK_BYTES }, { "3/4", 4 * BLOCK_BYTES / 3 } };
    const size_t bits_max = 8 * BLOCKS * 3 * BLOCK_BYTES;
    const size_t info_bytes = BLOCKS * BLOCK_BYTES;
    int8_t *llr = malloc(bits_max);
    uint8_t *bits = malloc(bits_max);
    uint8_t *info = calloc(info_bytes, 1);
    if (!llr || !bits || !info)
        must(SREC_ERR_MEMORY);
    srand(1);
    for (size_t i = 0; i < bits_max; i++)
        llr[i] = (int8_t)((rand() >> 8) % 41 - 20);
    printf("{");
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        /* as many blocks as the longest payload of that rate has */
        const size_t most = SREC_LDPC_BYTES_MAX / rates[r].coded_bytes;
        const size_t blocks = most < BLOCKS ? most : BLOCKS;
        srec_ldpc_code code;
        must(srec_ldpc_code_for(blocks * BLOCK_BYTES, blocks * rates[r].coded_bytes, &code));
        const double fast = bench_decoder(&code, 0, llr, info);
        const double reference = bench_decoder(&code, 1, llr, info);
        printf("%s\"%s\": {\"encode_mbit_per_s\": %.0f, \"decode_mbit_per_s\": %.1f, \"decode_over_reference\": %.1f}",
               r ? ", " : "", rates[r].name, bench_encoder(&code, info, bits), fast, fast / reference);
    }
    printf("}\n");
    free(llr);
    free(bits);
    free(info);
    return 0;
}
