/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The convolution peak of this machine: nn_peak [THREADS]
 *
 *  Best speed that oneDNN reaches in a bare 3x3 convolution (bias and ReLU, layouts of its own choice, buffers that
 *  fit the second-level
 *  cache or not), over several shapes. One JSON line on standard output, GFLOP/s, a multiply-accumulate counting as
 *  two operations:
 *      {"threads": 2, "f32": {"gflops": 250.1, "channels": 128, "height": 64, "width": 64}, "bf16": {...} or null}
 *  bf16 is null where the processor has none. The bar for the engine is a share of this figure. */
#include <srec/compute.h>

#include "nn/dnnl_api.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    int channels, height, width;
} shapes[] = { { 64, 64, 64 },  { 64, 256, 256 }, { 128, 32, 32 }, { 128, 64, 64 }, { 128, 128, 128 },
               { 192, 32, 48 }, { 256, 32, 32 },  { 256, 64, 64 }, { 512, 16, 16 } };

#define TRIALS        7 /* the best counts: a peak is what nothing disturbed */
#define TRIAL_SECONDS 0.05

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(dnnl_status_t status)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "nn_peak: oneDNN fails with status %d\n", (int)status);
    exit(1);
}

static dnnl_memory_t memory(dnnl_engine_t engine, dnnl_const_md md)
{
    dnnl_memory_t m;
    void *data;
    must(dnnl_memory_create(&m, md, engine, DNNL_MEMORY_ALLOCATE));
    must(dnnl_memory_get_data_handle(m, &data));
    memset(data, 0, dnnl_memory_desc_get_size(md)); /* zeros: the speed does not depend on the values, and none is
                                                     * subnormal */
    return m;
}

/* GFLOP/s of one shape. */
static double measure(dnnl_engine_t engine, dnnl_stream_t stream, dnnl_data_type_t type, int c, int h, int w)
{
    dnnl_dims_t plane = { 1, c, h, w }, kernel = { c, c, 3, 3 }, bias_dims = { c }, unit = { 1, 1 };
    dnnl_md src, weights, bias;
    dnnl_post_ops_t post;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t conv;
    must(dnnl_memory_desc_create_with_tag(&src, 4, plane, type, dnnl_format_tag_any));
    must(dnnl_memory_desc_create_with_tag(&weights, 4, kernel, type, dnnl_format_tag_any));
    must(dnnl_memory_desc_create_with_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_x));
    must(dnnl_post_ops_create(&post));
    must(dnnl_post_ops_append_eltwise(post, dnnl_eltwise_relu, 0.0f, 0.0f));
    must(dnnl_primitive_attr_create(&attr));
    must(dnnl_primitive_attr_set_post_ops(attr, post));
    must(dnnl_convolution_forward_primitive_desc_create(&pd, engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                        src, weights, bias, src, unit, NULL, unit, unit, attr));
    must(dnnl_primitive_create(&conv, pd));
    const dnnl_exec_arg_t args[] = {
        { DNNL_ARG_SRC, memory(engine, dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0)) },
        { DNNL_ARG_WEIGHTS, memory(engine, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)) },
        { DNNL_ARG_BIAS, memory(engine, bias) },
        { DNNL_ARG_DST, memory(engine, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0)) }
    };
    must(dnnl_primitive_execute(conv, stream, 4, args));

    double best = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        const double start = now();
        double seconds;
        long runs = 0;
        do {
            must(dnnl_primitive_execute(conv, stream, 4, args));
            must(dnnl_stream_wait(stream));
            runs++;
            seconds = now() - start;
        } while (seconds < TRIAL_SECONDS);
        const double rate = 2.0 * 9.0 * c * c * h * w * (double)runs / seconds * 1e-9;
        best = rate > best ? rate : best;
    }
    for (int i = 0; i < 4; i++)
        dnnl_memory_destroy(args[i].memory);
    dnnl_primitive_destroy(conv);
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    dnnl_post_ops_destroy(post);
    dnnl_memory_desc_destroy(src);
    dnnl_memory_desc_destroy(weights);
    dnnl_memory_desc_destroy(bias);
    return best;
}

static void report(const char *name, dnnl_engine_t engine, dnnl_stream_t stream, dnnl_data_type_t type)
{
    double best = 0;
    size_t at = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const double rate = measure(engine, stream, type, shapes[i].channels, shapes[i].height, shapes[i].width);
        if (rate > best) {
            best = rate;
            at = i;
        }
    }
    printf(", \"%s\": {\"gflops\": %.1f, \"channels\": %d, \"height\": %d, \"width\": %d}", name, best,
           shapes[at].channels, shapes[at].height, shapes[at].width);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const int most = omp_get_num_procs();
    const long threads = argc > 1 ? strtol(argv[1], &end, 10) : most;
    if (argc > 2 || (end && (*end || end == argv[1])) || threads < 1 || threads > most) {
        fprintf(stderr, "usage: nn_peak [THREADS], 1 to %d here\n", most);
        return 2;
    }
    omp_set_num_threads((int)threads);
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    must(dnnl_engine_create(&engine, dnnl_cpu, 0));
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    printf("{\"threads\": %ld", threads);
    report("f32", engine, stream, dnnl_f32);
    if (srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16))
        report("bf16", engine, stream, dnnl_bf16);
    else
        printf(", \"bf16\": null");
    printf("}\n");
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return 0;
}
