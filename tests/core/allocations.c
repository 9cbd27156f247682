/* SPDX-License-Identifier: GPL-3.0-or-later */
/* No allocation per image. The linker sends every malloc, calloc, realloc, aligned allocation and volk_malloc
 * that libsrec's own
 * objects call through the __wrap_ functions here (CMakeLists.txt), which count; calls inside shared libraries do
 * not pass them.
 * A plain program: CppUTest replaces operator new for oneDNN as well, whose allocations would look like ours.
 *
 * oneDNN allocates within dnnl_primitive_execute (containers of arguments, freed on return). That is not ours to
 * remove; that nothing
 * of it stays is the last check. */
#include "../../lib/core/nn/nn.h"

#include <srec/srec.h>

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t own = 0; /* libsrec allocates in the calling thread only */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__real_volk_malloc(size_t n, size_t align);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_volk_malloc(size_t n, size_t align);
void *__wrap_malloc(size_t n) { return own++, __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return own++, __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return own++, __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t align, size_t n) { return own++, __real_aligned_alloc(align, n); }
int __wrap_posix_memalign(void **p, size_t align, size_t n) { return own++, __real_posix_memalign(p, align, n); }
void *__wrap_volk_malloc(size_t n, size_t align) { return own++, __real_volk_malloc(n, align); }

static unsigned failures = 0;

static void check(bool ok, const char *claim, size_t found)
{
    printf("%s: %s (%zu)\n", ok ? "ok" : "FAILED", claim, found);
    failures += !ok;
}

static void must(srec_status status, const srec_error *error)
{
    if (status == SREC_OK)
        return;
    fprintf(stderr, "%s: %s\n", srec_strerror(status), error->message);
    exit(1);
}

#define SIDE_MAX 1024u
static uint8_t pixels[SIDE_MAX * SIDE_MAX * 3], map[SIDE_MAX * SIDE_MAX / 256], bytes[SIDE_MAX * SIDE_MAX];
static float mean[SIDE_MAX * SIDE_MAX], deviation[SIDE_MAX * SIDE_MAX];

/* One image there and back, its second slice of three lost. \return allocations */
static size_t picture(const srec_model *model, srec_encoder *encoder, srec_decoder *decoder, uint32_t w, uint32_t h)
{
    srec_error error = { 0 };
    srec_features f;
    for (size_t i = 0; i < (size_t)w * h * 3; i++)
        pixels[i] = (uint8_t)(128 + 100 * sin(0.003 * (double)i));
    const srec_image image = { w, h, 3, (size_t)w * 3, pixels };
    const size_t before = own;
    must(srec_encoder_run(encoder, &image, 0.2f, SREC_FEATURES_BITS, &f, &error), &error);
    for (uint32_t i = 0; i < 3; i += 2) {
        srec_slice s;
        size_t n;
        must(srec_slice_extract(model, &f, &(srec_slice_number){ 0, 3, i },
                                &(srec_slice_buffers){ map, sizeof map, bytes, sizeof bytes }, &s, &n),
             &error);
        for (size_t k = 0; k < n; k++) {
            mean[k] = ((float)bytes[k] - 128.0f) / 16.0f;
            deviation[k] = 0.1f;
        }
        if (i == 0)
            must(srec_decoder_begin(decoder, &s, &error), &error);
        must(srec_decoder_add(decoder, &s, mean, deviation, n, &error), &error);
    }
    must(srec_decoder_run(decoder, &image, NULL, &error), &error);
    return own - before;
}

static void plans(const srec_model *model)
{
    srec_error error = { 0 };
    for (int backend = 0; backend < 2; backend++) {
        const srec_compute compute = { .backend = (srec_backend)backend };
        srec_plan *plan;
        must(srec_plan_create(srec_model_graph(model, "ga"), &compute, 64, 64, &plan, &error), &error);
        const size_t before = own;
        for (int run = 0; run < 3; run++)
            must(srec_plan_run(plan, &error), &error);
        check(own == before,
              backend ? "a run of a reference plan allocates nothing" : "a run of a oneDNN plan allocates nothing",
              own - before);
        srec_plan_free(plan);
    }
}

static void pictures(const srec_model *model, uint32_t w, uint32_t h, unsigned tile, srec_precision precision,
                     const char *claim)
{
    srec_error error = { 0 };
    const srec_compute compute = { .tile = tile, .precision = precision };
    srec_encoder *encoder;
    srec_decoder *decoder;
    must(srec_encoder_create(model, &compute, &encoder, &error), &error);
    must(srec_decoder_create(model, &compute, &decoder, &error), &error);
    const size_t first = picture(model, encoder, decoder, w, h), second = picture(model, encoder, decoder, w, h);
    check(first > 0, "the first image allocates: the counting works", first);
    check(second == 0, claim, second);
#ifndef __SANITIZE_ADDRESS__ /* it has its own heap, and finds leaks itself */
    const struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 5; i++)
        picture(model, encoder, decoder, w, h);
    const struct mallinfo2 after = mallinfo2();
    const size_t grown = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    check(grown == 0, "nor does the heap grow by what libraries below allocate", grown);
#endif
    srec_encoder_free(encoder);
    srec_decoder_free(decoder);
}

static void enhanced(void)
{
    static uint8_t result[500 * 300 * 3];
    srec_error error = { 0 };
    const srec_compute compute = { .tile = 320 };
    srec_enhancer_model *model;
    srec_enhancer *enhancer;
    must(srec_enhancer_model_load(SREC_SOURCE_DIR "/tests/golden/enhancer-x1.safetensors", &model, &error), &error);
    must(srec_enhancer_create(model, &compute, &enhancer, &error), &error);
    const srec_image in = { 500, 300, 3, 1500, pixels }, out = { 500, 300, 3, 1500, result };
    size_t first = own, second;
    must(srec_enhancer_run(enhancer, &in, NULL, 0.5f, &out, &error), &error);
    second = own;
    first = own - first;
    must(srec_enhancer_run(enhancer, &in, NULL, 0.5f, &out, &error), &error);
    check(first > 0, "the first image enhanced allocates: the counting works", first);
    check(own == second, "the second one allocates nothing", own - second);
    srec_enhancer_free(enhancer);
    srec_enhancer_model_free(model);
}

int main(void)
{
    srec_error error = { 0 };
    srec_model *model;
    must(srec_model_load(SREC_MODEL, &model, &error), &error);
    plans(model);
    pictures(model, 320, 200, 0, SREC_PRECISION_F32, "a second image of the same size allocates nothing");
    pictures(model, 500, 300, 256, SREC_PRECISION_F32, "nor does one in tiles");
    if (srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16))
        pictures(model, 320, 200, 0, SREC_PRECISION_BF16, "nor does one in bfloat16");
    srec_model_free(model);
    enhanced();
    return failures ? 1 : 0;
}
